import os, signal, socket, time
import pytest
from house import BINARY, Load, Sallyport, connect, exchange, header, read_answer, run, wait_until


def workers(world):
    return {w["pid"] for w in world.proxy.status()["workers"]}


def test_kill_9_of_a_worker_loses_only_what_was_in_flight_on_it(make_world):
    w = make_world(workers=2)
    with Load(w.port, w.ca, clients=8) as load:
        time.sleep(0.5)
        for _ in range(3):
            victim = sorted(workers(w))[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: victim not in workers(w) and len(workers(w)) == 2)
            time.sleep(0.5)
    assert load.done > 100
    # at most the request in flight on each connection of the killed worker; never a refused connection
    assert len(load.failed) <= 3 * 8, load.failed
    assert not any("refused" in f.lower() for f in load.failed), load.failed


def test_reloads_under_load_fail_no_request(make_world):
    w = make_world(workers=2)
    with Load(w.port, w.ca, clients=8) as load:
        time.sleep(0.3)
        for i in range(5):
            done = w.proxy.reload()
            assert done.returncode == 0, done.stderr
            time.sleep(0.5)
        w.proxy.signal(signal.SIGHUP)
        time.sleep(1)
    assert load.done > 200
    assert load.failed == []


def test_a_reload_changes_routes_and_keeps_buckets(make_world):
    w = make_world(workers=2)
    s = connect(w.port, w.ca)
    assert [exchange(s, "GET", "/keyed/x", [("X-Key", "k")])[0] for _ in range(6)] == [200] * 5 + [429]
    assert exchange(s, "GET", "/fresh/x")[0] == 503
    text = w.config(routes="  - {name: fresh, path: /fresh/*, upstream: app, anonymous: true}")
    assert w.proxy.reload(text).returncode == 0
    s = connect(w.port, w.ca)
    assert exchange(s, "GET", "/fresh/x")[0] == 200
    assert exchange(s, "GET", "/keyed/x", [("X-Key", "k")])[0] == 429


def test_a_bad_file_at_reload_changes_nothing_and_says_why(make_world):
    w = make_world(workers=1)
    good = w.config()
    done = w.proxy.reload(good.replace("upstream: app, anonymous: true, limits", "upstream: ap, anonymous: true, limits"))
    assert done.returncode == 78 or done.returncode == 1
    assert "sallyport.yaml:" in done.stderr and 'did you mean "app"' in done.stderr
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200
    done = w.proxy.reload(good.replace("environment: dev", "environment: staging"))
    assert done.returncode != 0 and "staging" in done.stderr
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200


def test_sigterm_drains(make_world):
    w = make_world(workers=2)
    s = connect(w.port, w.ca)
    s.sendall(b"GET /open/slow?s=1.0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    idle = connect(w.port, w.ca)
    assert exchange(idle, "GET", "/open/hello")[0] == 200
    time.sleep(0.2)
    w.proxy.signal(signal.SIGTERM)
    time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", w.status_port), 2) as probe:
        probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 503 " in probe.recv(200)
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200  # still accepting during drain.delay
    a = read_answer(s)
    assert a[0] == 200 and (header(a, "connection") or "").lower() == "close"
    assert w.proxy.process.wait(10) == 0


def test_a_second_sigterm_stops_at_once(make_world):
    w = make_world(workers=1)
    s = connect(w.port, w.ca)
    s.sendall(b"GET /open/slow?s=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(0.3)
    w.proxy.signal(signal.SIGTERM)
    time.sleep(0.1)
    start = time.monotonic()
    w.proxy.signal(signal.SIGTERM)
    w.proxy.process.wait(5)
    assert time.monotonic() - start < 3


def test_the_keeper_and_the_writer_are_restarted_while_traffic_goes_on(make_world):
    w = make_world(workers=1)
    with Load(w.port, w.ca, clients=4) as load:
        for role in ("keeper", "writer"):
            pid = w.proxy.status()[role]["pid"]
            os.kill(pid, signal.SIGKILL)
            w.proxy.wait_successor(role, pid)
    assert load.failed == [] and load.done > 10


def test_the_environment_pin_refuses_a_foreign_configuration(make_world, tmp_path):
    w = make_world(workers=1)
    text = w.config().replace("environment: dev", "environment: staging")
    (tmp_path / "c.yaml").write_text(text)
    env = dict(w.proxy.env, SALLYPORT_ENVIRONMENT="production")
    done = run(BINARY, "run", "-c", tmp_path / "c.yaml", env=env)
    assert done.returncode == 78
    said = [line for line in done.stderr.splitlines() if "staging" in line]
    assert len(said) == 1 and "production" in said[0] and "SALLYPORT_ENVIRONMENT" in said[0]
    env.pop("SALLYPORT_ENVIRONMENT")
    done = run(BINARY, "run", "-c", tmp_path / "c.yaml", env=env)
    assert done.returncode == 78 and "dev" in done.stderr


def test_a_full_disk_or_a_missing_directory_never_stops_traffic(make_world):
    w = make_world(workers=1)
    text = w.config().replace(f"{w.where}/access.jsonl", "/dev/full")
    assert w.proxy.reload(text).returncode == 0
    s = connect(w.port, w.ca)
    assert all(exchange(s, "GET", "/open/hello")[0] == 200 for _ in range(200))


def test_the_admin_socket_is_private(make_world):
    w = make_world(workers=1)
    assert os.stat(f"{w.where}/admin.sock").st_mode & 0o777 == 0o600


def test_workers_write_no_core_and_gain_no_privilege(make_world):
    w = make_world(workers=1)
    pid = next(iter(workers(w)))
    status = open(f"/proc/{pid}/status").read()
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    limits = open(f"/proc/{pid}/limits").read()
    core = [line for line in limits.splitlines() if line.startswith("Max core file size")][0].split()
    assert core[4] == "0"
