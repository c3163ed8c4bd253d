"""The life of the processes: what survives whose death, what a reload may change, what is left behind."""
import os, pathlib, re, shutil, signal, socket, subprocess, tempfile, threading, time
import pytest
from house import BINARY, Load, Sallyport, connect, exchange, free_port, read_answer, run, wait_until


def processes(world):
    """Every process of this Sallyport: pids of those that were started with its configuration."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(world.proxy.file) in p.joinpath("cmdline").read_text():
                found.append(int(p.name))
        except OSError:
            pass
    return found


def workers(world):
    return [w for w in world.proxy.status()["workers"]]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def core_limit(pid):
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
    return [line for line in limits if line.startswith("Max core file size")][0].split()[5]


def probe(world, path="/readyz", method="GET"):
    with socket.create_connection(("127.0.0.1", world.status_port), 5) as s:
        s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := s.recv(65536):
            data += piece
    return int(data.split(b" ")[1]), data


def test_a_storm_of_hangups_fails_no_request_and_leaves_nothing_behind(make_world):
    w = make_world(workers=2)
    with Load(w.port, w.ca, clients=4) as load:
        for _ in range(20):
            w.proxy.signal(signal.SIGHUP)
            time.sleep(0.05)
        wait_until(lambda: not w.proxy.status().get("reloading"), 30)
        w.proxy.reload()
    assert load.failed == [] and load.done > 20
    wait_until(lambda: len(processes(w)) <= 6, 30)  # supervisor, writer, keeper, its helper, two workers


def test_many_reloads_leak_no_descriptor_and_no_process(make_world):
    w = make_world(workers=1)
    assert w.proxy.reload().returncode == 0
    wait_until(lambda: len(processes(w)) <= 5, 30)
    before = descriptors(w.proxy.process.pid)
    for _ in range(12):
        assert w.proxy.reload().returncode == 0
    wait_until(lambda: len(processes(w)) <= 5, 30)
    wait_until(lambda: descriptors(w.proxy.process.pid) <= before, 10)


def test_at_most_two_generations_drain_at_once(make_world):
    w = make_world(workers=1)
    held = []
    for _ in range(2):
        s = connect(w.port, w.ca)
        s.sendall(b"GET /open/slow?s=3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
        held.append(s)
        assert w.proxy.reload().returncode == 0
    s = connect(w.port, w.ca)
    s.sendall(b"GET /open/slow?s=3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    held.append(s)
    time.sleep(0.2)
    w.proxy.signal(signal.SIGHUP)
    wait_until(lambda: "two earlier generations are still draining" in w.proxy.stderr, 5)
    assert len({x["generation"] for x in workers(w)}) <= 3
    for s in held:
        assert read_answer(s)[0] == 200
        s.close()
    wait_until(lambda: {x["generation"] for x in workers(w)} == {4}, 20)


def test_a_reload_changes_listeners_workers_and_certificates_under_load(make_world, authority):
    w = make_world(workers=1)
    port = free_port()
    authority.issue("renewed", ["DNS:localhost", "DNS:renewed.test"])
    more = f'  - address: 127.0.0.1:{port}\n    tls: {{certificates: [{{chain: {authority.where}/renewed.pem, key: {authority.where}/renewed.key}}]}}'
    with Load(w.port, w.ca, clients=4) as load:
        text = w.config(workers=3, listeners=more).replace("server.pem", "renewed.pem").replace("server.key", "renewed.key")
        done = w.proxy.reload(text)
        assert done.returncode == 0, done.stderr
        assert {x["slot"] for x in workers(w) if x["generation"] == 2} == {0, 1, 2}
        for at in (w.port, port):
            s = connect(at, w.ca)
            assert ("DNS", "renewed.test") in s.getpeercert()["subjectAltName"]
            assert exchange(s, "GET", "/open/hello")[0] == 200
        assert w.proxy.reload(w.config(workers=1)).returncode == 0
        wait_until(lambda: refused(port), 20)
        s = connect(w.port, w.ca)
        assert ("DNS", "renewed.test") not in s.getpeercert()["subjectAltName"]
    assert load.failed == []


def test_a_reload_from_another_environment_is_refused_in_a_sentence_that_names_both(make_world):
    w = make_world(workers=1, env=dict(SALLYPORT_ENVIRONMENT="dev"))
    done = w.proxy.reload(w.config().replace("environment: dev", "environment: staging"))
    assert done.returncode == 78
    said = [line for line in done.stderr.splitlines() if "staging" in line]
    assert len(said) == 1 and "pinned to dev by the variable SALLYPORT_ENVIRONMENT" in said[0], done.stderr
    assert w.proxy.status()["generation"] == 1


def test_a_reload_that_was_refused_has_no_number(make_world):
    w = make_world(workers=1)
    for _ in range(3):
        assert w.proxy.reload(w.config().replace("environment: dev", "environment: dev\nuser: nobody")).returncode == 78
    done = w.proxy.reload(w.config())
    assert done.returncode == 0 and "generation 2 is in force" in done.stdout, done
    wait_until(lambda: {x["generation"] for x in workers(w)} == {2})


def test_no_scrape_is_lost_to_a_reload(make_world):
    """The keeper that leaves answers those whose connection it has taken, also where their request comes a moment later."""
    w = make_world(workers=1)
    lost, done, stopping = [], [0], []

    def scrape():
        while not stopping:
            try:
                with socket.create_connection(("127.0.0.1", w.status_port), 5) as s:
                    time.sleep(0.02)
                    s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                    if not s.recv(100).startswith(b"HTTP/1.1 200"):
                        lost.append("closed without an answer")
                    done[0] += 1
            except OSError as e:
                lost.append(repr(e))
    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for t in threads:
        t.start()
    for _ in range(4):
        assert w.proxy.reload(w.config()).returncode == 0
    stopping.append(True)
    for t in threads:
        t.join(15)
    assert done[0] > 50 and lost == []


def test_messages_carry_a_time_where_no_journal_adds_one(make_world, tmp_path):
    w = make_world(workers=1)
    time_first = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z sallyport: ")
    wait_until(lambda: "is in force" in w.proxy.stderr)
    assert all(time_first.match(line) for line in w.proxy.stderr.splitlines()), w.proxy.stderr
    for name, away, timed in (("journal", 0, False), ("other", 1, True)):
        with open(tmp_path / name, "wb") as f:
            node = os.fstat(f.fileno())
            stream = f"{node.st_dev}:{node.st_ino + away}"
            done = subprocess.run([BINARY, "run", "-c", w.proxy.file], stderr=f, env=dict(w.proxy.env, JOURNAL_STREAM=stream), timeout=20)
        said = (tmp_path / name).read_text(errors="replace")
        assert done.returncode == 1 and "nothing is started" in said, (done, said)  # the addresses are taken
        lines = [x for x in said.splitlines() if "sallyport: " in x]
        assert all(bool(time_first.match(x)) == timed for x in lines), lines


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return False
    except ConnectionRefusedError:
        return True


def test_kill_9_of_the_supervisor_finishes_what_is_in_flight_and_leaves_nobody(make_world):
    w = make_world(workers=2)
    s = connect(w.port, w.ca)
    s.sendall(b"GET /open/slow?s=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(0.3)
    w.proxy.process.kill()
    w.proxy.process.wait()
    assert s.recv(12) == b"HTTP/1.1 200"
    s.close()
    wait_until(lambda: processes(w) == [], 20)
    w.proxy = Sallyport(w.where, w.config())
    w.proxy.wait_ready(w.status_port)
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200


def test_the_service_manager_is_told(make_world, tmp_path):
    short = tempfile.mkdtemp(prefix="sn-")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(f"{short}/n")
        s.settimeout(20)
        w = make_world(workers=1, env=dict(NOTIFY_SOCKET=f"{short}/n", WATCHDOG_USEC="400000"))
        said = []

        def until(word):
            while True:
                said.append(s.recv(500).decode())
                if word in said[-1]:
                    return said[-1]
        assert "STATUS=" in until("READY=1")
        until("WATCHDOG=1")
        w.proxy.signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in until("RELOADING=1")
        until("READY=1")
        w.proxy.signal(signal.SIGTERM)
        until("STOPPING=1")
        assert w.proxy.process.wait(20) == 0
    shutil.rmtree(short)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving up rights takes root")
def test_rights_are_given_up_for_good(make_world):
    w = make_world(workers=1)
    state = w.proxy.status()
    for role, pid in [("worker", state["workers"][0]["pid"]), ("keeper", state["keeper"]["pid"]),
                      ("writer", state["writer"]["pid"])]:
        told = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert "0" not in told["Uid"].split() and "0" not in told["Gid"].split(), (role, told)
        assert told["Groups"].strip() == ""
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(told[kind], 16) == 0, (role, kind)
        assert told["NoNewPrivs"] == "1"
        assert core_limit(pid) == "0"
        if role == "worker":
            assert told["Seccomp"] == "2"
    told = pathlib.Path(f"/proc/{w.proxy.process.pid}/status").read_text()
    kept = int([line for line in told.splitlines() if line.startswith("CapEff")][0].split()[1], 16)
    assert bin(kept).count("1") <= 7
    assert core_limit(w.proxy.process.pid) == "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="asking as another user takes root")
def test_the_admin_socket_hears_its_own_user_only(make_world):
    w = make_world(workers=1)
    path = f"{w.where}/admin.sock"
    os.chmod(path, 0o666)  # as if somebody had opened it
    os.chmod(w.where, 0o755)
    os.chmod(w.proxy.file, 0o644)
    ask = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{path}'); s.sendall(b'status\\n'); print(s.recv(100))"
    done = run("/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", ask)
    assert "b''" in done.stdout or "reset" in done.stderr.lower() or "Broken" in done.stderr, (done.stdout, done.stderr)
    wait_until(lambda: "a process of another user asked" in w.proxy.stderr)
    assert w.proxy.status()["state"] == "serving"


def test_the_status_listener_serves_probes_and_metrics_and_nothing_else(make_world):
    w = make_world(workers=1)
    for path in ("/livez", "/readyz", "/startupz", "/metrics"):
        assert probe(w, path)[0] == 200
    for path in ("/", "/status", "/open/hello", "/metrics/", "/livez/../open/hello", "/admin"):
        assert probe(w, path)[0] == 503, path
    assert probe(w, "/metrics", "POST")[0] == 405
    assert w.origin.requests == []


def on_a_terminal(world, **env):
    """What `sallyport status` writes to a terminal."""
    told, end = os.openpty()
    done = subprocess.Popen([BINARY, "status", "-c", str(world.proxy.file)], stdout=end, env=dict(world.proxy.env, **env))
    assert done.wait(20) == 0
    os.close(end)
    text = b""
    try:
        while piece := os.read(told, 65536):
            text += piece
    except OSError:  # the other end is closed
        pass
    os.close(told)
    return text.decode()


def test_colours_are_for_terminals_without_no_color(make_world):
    w = make_world(workers=1)
    w.proxy.env.pop("NO_COLOR", None)
    assert "\033[" in on_a_terminal(w)
    assert "\033[" not in on_a_terminal(w, NO_COLOR="1")
    assert "\033[" not in run(BINARY, "status", "-c", w.proxy.file, env=w.proxy.env).stdout


def test_a_second_sigterm_cuts_tunnels_and_requests_and_every_process_ends_well(make_world):
    w = make_world(workers=1)
    held = []
    for head in (b"GET /live/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                 b"GET /open/bytes?n=30000000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"GET /open/slow?s=20 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        held.append(connect(w.plain))
        held[-1].sendall(head)
    assert b" 101 " in held[0].recv(200) and b" 200 " in held[1].recv(200)
    assert w.proxy.stop() == 0
    assert "died by signal" not in w.proxy.stderr
