"""`sallyport dev`: every line that it prints is pasted into a shell, and the answer shown must be true."""
import os, pathlib, re, shutil, signal, subprocess, tempfile
import pytest
from house import BINARY, ROOT, free_port, run, wait_until


@pytest.fixture(scope="module")
def dev():
    where = pathlib.Path(tempfile.mkdtemp(prefix="sp-"))  # short, see short_path
    env = dict(os.environ, XDG_STATE_HOME=str(where), HOME=str(where), NO_COLOR="1")
    env.pop("SALLYPORT_ENVIRONMENT", None)
    out = open(where / "out.txt", "wb")
    process = subprocess.Popen([BINARY, "dev", "--port", str(free_port(4))], stdout=out, stderr=subprocess.STDOUT, env=env)

    def text():
        assert process.poll() is None, (where / "out.txt").read_text()
        return (where / "out.txt").read_text()
    wait_until(lambda: "Ctrl-C" in text(), 30)
    yield type("Dev", (), dict(text=text(), env=env, process=process, where=where))
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    shutil.rmtree(where, ignore_errors=True)


def lines(dev):
    """Pasted lines with the status that the text shows for them."""
    found, status = [], None
    for line in dev.text.splitlines():
        shown = re.search(r"\b(200|401|403|429|503)\b", line)
        if "curl" in line:
            command = line.strip()
            found.append([command, int(shown.group(1)) if shown and "#" in line else status])
        elif shown:
            status = int(shown.group(1))
    return found


def test_each_shown_answer_is_true_when_pasted(dev):
    pasted = lines(dev)
    assert len(pasted) >= 3, dev.text
    seen = set()
    for command, status in pasted:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=dev.env, timeout=60)
        assert done.returncode in (0, 22), (command, done.stderr)
        assert status and str(status) in done.stdout + done.stderr, (command, status, done.stdout, done.stderr)
        seen.add(status)
    assert {200, 401, 429} <= seen


def test_the_flood_shows_its_headers(dev):
    flood = [c for c, s in lines(dev) if s == 429][-1]
    done = subprocess.run(["bash", "-c", flood], capture_output=True, text=True, env=dev.env, timeout=60)
    said = (done.stdout + done.stderr).lower()
    assert "retry-after:" in said and "ratelimit:" in said and "ratelimit-policy:" in said


def test_no_trust_store_and_no_file_outside_the_state_directory(dev):
    assert not (dev.where / ".pki").exists()
    keys = [p for p in dev.where.rglob("*") if p.is_file() and ("key" in p.name or p.suffix == ".pem")]
    assert keys
    for p in keys:
        if "PRIVATE KEY" in p.read_text(errors="replace"):
            assert p.stat().st_mode & 0o077 == 0, p


def test_a_second_start_keeps_certificates_and_keys_and_an_interrupt_ends_it(dev, short_path):
    env, port = dict(dev.env, XDG_STATE_HOME=str(short_path)), str(free_port(4))
    kept = []
    for _ in range(2):
        with subprocess.Popen([BINARY, "dev", "--port", port], stdout=subprocess.PIPE, text=True, env=env) as process:
            for line in process.stdout:
                if "ready" in line:
                    break
            kept.append({p.name: p.read_bytes() for p in short_path.rglob("*") if p.suffix in (".pem", ".key")})
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
    assert len(kept[0]) >= 3 and kept[0] == kept[1]


def test_lines_hold_in_another_terminal_and_beside_an_office_proxy(short_path):
    """The pasting shell knows nothing of the state directory, and sends what it can through a proxy that is not there."""
    env = dict(os.environ, XDG_STATE_HOME=str(short_path / "it's here"), https_proxy="http://127.0.0.1:9", NO_COLOR="1")
    env.pop("SALLYPORT_ENVIRONMENT", None)
    with subprocess.Popen([BINARY, "dev", "--port", str(free_port(4))], stdout=subprocess.PIPE, text=True, env=env) as process:
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        pasting = dict(env, HOME="/nonexistent", http_proxy="http://127.0.0.1:9")
        del pasting["XDG_STATE_HOME"]
        for command, status in lines(type("Dev", (), dict(text=told))):
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=pasting, timeout=60)
            assert f" {status} " in done.stdout + done.stderr, (command, done.stdout, done.stderr)
        process.send_signal(signal.SIGHUP)  # the terminal is closed
        assert process.wait(10) == 0


def test_a_taken_port_is_told_in_one_sentence(dev):
    port = re.search(r"https://127\.0\.0\.1:(\d+)/", dev.text).group(1)
    done = run(BINARY, "dev", "--port", port, env=dev.env)
    assert done.returncode == 1 and f"port {port}" in done.stderr and len(done.stderr.splitlines()) == 1
    # the command that it names helps
    words = re.search(r'make dev DEV="(--port (\d+))"', done.stderr)
    assert f"{BINARY} dev {words[1]}" in done.stderr
    with subprocess.Popen([BINARY, "dev", *words[1].split()], stdout=subprocess.PIPE, text=True, env=dev.env) as process:
        assert f"https://127.0.0.1:{words[2]}/" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_readme_shows_the_lines_that_are_printed(dev):
    """As they are for who runs `make dev` in a clone, with nothing set."""
    printed = dev.text[dev.text.index("# a call with a token"):dev.text.index("\nCtrl-C")]
    port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", dev.text).group(1))
    for was, shown in ((f"XDG_STATE_HOME={dev.where} ", ""), (f"{dev.where}/sallyport/dev-{port}", "~/.local/state/sallyport/dev"),
                       (f" --port {port}", ""), (f":{port}/", ":8443/"), (f":{port + 1}/", ":8444/"),
                       ("--noproxy '*' ", ""), (BINARY, "build/release/sallyport")):
        printed = printed.replace(was, shown)
    readme = (ROOT / "README.md").read_text()
    block = "\n".join(line[4:] for line in readme.splitlines() if line.startswith("    ") or not line)
    assert printed in block


def test_minted_tokens_are_what_was_asked_for(dev):
    port = re.search(r"https://127\.0\.0\.1:(\d+)/", dev.text).group(1)

    def status(*options):
        token = subprocess.run([BINARY, "token", "mint", "--port", port, *options], capture_output=True, text=True,
                               env=dev.env, check=True).stdout.strip()
        ca = dev.where / "sallyport" / f"dev-{port}" / "ca.pem"
        done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", ca, "-H",
                               f"Authorization: Bearer {token}", f"https://127.0.0.1:{port}/clusters/x"],
                              capture_output=True, text=True)
        return done.stdout
    assert status("--sub", "ann", "--expires", "5m") == "200"
    assert status("--expires", "-5m") == "401"
    assert status("--aud", "https://elsewhere.example.com") == "401"
    assert run(BINARY, "token", "mint", "--expires", "soon", env=dev.env).returncode == 2
    assert run(BINARY, "token", env=dev.env).returncode == 2


def test_production_is_refused(dev):
    env = dict(dev.env, SALLYPORT_ENVIRONMENT="production")
    done = run(BINARY, "dev", "--port", free_port(4), env=env)
    assert done.returncode == 78 and "production" in done.stderr
