"""Which endpoint gets a request, which gets none, and how many connections there are."""
import threading, time
from house import connect, exchange, header, read_answer, wait_until
from scripted import Scripted
from test_load import metric


def world_of(make_world, *origins, options=""):
    urls = ", ".join(f'"{o.url}"' for o in origins)
    return make_world(workers=1, upstreams=f"  raw: {{endpoints: [{urls}]{options}}}",
                      routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}")


class Fickle(Scripted):
    """Resets every connection while it is sick."""

    def __init__(self):
        self.sick, self.refused, self.served = True, 0, 0
        super().__init__(self.answer)

    def answer(self, peer):
        while peer.request()[0] is not None:
            if self.sick:
                self.refused += 1
                peer.reset()
                return
            self.served += 1
            peer.ok()


def test_an_endpoint_that_fails_in_a_row_gets_nothing_for_a_while_and_comes_back_slowly(make_world):
    bad, good = Fickle(), Scripted()
    w = world_of(make_world, bad, good, options=", eject_failures: 3, eject_for: 1500ms, slow_start: 60s")
    s = connect(w.plain)
    statuses = [exchange(s, "GET", "/raw/x")[0] for _ in range(100)]
    assert statuses.count(502) == 3 and bad.refused == 3 and statuses[-50:] == [200] * 50
    assert metric(w, 'upstream_ejected_total{upstream="raw"}') == 1
    bad.sick = False

    def asked():
        assert exchange(s, "GET", "/raw/x")[0] == 200
        return bad.served
    wait_until(asked)
    before = bad.served
    for _ in range(300):
        assert exchange(s, "GET", "/raw/x")[0] == 200
    assert bad.served - before < 100  # half of them without a slow start
    bad.close()
    good.close()


def test_an_upstream_is_never_ejected_whole(make_world):
    one, other = Fickle(), Fickle()
    w = world_of(make_world, one, other, options=", eject_failures: 1, eject_for: 1m")
    s = connect(w.plain)
    for _ in range(10):
        a = exchange(s, "GET", "/raw/x")
        assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-reset"
    one.sick = other.sick = False
    assert exchange(s, "GET", "/raw/x")[0] == 200
    one.close()
    other.close()


class Gate(Scripted):
    """Takes requests and answers them when it is opened."""

    def __init__(self):
        self.opened, self.waiting = threading.Event(), 0
        super().__init__(self.hold)

    def hold(self, peer):
        while peer.request()[0] is not None:
            self.waiting += 1
            self.opened.wait(20)
            peer.ok()


def test_connections_to_an_endpoint_are_bounded_and_another_with_room_is_asked(make_world):
    one, other = Gate(), Gate()
    w = world_of(make_world, one, other, options=", connections_max: 2, keep: 1")
    clients = [connect(w.plain) for _ in range(4)]
    for i, s in enumerate(clients):
        s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: one.waiting + other.waiting == i + 1)
    assert (one.waiting, other.waiting) == (2, 2)
    a = exchange(connect(w.plain), "GET", "/raw/x")
    assert a[0] == 503 and header(a, "sallyport-reason") == "upstream-full" and header(a, "retry-after")
    one.opened.set()
    other.opened.set()
    assert [read_answer(s)[0] for s in clients] == [200] * 4
    for s in clients:  # one connection of each was kept, and serves
        assert exchange(s, "GET", "/raw/x")[0] == 200
    assert len(one.peers) + len(other.peers) == 4
    one.close()
    other.close()


def test_a_slow_client_is_no_failure_of_the_endpoint(make_world):
    origin = Scripted()
    w = world_of(make_world, origin, options=", header_timeout: 300ms, idle_timeout: 300ms, eject_failures: 1")
    for _ in range(3):
        s = connect(w.plain)
        s.sendall(b"POST /raw/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx")
        a = read_answer(s)
        assert a[0] == 408 and header(a, "sallyport-reason") == "body-timeout"
    assert metric(w, 'upstream_ejected_total{upstream="raw"}') == 0
    origin.close()


def test_an_endpoint_that_does_not_answer_is_known_to_be_slow(make_world):
    """Its requests end without an answer, since their clients leave; it must not seem to be the idle and quick one."""
    silent, quick = Gate(), Scripted()
    w = world_of(make_world, silent, quick)
    answered = 0
    for _ in range(60):  # of two choices made blindly both are the silent one once in four times
        s = connect(w.plain)
        s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.settimeout(0.1)
        try:
            answered += read_answer(s)[0] == 200
        except TimeoutError:
            pass
        s.close()
    assert answered >= 30
    silent.opened.set()
    silent.close()
    quick.close()


def test_refused_connections_cost_nothing_and_an_endpoint_that_accepts_again_is_back_at_once(make_world):
    """Each of three replicas is away for two seconds, in turn; other people's requests do not notice."""
    replicas = [Scripted() for _ in range(3)]
    w = world_of(make_world, *replicas, options=", eject_for: 10m, slow_start: 0s")
    s = connect(w.plain)
    said = []
    for replica in replicas:
        wait_until(lambda: exchange(s, "GET", "/raw/x")[0] == 200 and replica.peers, every=0)
        replica.down()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            said += [exchange(s, method, "/raw/x")[0] for method in ("GET", "POST")]
            time.sleep(0.002)
        before = len(replica.peers)
        replica.up()
        wait_until(lambda: exchange(s, "POST", "/raw/x")[0] == 200 and b"POST" in b"".join(
            p.heard for p in replica.peers[before:]))
    assert set(said) == {200} and metric(w, 'upstream_retries_total{upstream="raw"}') == 0
    assert metric(w, 'upstream_ejected_total{upstream="raw"}') == 3
    for replica in replicas:
        replica.close()


def test_each_endpoint_is_tried_once_where_all_refuse(make_world):
    replicas = [Scripted() for _ in range(3)]
    w = world_of(make_world, *replicas)
    missing = make_world(workers=1, upstreams=f'  raw: {{endpoints: ["unix:/nonexistent/a", "unix:/nonexistent/b", "{replicas[0].url}"]}}',
                         routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}")
    s = connect(missing.plain)
    assert [exchange(s, "POST", "/raw/x")[0] for _ in range(50)] == [200] * 50
    for replica in replicas:
        replica.down()
    a = exchange(connect(w.plain), "GET", "/raw/x")
    assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-refused"
    assert metric(w, 'upstream_connects_total{upstream="raw",outcome="refused"}') == 3
    a = exchange(s, "GET", "/raw/x")
    assert a[0] == 502
