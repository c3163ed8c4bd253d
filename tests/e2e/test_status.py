"""What `sallyport status` tells an operator, and what /readyz can tell a balancer."""
import os, pwd, signal, time
from house import BINARY, connect, exchange, free_port, run, wait_until
from scripted import Scripted
from test_life import probe


def text_of(w):
    done = run(BINARY, "status", "-c", w.proxy.file, env=w.proxy.env)
    assert done.returncode == 0, done
    return done.stdout


def upstream(w, name):
    return next(u for u in w.proxy.status()["upstreams"] if u["upstream"] == name)


def world_of(make_world, *urls, options="", **more):
    quoted = ", ".join(f'"{u}"' for u in urls)
    return make_world(workers=1, upstreams=f"  raw: {{endpoints: [{quoted}]{options}}}",
                      routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}", **more)


def test_without_trouble_the_first_line_says_so_and_all_parts_are_there(make_world):
    w = world_of(make_world, f"http://127.0.0.1:{free_port()}")
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200
    wait_until(lambda: text_of(w).startswith("nothing is known to be wrong\n"))
    text, told = text_of(w), w.proxy.status()
    assert told["problems"] == [] and upstream(w, "app")["usable"] == 1
    certificate = next(c for c in told["certificates"] if c["file"].endswith("server.pem"))
    assert certificate["days"] in (29, 30) and abs(certificate["not_after"] - time.time() - 30 * 86400) < 86400
    assert f"{w.origin.url} unchecked" in text and "certificate " in text and "issuer local: normal" in text
    user = pwd.getpwuid(os.getuid()).pw_name
    assert f"by {user} (start)" in text and abs(told["in_force"]["since"] - time.time()) < 60


def test_checked_endpoints_are_told_and_a_dead_upstream_comes_first(make_world):
    sick = []

    def play(peer):
        while peer.request()[0] is not None:
            peer.say(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") if sick else peer.ok()
    alive, dead = Scripted(play), f"http://127.0.0.1:{free_port()}"
    health = ", health: {path: /, interval: 100ms, timeout: 5s, fall: 2, rise: 1}"
    w = world_of(make_world, alive.url, dead, options=health)
    wait_until(lambda: upstream(w, "raw")["usable"] == 1)
    assert [e["state"] for e in upstream(w, "raw")["endpoints"]] == ["up", "down"]
    assert text_of(w).startswith("wrong: upstream raw: only 1 of 2 endpoints can be used\n")
    sick.append(True)
    wait_until(lambda: upstream(w, "raw")["usable"] == 0)
    text = text_of(w)
    assert text.startswith("wrong: upstream raw is dead: none of its 2 endpoints can be used\n"), text
    assert f"  {dead} down, checked 0 s ago" in text or f"  {dead} down, checked 1 s ago" in text, text
    alive.close()


def test_endpoints_that_workers_have_ejected_are_told_without_health_checks(make_world):
    dead = [f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"]
    w = world_of(make_world, *dead, options=", eject_failures: 1, eject_for: 1m")
    assert upstream(w, "raw")["usable"] == 2
    s = connect(w.port, w.ca)
    for _ in range(6):
        assert exchange(s, "GET", "/raw/x")[0] in (502, 503)
    wait_until(lambda: [e["state"] for e in upstream(w, "raw")["endpoints"]] == ["ejected", "ejected"])
    assert text_of(w).startswith("wrong: upstream raw is dead: none of its 2 endpoints can be used\n")


def test_readyz_tells_of_dead_upstreams_only_where_it_is_asked_to(make_world):
    health = ", health: {path: /, interval: 100ms, timeout: 5s, fall: 2, rise: 1}"
    w = world_of(make_world, f"http://127.0.0.1:{free_port()}", options=health)
    dead = w.config().replace("header_timeout: 10s, connect_timeout: 5s", health[2:])
    assert w.proxy.reload(dead).returncode == 0
    wait_until(lambda: upstream(w, "raw")["usable"] == 0 and upstream(w, "app")["usable"] == 1)
    assert w.proxy.reload(dead.replace("status: {", "status: {ready: upstreams, ")).returncode == 0
    wait_until(lambda: upstream(w, "raw")["usable"] == 0)
    assert probe(w)[0] == 200  # one of two is dead
    w.origin.close()
    wait_until(lambda: probe(w)[0] == 503)
    assert b"no endpoint of any upstream can be used" in probe(w)[1]
    assert text_of(w).startswith("wrong: every upstream is dead")
    assert w.proxy.reload(dead).returncode == 0
    wait_until(lambda: upstream(w, "app")["usable"] == 0)
    assert probe(w)[0] == 200


def test_what_is_in_force_since_when_and_by_whom(make_world):
    w = make_world(workers=1)
    first = w.proxy.status()["in_force"]
    assert first["cause"] == "start" and first["uid"] == os.getuid()
    assert w.proxy.reload().returncode == 0
    second = w.proxy.status()["in_force"]
    assert second["cause"] == "command" and second["uid"] == os.getuid() and second["since"] >= first["since"]
    assert w.proxy.reload(w.config() + "nonsense: 1\n").returncode == 78
    told = w.proxy.status()
    assert told["in_force"] == second and any("the last reload was refused" in p for p in told["problems"])
    w.proxy.file.write_text(w.config())
    w.proxy.signal(signal.SIGHUP)
    wait_until(lambda: w.proxy.status()["in_force"]["cause"] == "signal")


def test_limits_that_refuse_are_told(make_world):
    w = make_world(workers=1)
    s = connect(w.port, w.ca)
    assert [exchange(s, "GET", "/keyed/x", [("X-Key", "a")])[0] for _ in range(9)] == [200] * 5 + [429] * 4
    told = w.proxy.status()["limits"]
    assert [t["limit"] for t in told] == ["per-key"] and 1 <= told[0]["refused"] <= 4
    assert "limit per-key has refused lately" in text_of(w)
