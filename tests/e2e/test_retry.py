"""What is sent a second time, and what never is. The upstream is played connection by connection."""
import json, shutil, socket, struct, tempfile, threading, time
import pytest
from house import connect, exchange, header, logged, must, read_answer, wait_until
from scripted import Scripted


@pytest.fixture
def played(authority, issuer):
    """play(function, **parts of the configuration): a proxy before an upstream that the function plays."""
    from conftest import World
    made = []

    def play(function, routes="", **parts):
        origin = Scripted(function)
        where = tempfile.mkdtemp(prefix="sp-")
        w = World(where, authority, issuer, workers=1,
                  upstreams=f'  raw: {{endpoints: ["{origin.url}"], header_timeout: 2s, connect_timeout: 500ms}}',
                  routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true, websocket: true}\n" + routes, **parts)
        w.raw = origin
        made.append((w, where))
        return w
    yield play
    for w, where in made:
        w.close()
        w.raw.close()
        shutil.rmtree(where, ignore_errors=True)


def closes_the_second(peer):
    """The first connection answers once and then takes a whole request and closes; the next ones answer all."""
    while True:
        request, body = peer.request()
        if request is None:
            return
        if peer.number == 0 and b"/raw/first" not in request:
            return
        peer.ok(b"%d %d" % (peer.number, len(body)))


@pytest.mark.parametrize("method,size,again", [
    ("GET", 0, True), ("HEAD", 0, True), ("DELETE", 0, True), ("PUT", 16384, True), ("PUT", 16385, False),
    ("PUT", 60000, False), ("POST", 0, False), ("POST", 100, False), ("PATCH", 10, False)])
def test_a_request_is_sent_again_only_where_nothing_can_have_happened_twice(played, method, size, again):
    w = played(closes_the_second)
    s = connect(w.plain)
    assert exchange(s, "GET", "/raw/first")[2] == b"0 0"
    s.sendall(f"{method} /raw/second HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode() + b"b" * size)
    data = s.recv(65536)
    status = int(data.split(b" ")[1])
    assert status == (200 if again else 502), data
    assert len(w.raw.peers) == (2 if again else 1)
    assert (b"upstream-reset" in data) == (not again)
    if again and method == "PUT":
        assert data.endswith(b"1 %d" % size) and w.raw.peers[1].heard.endswith(b"\r\n\r\n" + b"b" * size)


def ends_a_kept_one(how):
    def play(peer):
        while True:
            request, _ = peer.request()
            if request is None:
                return
            if peer.number == 0 and b"/raw/first" not in request:
                if how == "reset":
                    peer.reset()
                elif how == "half a head":
                    peer.say(b"HTTP/1.1 200 O")
                elif how == "interim":
                    peer.say(b"HTTP/1.1 102 Processing\r\n\r\n")
                return
            peer.ok()
    return play


@pytest.mark.parametrize("how,reason", [("half a head", "upstream-nonsense"), ("interim", "upstream-reset")])
def test_a_kept_connection_that_says_anything_is_not_tried_again(played, how, reason):
    w = played(ends_a_kept_one(how))
    s = connect(w.plain)
    assert exchange(s, "GET", "/raw/first")[0] == 200
    a = exchange(s, "GET", "/raw/second")
    assert a[0] == 502 and header(a, "sallyport-reason") == reason
    assert len(w.raw.peers) == 1
    assert exchange(s, "GET", "/raw/second")[0] == 200  # on a new connection


@pytest.mark.parametrize("method,again", [("GET", True), ("PUT", True), ("DELETE", True), ("POST", False)])
def test_a_kept_connection_that_resets_is_tried_again_by_a_new_one(played, method, again):
    w = played(ends_a_kept_one("reset"))
    s = connect(w.plain)
    assert exchange(s, "GET", "/raw/first")[0] == 200
    a = exchange(s, method, "/raw/second")
    assert a[0] == (200 if again else 502) and len(w.raw.peers) == (2 if again else 1)


def test_what_a_kept_connection_lost_is_never_given_to_another_endpoint(make_world):
    """It may be what its endpoint died of."""
    def play(peer):
        while (request := peer.request()[0]) is not None:
            if b"/raw/deadly" in request:
                one.down()
                return
            peer.ok()
    one, other = Scripted(play), Scripted()
    w = make_world(workers=1, upstreams=f'  raw: {{endpoints: ["{one.url}", "{other.url}"]}}',
                   routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}\n")
    s = connect(w.plain)
    wait_until(lambda: exchange(s, "GET", "/raw/x")[0] == 200 and one.peers and other.peers, every=0)
    while b"/raw/deadly" not in one.heard:
        a = exchange(s, "GET", "/raw/deadly" if len(one.peers) == 1 else "/raw/x")
        if b"/raw/deadly" not in one.heard:
            assert a[0] == 200
    assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-refused"
    told = other.heard.count(b"/raw/deadly")
    assert exchange(s, "GET", "/raw/x")[0] == 200 and other.heard.count(b"/raw/deadly") == told
    other.close()


def test_a_fresh_connection_that_closes_is_not_tried_again(played):
    w = played(lambda peer: peer.request())
    a = exchange(connect(w.plain), "GET", "/raw/x")
    assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-reset" and len(w.raw.peers) == 1


def test_retries_have_a_budget(played):
    """Of upstreams that close every kept connection one request in ten may be sent twice, after the first ten, and five a second."""
    def play(peer):
        peer.request()
        peer.ok()
        peer.request()

    w = played(play)
    s = connect(w.plain)
    began = time.monotonic()
    statuses = [exchange(s, "GET", "/raw/x")[0] for _ in range(120)]
    least = 5 * (2 + int(time.monotonic() - began))  # in each second that was begun
    sent = sum(p.heard.count(b"GET /raw/x ") for p in w.raw.peers)
    assert 120 < sent <= 120 + 10 + 12 + 1 + least
    assert 502 in statuses or least > 100


def test_hints_without_end_are_nonsense(played):
    def play(peer):
        peer.request()
        while True:
            peer.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
    s = connect(played(play).plain)
    s.sendall(b"GET /raw/x HTTP/1.0\r\n\r\n")  # to whom no hint is passed on
    a = read_answer(s)
    assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-nonsense", a


def test_early_hints_pass_without_fields_of_the_connection(played):
    def play(peer):
        peer.request()
        peer.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-hop\r\nX-Hop: 1\r\n"
                 b"Content-Length: 7\r\nKeep-Alive: 1\r\nSallyport-Reason: limited\r\n\r\n")
        peer.ok()

    w = played(play)
    s = connect(w.plain)
    s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    a = read_answer(s)
    assert a[0] == 103 and [k.lower() for k, _ in a[1]] == ["link"], a
    assert b" 200 " in (a[3] or s.recv(65536))
    out = must("curl", "-sS", "--http2", "--cacert", w.ca, "-D", "-", f"https://localhost:{w.port}/raw/x")
    first, second = out.split("\n\n")[:2]
    assert "103" in first.splitlines()[0] and "link: </a.css>" in first.lower() and "200" in second.splitlines()[0]
    assert "sallyport" not in first.lower() and "x-hop" not in first.lower() and "content-length" not in first.lower()


UPGRADE = (b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def upgrade(port, path=b"/raw/ws", more=b"", ca=None):
    s = connect(port, ca)
    s.sendall(b"GET " + path + b" HTTP/1.1\r\n" + UPGRADE + more + b"\r\n")
    return s


def slow_switch(peer):
    """A tunnel that echoes; /raw/wait is answered only when the test says so."""
    request, _ = peer.request()
    while request is not None and b"upgrade: websocket" not in request.lower():
        peer.ok()
        request, _ = peer.request()
    if request is None:
        return
    if b"/raw/wait" in request:
        peer.more()
    peer.say(SWITCH)
    peer.sock.settimeout(60)
    while piece := peer.more():
        peer.say(piece)


def test_a_request_that_may_become_a_tunnel_holds_its_place(played):
    w = played(slow_switch, routes="http: {tunnels_max: 2}")
    waiting = [upgrade(w.plain, b"/raw/wait") for _ in range(2)]
    wait_until(lambda: len([p for p in w.raw.peers if b"/raw/wait" in p.heard]) == 2)
    a = read_answer(upgrade(w.plain))
    assert a[0] == 503 and header(a, "sallyport-reason") == "tunnels-full" and header(a, "retry-after")
    for s in waiting:
        s.close()
    wait_until(lambda: read_answer(upgrade(w.plain))[0] == 101)


def test_tunnels_are_not_requests_in_flight(played):
    w = played(slow_switch, routes="http: {tunnels_max: 64, requests_in_flight_max: 16, client_share: 1}")
    tunnels = [upgrade(w.plain) for _ in range(16)]
    assert [read_answer(s)[0] for s in tunnels] == [101] * 16
    assert exchange(connect(w.plain), "GET", "/raw/x")[0] == 200
    more = upgrade(w.plain)
    assert read_answer(more)[0] == 101
    for s in tunnels + [more]:
        s.sendall(b"hello")
        assert s.recv(100) == b"hello"


def test_a_tunnel_ends_with_its_token_and_the_log_says_why(played):
    w = played(slow_switch, routes="  - {name: raw-token, path: /token/*, upstream: raw, verify: {issuer: local}, websocket: true}\n"
               "  - {name: raw-idle, path: /idle/*, upstream: raw, anonymous: true, websocket: true, idle_timeout: 500ms}\n")

    def signed(**claims):
        return upgrade(w.plain, b"/token/ws", b"Authorization: Bearer " + w.issuer.token(**claims).encode() + b"\r\n")
    wait_until(lambda: read_answer(signed())[0] == 101)
    ends = int(time.time()) + 2
    s = signed(exp=ends)
    assert read_answer(s)[0] == 101
    s.sendall(b"hello")
    assert s.recv(100) == b"hello"
    assert s.recv(100) == b"" and time.time() >= ends
    idle = upgrade(w.plain, b"/idle/ws")
    assert read_answer(idle)[0] == 101 and idle.recv(100) == b""

    def reasons():
        return {x.get("sallyport.reason") for x in logged(w.where)}
    wait_until(lambda: {"tunnel-expired", "tunnel-idle"} <= reasons())


def test_tunnels_end_with_jitter_when_their_generation_drains(played):
    import select
    w = played(slow_switch)
    tunnels = [upgrade(w.plain) for _ in range(16)]
    assert [read_answer(s)[0] for s in tunnels] == [101] * 16
    kept = connect(w.plain)
    assert exchange(kept, "GET", "/raw/x")[0] == 200
    w.proxy.file.write_text(w.config())
    assert w.proxy.reload().returncode == 0
    kept.sendall(b"GET /raw/ws HTTP/1.1\r\n" + UPGRADE + b"\r\n")  # it may still become one, and ends like the others
    tunnels.append(kept)
    assert read_answer(kept)[0] == 101
    ended = []
    while len(ended) < len(tunnels):
        ready, _, _ = select.select([s for s in tunnels if s not in [e[0] for e in ended]], [], [], 15)
        assert ready, f"{len(ended)} of {len(tunnels)} ended"
        for s in ready:
            assert s.recv(100) == b""
            ended.append((s, time.monotonic()))
    assert ended[-1][1] - ended[0][1] > 0.2

    def reasons():
        return [x.get("sallyport.reason") for x in logged(w.where)
                if x["http.response.status_code"] == 101]
    wait_until(lambda: len(reasons()) == 17)
    assert set(reasons()) == {"shut-down"}


def takes_the_head_only(peer):
    peer.head()
    peer.more()
    threading.Event().wait(12)


def test_a_client_that_resets_while_nobody_takes_its_upload_is_seen_to_have_left(played):
    w = played(takes_the_head_only)
    s = connect(w.plain)
    s.sendall(b"POST /raw/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
    s.settimeout(1)
    with pytest.raises(TimeoutError):
        while True:
            s.send(b"b" * 65536)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    wait_until(lambda: '"client-left"' in (w.where / "access.jsonl").read_text(), 5)


def test_the_log_says_who_was_waited_for(played):
    """An upstream that answers too late, and a client whose body came late."""
    def play(peer):
        while (request := peer.request()[0]) is not None:
            if b"/raw/never" in request:
                peer.more()
                return
            peer.ok()
    w = played(play)
    assert exchange(connect(w.plain), "GET", "/raw/never")[0] == 504
    s = connect(w.plain)
    s.sendall(b"PUT /raw/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1")
    time.sleep(0.5)
    s.sendall(b"2")
    assert read_answer(s)[0] == 200

    def lines():
        found = {x["url.path"]: x for x in logged(w.where)}
        return len(found) == 2 and found
    found = wait_until(lines)
    never, slow = found["/raw/never"], found["/raw/slow"]
    assert never["sallyport.ms.upstream_head"] >= 1990 and never["sallyport.ms.answer"] < never["sallyport.ms.upstream_head"]
    assert slow["sallyport.ms.body"] > slow["sallyport.ms.total"] / 2  # of the half second, less what the proxy began later
    assert slow["sallyport.ms.send"] <= slow["sallyport.ms.total"] - slow["sallyport.ms.body"] + 0.01
