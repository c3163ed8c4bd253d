import json, os, pathlib, pwd, re, shutil, signal, subprocess
import pytest
from conftest import World
from house import BINARY, ROOT, connect, exchange, free_port, must, run, wait_until

MINIMAL = """environment: dev
listeners: [{address: "127.0.0.1:8080"}]
upstreams: {app: {endpoints: ["http://127.0.0.1:9000"]}}
routes: [{path: /*, upstream: app, anonymous: true}]
"""


@pytest.mark.parametrize("command", [[], ["run"], ["check"], ["dev"], ["reload"], ["status"], ["version"], ["config"],
                                     ["token"], ["limits"]])
def test_every_command_has_help_on_stdout(command):
    done = run(BINARY, *command, "--help")
    assert done.returncode == 0 and "sallyport" in done.stdout and done.stderr == ""


def test_exit_codes(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(MINIMAL)
    bad.write_text(MINIMAL.replace("upstream: app", "upstream: ap"))
    assert run(BINARY, "check", "-c", good).returncode == 0
    assert run(BINARY, "check", "-c", bad).returncode == 78
    assert run(BINARY, "check", "-c", tmp_path / "none.yaml").returncode == 78
    assert run(BINARY, "run", "-c", bad).returncode == 78
    assert run(BINARY, "frobnicate").returncode == 2
    assert run(BINARY, "run").returncode in (2, 78)
    assert run(BINARY, "status", "-s", tmp_path / "no.sock").returncode == 3
    assert run(BINARY, "reload", "-s", tmp_path / "no.sock").returncode == 3
    assert run(BINARY, "version").returncode == 0
    assert run(BINARY, "config", "explain", "no.such.option").returncode != 0


@pytest.mark.parametrize("word,instead", [("/dev/stdout", "stdout"), ("/dev/stderr", "stderr"), ("/proc/self/fd/1", "stdout"),
                                          ("/proc/1/fd/1", "stdout"), ("/dev//./stderr", "stderr"),
                                          ('"-"', "stdout")])
def test_a_device_is_no_log_file_and_the_word_for_it_is_named(tmp_path, word, instead):
    file = tmp_path / "x.yaml"
    file.write_text(MINIMAL + f"log: {{access: {word}}}\n")
    done = run(BINARY, "check", "-c", file)
    assert done.returncode == 78 and f"write {instead}" in done.stderr, done


def test_plain_and_tls_exclude_each_other(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(MINIMAL.replace('"127.0.0.1:8080"', '"127.0.0.1:8080", plain: true, tls: {certificates: [{chain: a, key: b}]}'))
    done = run(BINARY, "check", "-c", file)
    assert done.returncode == 78 and "plain: true and tls exclude each other" in done.stderr, done


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_access_log_goes_to_an_inherited_descriptor(tmp_path, stream, authority, issuer):
    w = World(tmp_path, authority, issuer, workers=1, log=stream)
    try:
        assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200
        wait_until(lambda: '"url.path":"/open/hello"' in (tmp_path / f"{stream}.txt").read_text())
        w.proxy.signal(signal.SIGUSR1)  # reopening changes nothing
        assert exchange(connect(w.port, w.ca), "GET", "/open/again")[0] == 200
        wait_until(lambda: '"url.path":"/open/again"' in (tmp_path / f"{stream}.txt").read_text())
    finally:
        w.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_the_state_directory_is_made_and_given_to_the_user_or_check_fails(tmp_path):
    os.chmod(tmp_path, 0o755)
    for up in tmp_path.parents:
        if up != pathlib.Path("/tmp") and str(up).startswith("/tmp"):
            os.chmod(up, 0o755)
    file, state = tmp_path / "x.yaml", tmp_path / "state"
    text = MINIMAL.replace("127.0.0.1:8080", f"127.0.0.1:{free_port()}") + f"user: nobody\nadmin: {{socket: {tmp_path}/a.sock}}\n"
    file.write_text(text + f"state: {state}\n")
    env = dict(os.environ, XDG_STATE_HOME=str(tmp_path / "xdg"))

    def check():
        return run(BINARY, "check", "-c", file, env=env)

    def start():
        p = subprocess.Popen([BINARY, "run", "-c", file], env=env, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: run(BINARY, "status", "-c", file).returncode == 0)
        p.send_signal(signal.SIGTERM)
        p.send_signal(signal.SIGTERM)
        return p.communicate(timeout=20)[1]
    assert check().returncode == 0 and not state.exists()     # a start would make it; check changes nothing
    assert "state:" not in start()
    assert state.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    os.chown(state, 0, 0)
    for entry in state.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert check().returncode == 0                            # root's own, and empty: given away at the start
    assert "state:" not in start() and state.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    os.chown(state, 0, 0)
    (state / "something").write_text("of root's")
    done = check()
    assert done.returncode == 78 and f"state: {state} cannot be written by nobody" in done.stderr, done
    assert "cannot be written by nobody" in start() and state.stat().st_uid == 0
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(target)
    file.write_text(text + f"state: {link}\n")
    assert check().returncode == 78 and "cannot be" in start() and target.stat().st_uid == 0  # no link is followed
    file.write_text(text + f"state: {tmp_path}/none/state\n")
    assert check().returncode == 78


@pytest.mark.parametrize("words", [
    ["revoke", "jit", "x", "--issuer", "local"], ["revoke", "undo", "token", "x", "--issuer", "local"], ["revoke", "jti", "x"],
    ["revoke", "jti", "x", "--issuer", "local", "--until", "soon"], ["issuer", "drill", "local", "away"], ["issuer", "drill", "local"],
    ["issuer", "stat"], ["issuer", "drill", "local", "blind", "--for", "long"], ["revoke", "lst"], ["limits", "rest", "a", "b"],
    ["status", "now"], ["config", "explian", "routes"], ["token", "mnt"]])
def test_wrong_words_are_a_usage_error_and_ask_nobody(tmp_path, words):
    done = run(BINARY, *words, *([] if words[0] in ("config", "token") else ["-s", tmp_path / "no.sock"]))
    assert done.returncode == 2 and done.stdout == "" and done.stderr, done


def test_a_mistake_is_shown_with_its_place_and_a_suggestion(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(MINIMAL.replace("upstream: app", "upstream: ap") + "timeoutz: {idle: 5x}\nlimits: {a: {key: [adress], rate: fast}}\n")
    done = run(BINARY, "check", "-c", bad)
    assert done.stdout == ""
    assert "bad.yaml:4:" in done.stderr and 'did you mean "app"' in done.stderr
    assert 'did you mean "timeouts"' in done.stderr and "^" in done.stderr
    assert done.stderr.count("error") >= 3
    assert "\033[" not in done.stderr


@pytest.mark.parametrize("text,word", [
    ("a: &x 1\nb: *x\n", "anchor"), ("a: !!str 1\n", "tag"), ("environment: dev\nenvironment: dev\n", "environment"),
    ("---\nenvironment: dev\n---\nenvironment: dev\n", "document"), ("a: [" * 40, ""), ("environment: [dev\n", ""),
    ("environment: dev\n\tlisteners: []\n", ""), ("\xff\xfe", ""), ("", "")])
def test_yaml_beyond_the_subset_is_refused(tmp_path, text, word):
    file = tmp_path / "x.yaml"
    file.write_bytes(text.encode("latin-1"))
    done = run(BINARY, "check", "-c", file)
    assert done.returncode == 78 and word in done.stderr and "x.yaml" in done.stderr


def blocks(document, heading):
    """The indented blocks under a heading of a document, without their indentation."""
    section = (ROOT / document).read_text().split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
    found = [block.splitlines() for block in section.strip("\n").split("\n\n")]
    return [[line[4:] for line in block] for block in found if all(line.startswith("    ") for line in block)]


def accepted(text, place, authority):
    """Whether `check` takes a configuration that the documents show, with paths and ports that this machine has."""
    chain, key = authority.issue("documents", ["DNS:api.example.com"])
    file = place / "sallyport.yaml"
    for was, here in (("/etc/sallyport/tls.pem", chain), ("/etc/sallyport/tls.key", key), ("0.0.0.0:443", f"127.0.0.1:{free_port()}"),
                      ("0.0.0.0:8080", f"0.0.0.0:{free_port()}"), ("127.0.0.1:9180", f"127.0.0.1:{free_port()}"),
                      ("0.0.0.0:9180", f"127.0.0.1:{free_port()}"), ("state: /state", f"state: {place}/state")):
        text = text.replace(was, str(here))
    for name, rest in (("state", f"{place}/state"), ("log", f"{{access: {place}/access.jsonl}}")):
        if f"\n{name}:" not in text:
            text += f"\n{name}: {rest}"
    file.write_text(text + f"\nadmin: {{socket: {place}/admin.sock}}\n")
    env = dict(os.environ, SALLYPORT_ENVIRONMENT="production", XDG_STATE_HOME=str(place))
    done = run(BINARY, "check", "-c", file, env=env)
    return (done.returncode == 0 and "error" not in done.stderr) or done


def test_the_readmes_fifteen_lines_are_a_whole_configuration(place, authority):
    lines, = blocks("README.md", "## Configuration")
    assert len(lines) == 15
    assert accepted("\n".join(lines), place, authority) is True


def test_the_lines_for_a_container_begin_a_configuration(place, authority):
    lines, = blocks("conf/RUNNING.md", "## In a container")
    readme, = blocks("README.md", "## Configuration")
    rest = readme[readme.index("issuers:"):]
    assert accepted("\n".join(lines + rest), place, authority) is True


def test_the_limits_that_are_shown_are_limits(place, authority):
    lines = blocks("conf/LIMITS.md", "# Limits")[0]
    readme, = blocks("README.md", "## Configuration")
    before, after = readme[:readme.index("limits:")], readme[readme.index("routes:"):]
    names = [line.split(":")[0].strip() for line in lines[1:]]
    routes = [line.replace("[address, subject]", f"[{', '.join(names)}]").replace("[address, login]", f"[{names[0]}]") for line in after]
    assert len(names) >= 2 and routes != after
    assert accepted("\n".join(before + lines + routes), place, authority) is True


def test_the_version_stands_in_one_file():
    version = (ROOT / "VERSION").read_text().strip()
    done = run(BINARY, "version")
    assert done.returncode == 0 and version in done.stdout.split(), done
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert newest == version


def test_nothing_is_open_by_omission(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(MINIMAL.replace(", anonymous: true", ""))
    done = run(BINARY, "check", "-c", file)
    assert done.returncode == 78 and "anonymous" in done.stderr


def test_secrets_are_never_printed(tmp_path):
    key = tmp_path / "fleet.key"
    key.write_text("0123456789abcdef0123456789abcdefSECRET\n")
    file = tmp_path / "x.yaml"
    file.write_text(MINIMAL + 'secrets: {fleet: ["${file:%s}"]}\n' % key)
    for more in ([], ["-o", "json"]):
        done = run(BINARY, "config", "print", "-c", file, *more)
        assert done.returncode == 0 and "SECRET" not in done.stdout + done.stderr and "***" in done.stdout
    file.write_text(MINIMAL + 'secrets: {fleet: ["${env:SHORT}"]}\n')
    done = run(BINARY, "check", "-c", file, env=dict(os.environ, SHORT="tooshort"))
    assert done.returncode == 78 and "tooshort" not in done.stderr


def test_explain_and_print_as_json():
    done = run(BINARY, "config", "explain", "limits.rate", "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout)
    done = run(BINARY, "config", "explain", "routes.verify.issuer")
    assert done.returncode == 0 and "issuer" in done.stdout
    done = run(BINARY, "config", "explain", "limits.rat")
    assert done.returncode == 1 and 'did you mean "limits.rate"?' in done.stderr and not done.stdout


def test_the_example_is_accepted_by_the_schema_and_the_reader():
    assert run(BINARY, "check", "-c", ROOT / "conf/sallyport.example.yaml").returncode in (0, 78)
    json.loads((ROOT / "conf/sallyport.schema.json").read_text())


def test_includes_are_merged_and_named_in_errors(tmp_path):
    (tmp_path / "routes.d").mkdir()
    (tmp_path / "routes.d/a.yaml").write_text("routes: [{name: more, path: /more/*, upstream: app, anonymous: true}]\n")
    file = tmp_path / "x.yaml"
    file.write_text(MINIMAL + "include: [routes.d/*.yaml]\n")
    done = run(BINARY, "config", "print", "-c", file)
    assert done.returncode == 0 and "more" in done.stdout
    (tmp_path / "routes.d/b.yaml").write_text("routes: [{name: more, path: /x/*, upstream: app, anonymous: true}]\n")
    done = run(BINARY, "check", "-c", file)
    assert done.returncode == 78 and "b.yaml:1:" in done.stderr


def test_a_busy_port_is_said_in_a_sentence(tmp_path):
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        file = tmp_path / "x.yaml"
        file.write_text(MINIMAL.replace("8080", str(s.getsockname()[1])) +
                        f"state: {tmp_path}/state\nadmin: {{socket: {tmp_path}/a.sock}}\n")
        done = run(BINARY, "run", "-c", file, env=dict(os.environ, XDG_STATE_HOME=str(tmp_path)))
        assert done.returncode == 1  # not 78: nothing is wrong with the file, and a service manager may try again
        assert str(s.getsockname()[1]) in done.stderr and "in use" in done.stderr
        file.write_text(file.read_text() + f"log: {{access: {tmp_path}/no/such/log}}\n")
        assert run(BINARY, "run", "-c", file, env=dict(os.environ, XDG_STATE_HOME=str(tmp_path))).returncode == 78


@pytest.mark.parametrize("line,word", [
    ("chekc", "did you mean check?"), ("check --confg x", "did you mean --config?"), ("dev --prot 1", "did you mean --port?"),
    ("token mint --scpoe read", "did you mean --scope?"), ("token mnit", '"mnit"'), ("config explian limits.rate", "did you mean explain?"),
    ("config explain", "which option"), ("version -c x", "no option -c"), ("check -o yaml", "-o takes text or json"),
    ("check extra", '"extra"'), ("status extra", '"extra"'), ("dev extra", '"extra"'), ("check -c", "--config needs a value"),
    ("dev --port 0", "--port takes a number"), ("dev --port x", "--port takes a number")])
def test_what_is_misspelt_is_told_in_a_sentence(line, word):
    done = run(BINARY, *line.split())
    assert done.returncode == 2 and done.stdout == ""
    assert word in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr


def test_output_that_cannot_be_written_is_a_failure():
    for command in ("version", "config explain limits", "--help"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, *command.split()], stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "cannot be written" in done.stderr


def check(file):
    return run(BINARY, "check", "-c", file)


def test_check_warns_of_what_is_allowed_and_hardly_meant(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(MINIMAL)
    assert check(file).stderr == "" and check(file).returncode == 0
    file.write_text(MINIMAL.replace("upstreams: {", "upstreams: {spare: {endpoints: [\"http://127.0.0.1:9001\"]}, ") +
                    "limits: {idle: {key: [address], rate: 1/s, burst: 1}}\n"
                    "issuers: {old: {issuer: \"http://127.0.0.1:9002/\", audiences: [a]}}\n"
                    f"log: {{access: {tmp_path}/none/access.jsonl}}\n")
    done = check(file)
    assert done.returncode == 0, done
    for sentence in ('no route uses the upstream "spare"', 'no route uses the limit "idle"', 'no route uses the issuer "old"',
                     f"log.access: the directory {tmp_path}/none: No such file or directory"):
        assert f"warning: {sentence}" in done.stderr, done.stderr
    assert f"{file}:3:" in done.stderr and done.stderr.count("warning:") == 4
    file.write_text(MINIMAL.replace(MINIMAL.splitlines()[3], "routes: []"))
    done = check(file)
    assert done.returncode == 0 and "warning: there are no routes: every request is answered 503" in done.stderr, done


@pytest.mark.parametrize("days,said", [(30, None), (5, "expires soon, on 20"), (-1, "has expired on 20")])
def test_check_warns_of_certificates_that_end(tmp_path, days, said):
    key, chain, file = tmp_path / "key.pem", tmp_path / "chain.pem", tmp_path / "x.yaml"
    must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days if days > 0 else 1,
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", chain)
    if days < 0:
        (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\n"
                                         "policy=p\n[p]\ncommonName=supplied\n")
        (tmp_path / "index").write_text("")
        (tmp_path / "serial").write_text("01\n")
        must("openssl", "req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", tmp_path / "csr.pem")
        must("openssl", "ca", "-config", "ca.cnf", "-selfsign", "-batch", "-keyfile", "key.pem", "-in", "csr.pem", "-startdate",
             "20200101000000Z", "-enddate", "20200201000000Z", "-notext", "-out", "chain.pem", cwd=tmp_path)
    key.chmod(0o600)
    file.write_text(MINIMAL.replace('"127.0.0.1:8080"', f'"127.0.0.1:8080", tls: {{certificates: [{{chain: {chain}, key: {key}}}]}}'))
    done = check(file)
    assert done.returncode == 0, done
    assert (said is None and done.stderr == "") or f"warning: the certificate {chain} {said}" in done.stderr, done.stderr
    key.chmod(0o644)
    assert f"warning: {key} holds a secret, and everybody on this machine may read it" in check(file).stderr


def test_check_warns_of_secrets_that_everybody_may_read(tmp_path):
    secret, file = tmp_path / "fleet.key", tmp_path / "x.yaml"
    secret.write_text("a" * 40)
    file.write_text(MINIMAL + f'secrets: {{fleet: ["${{file:{secret}}}"]}}\n')
    secret.chmod(0o600)
    assert check(file).stderr == ""
    secret.chmod(0o644)
    done = check(file)
    assert done.returncode == 0 and f"warning: {secret} holds a secret" in done.stderr and "aaaa" not in done.stderr, done


@pytest.mark.parametrize("text,words", [
    ("listeners:\n  - address: a\n    tls: {}\n   protocols: [h2]\n",
     ":5:4: error: the indentation is wrong: this line begins with 3 spaces, which fits nothing above it; the list that begins at line 3 "
     "stands at 2, line 4 at 4"),
    ("upstreams:\n  app:\n    endpoints: [a]\n\n    # why\n   keep: 3\n",
     ":7:4: error: the indentation is wrong: this line begins with 3 spaces, which fits nothing above it; the mapping that begins at line 3 "
     "stands at 2, line 4 at 4"),
    ("log:\n  access: stdout\n level: info\n", "this line begins with 1 space, which fits nothing above it; the mapping that begins at line 1"),
    ("log:\n  access: stdout\n    level: info\n", ":4:10: error: the indentation is wrong: this line begins with 4 spaces and so belongs "
     "to line 3, which has a value already; line 3 begins with 2"),
    (" log: {}\n", "this line begins with 1 space and so belongs to line 1, which has a value already; line 1 begins with 0"),
    ("routes:\n- path: /*\n  deny: 403\n  - path: /x\n", "this line begins an item of a list, and here the mapping that begins at line 3"),
    ("log\nuser: nobody\n", "line 2 has no colon, so that this line is read as its continuation"),
    ("user: a: b\n", "a second colon in one line"), ("log:\n\taccess: stdout\n", "a tab may not indent; use spaces")])
def test_mistakes_of_indentation_are_told_in_plain_words(tmp_path, text, words):
    file = tmp_path / "x.yaml"
    file.write_text("environment: dev\n" + text)
    done = check(file)
    assert done.returncode == 78 and words in done.stderr, done.stderr
