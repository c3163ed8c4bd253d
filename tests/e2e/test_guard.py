"""The absence guard: what an upstream says is not there, and who is told so."""
import json, re, time
import pytest
from house import BINARY, ROOT, Sallyport, connect, exchange, header, run, wait_until
from issuing import houses, metric
from reconciling import ATTESTED, EMPTY, FULL, Fleet, GONE, ROUTES, STAGING, THERE, guard, ledger, route


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


def lines(w):
    return [json.loads(line) for line in (w.where / "access.jsonl").read_text().splitlines()]


def restart(w):
    w.proxy.stop()
    w.proxy = Sallyport(w.where, w.config()).wait_ready(w.status_port)


def test_a_misroute_a_restart_a_deletion_and_empty_lists(house):
    """The short form of the drill of absences."""
    w = house(workers=2, routes=ROUTES)
    all = Fleet(w, 50)
    assert set(all.round()) == {200} and set(all.round("lists")) == {200}
    all.say_all(GONE)
    first = all.round()
    told = {all.names[i] for i, s in enumerate(first) if s == 404}
    assert len(told) <= 2 and set(first) <= {404, 503}
    assert set(all.round()) == {503}
    answer = all.poll(7)
    assert header(answer, "sallyport-reason") == "absence-held" and int(header(answer, "retry-after")) > 0
    wait_until(lambda: len(ledger(w)) == 50)
    known = ledger(w)
    assert set(known) == set(all.names)
    assert {name for name, c in known.items() if c["delivered"]} == told
    assert all.poll(7)[0] == 503 and route(w)["latched"] and not route(w, "lists")["latched"]
    restart(w)                                  # in the middle: nothing changes
    assert set(all.round()) == {503} and route(w)["latched"]
    assert {n: (c["last_good"], c["first_absence"], c["delivered"]) for n, c in ledger(w).items()} == \
        {n: (c["last_good"], c["first_absence"], c["delivered"]) for n, c in known.items()}
    all.say(3, ATTESTED)
    assert all.poll(3)[0] == 404                # attested: passes while all else is held
    all.say_all(THERE)
    assert set(all.round()) == {200}
    assert not next(r for r in guard(w, "release", "clusters")["routes"] if r["route"] == "clusters")["latched"]
    all.say(9, GONE)                            # 2 %
    for _ in range(3):
        statuses = all.round()
        assert statuses[9] == 404 and set(statuses[:9] + statuses[10:]) == {200}
    assert not route(w)["latched"]
    all.say_all(EMPTY, "lists")
    first = all.round("lists")
    assert first.count(200) <= 2 and set(first) <= {200, 503}
    assert set(all.round("lists")) == {503}
    wait_until(lambda: {c["route"] for c in ledger(w).values()} == {"clusters", "lists"} or len(ledger(w)) == 50)
    problems = w.proxy.status()["problems"]
    assert any("route lists: absences are held" in p for p in problems), problems


def test_what_is_said_of_an_absence(house):
    w = house(workers=1, routes=ROUTES)
    all = Fleet(w, 6)
    assert set(all.round()) == {200}
    all.say(0, STAGING)                         # another environment's word is no word here
    assert all.poll(0)[0] == 503 and metric(w, 'sallyport_guard_absences_total{route="clusters",outcome="foreign"}') == 1
    all.say(1, ATTESTED)
    answer = all.poll(1)
    assert answer[0] == 404 and header(answer, "sallyport-attest") is None
    all.say(2, GONE)
    assert all.poll(2)[0] == 404
    all.say(3, GONE)
    assert all.poll(3)[0] == 503                # with the one of the other environment it is the third
    assert metric(w, 'sallyport_guard_latched{route="clusters"}') == 1 or \
        wait_until(lambda: metric(w, 'sallyport_guard_latched{route="clusters"}') == 1)
    assert metric(w, 'sallyport_guard_latches_total{route="clusters",cause="flips"}') == 1
    all.say(4, THERE)
    all.poll(4)
    told = {k.lower(): v for k, v in w.origin.requests[-1][2]}
    assert told["sallyport-guard"] == "latched"
    wait_until(lambda: len([x for x in lines(w) if x.get("sallyport.absence")]) == 4)
    said = [(x["sallyport.absence"], x["sallyport.absence_status"], x["http.response.status_code"])
            for x in lines(w) if x.get("sallyport.absence")]
    assert said == [("held", 404, 503), ("attested", 404, 404), ("delivered", 404, 404), ("held", 404, 503)]


def test_operators_trip_and_release(house):
    w = house(workers=2, routes=ROUTES)
    all = Fleet(w, 3)
    assert set(all.round()) == {200}
    guard(w, "trip", "clusters")
    all.say(0, GONE)
    assert [all.poll(0)[0] for _ in range(4)] == [503] * 4 and route(w)["cause"] == "operator"
    guard(w, "release")
    assert [all.poll(0)[0] for _ in range(4)] == [404] * 4
    wait_until(lambda: "guard trip clusters" in w.proxy.stderr and "admin: uid" in w.proxy.stderr)
    done = run(BINARY, "guard", "release", "nowhere", "-c", w.proxy.file, env=w.proxy.env)
    assert done.returncode == 1 and "no route of that name" in done.stderr
    done = run(BINARY, "ledger", "--since", "yesterday", "-c", w.proxy.file, env=w.proxy.env)
    assert done.returncode == 2
    time.sleep(1.1)
    assert set(ledger(w, "--since", "1h")) == {"harmony-0"} and not ledger(w, "--since", str(int(time.time())))
    for words in (("guard",), ("guard", "status"), ("ledger",), ("status",)):
        done = run(BINARY, *words, "-c", w.proxy.file, env=w.proxy.env)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_own_deletions_and_what_never_was_are_no_flips(house):
    w = house(workers=1, routes=ROUTES)
    all = Fleet(w, 8)
    assert set(all.round()) == {200}
    for i in range(5):                          # each deletes its own, then sees that it is gone
        assert all.poll(i, method="DELETE")[0] == 200
        all.say(i, GONE)
        assert all.poll(i)[0] == 404
    assert not route(w)["latched"] and route(w)["flips"] == 0


def test_lists_of_every_framing_pass_whole(house):
    w = house(workers=1, routes=ROUTES)
    all = Fleet(w, 1)
    long = json.dumps({"items": ["x" * 50] * 2000}).encode()
    for body in (long, b"[]", b"", b"[1]", b"not json", long[:16384], long[:16385]):
        all.say(0, ("200 OK", body, ["Content-Type: application/json"]), "lists")
        all.w.origin.fail[all.path(0, "lists")] = ("200 OK", body, [])
        answer = all.poll(0, "lists")
        assert answer[0] == 200 and answer[2] == body
    del w.origin.fail[all.path(0, "lists")]
    token = [("Authorization", "Bearer " + all.tokens[0]), ("Accept-Encoding", "gzip")]
    sock = connect(w.port, w.ca)
    assert exchange(sock, "GET", "/lists/chunked", token)[2] == b"part0part1part2"
    assert exchange(connect(w.port, w.ca), "GET", "/lists/until-close", token)[2] == b"all of it"
    assert exchange(sock, "GET", "/lists/bytes?n=300000", token)[2] == b"x" * 300000
    echoed = json.loads(exchange(sock, "GET", "/lists/echo", token)[2])
    assert "accept-encoding" not in {k.lower() for k, _ in echoed["headers"]}
    assert exchange(sock, "GET", "/lists/slow?s=0.3", token)[0] == 200


def test_alert_rules_name_metrics_that_there_are():
    known = (ROOT / "conf/METRICS.md").read_text()
    rules = "".join(p.read_text() for p in (ROOT / "conf/alerts").glob("*.yaml"))
    named = set(re.findall(r"sallyport_[a-z_]+", rules))
    assert len(named) >= 4 and all(f"`{name}`" in known for name in named), named


def test_what_is_asked_over_http2_and_by_grpc(house):
    w = house(workers=1, routes=ROUTES)
    all = Fleet(w, 4)
    assert set(all.round()) == {200}
    grpc = ("200 OK", b"", ["Content-Type: application/grpc-web", "grpc-status: 5"])
    all.say(0, grpc)
    assert all.poll(0)[0] == 200
    all.say(1, grpc)
    assert all.poll(1)[0] == 200
    all.say(2, grpc)
    answer = exchange(connect(w.port, w.ca), "GET", all.path(2), [("Authorization", "Bearer " + all.tokens[2]),
                                                                  ("Content-Type", "application/grpc-web")])
    assert answer[0] == 503 and header(answer, "grpc-status") == "14"
    assert header(answer, "sallyport-reason") == "absence-held"
    all.say(3, GONE)
    done = run("curl", "-s", "--http2", "--cacert", w.ca, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H",
               "Authorization: Bearer " + all.tokens[3], f"https://localhost:{w.port}{all.path(3)}")
    assert done.stdout == "2 503", done.stdout
