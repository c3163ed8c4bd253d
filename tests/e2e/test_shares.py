"""What one client may hold while others want it too: connections, handshakes, requests in flight, tunnels. A client is
a /24 here: 127.0.1.x is one, 127.0.2.x another."""
import json, socket, ssl, time
import pytest
from house import connect, exchange, header, logged, read_answer, tls_context, wait_until
from test_leaving import head
from test_load import metric
from test_retry import SWITCH, upgrade  # noqa: F401
from scripted import Scripted

FEW = "http: {requests_in_flight_max: 32, connections_max: 64}\n"
SHARED = 'connections_refused_total{reason="client-share"}'
SLOW = b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"


def at(net, host=1):
    return (f"127.0.{net}.{host}", 0)


def open_world(make_world, **parts):
    return make_world(workers=1, **{"routes": FEW, **parts})


kept = []  # connections stay until their test is over


@pytest.fixture(autouse=True)
def forget():
    yield
    while kept:
        kept.pop().close()


def served(w, net, secure=False):
    try:
        s = connect(w.port, w.ca, source=at(net)) if secure else connect(w.plain, source=at(net))
        kept.append(s)
        a = exchange(s, "GET", "/open/hello")
    except OSError:
        return False
    return a is not None and a[0] == 200


def ended(s):
    """Whether the other side has closed it, without waiting."""
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def reasons(w):
    return [x.get("sallyport.reason") for x in logged(w.where)]


def second(w, net, host=1, window=65535, **more):
    import h2.config, h2.connection, h2.settings
    s = tls_context(w.ca, ("h2",)).wrap_socket(socket.create_connection(("127.0.0.1", w.port), 10, source_address=at(net, host)),
                                               server_hostname="localhost")
    s.settimeout(15)
    c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    c.local_settings = h2.settings.Settings(client=True, initial_values={
        h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window, h2.settings.SettingCodes.ENABLE_PUSH: 0})
    c.initiate_connection()
    s.sendall(c.data_to_send())
    return s, c


def streams(s, c, count, path="/open/bytes?n=4000000"):
    ids = []
    for _ in range(count):
        ids.append(c.get_next_available_stream_id())
        c.send_headers(ids[-1], head("GET", path), end_stream=True)
        s.sendall(c.data_to_send())
    return ids


def heard(s, c, ids, seconds=10):
    """Status and reason of each stream that is answered, until all are or nothing comes any more."""
    import h2.events
    got, end = {}, time.monotonic() + seconds
    s.settimeout(0.5)
    while len(got) < len(ids) and time.monotonic() < end:
        try:
            data = s.recv(65536)
        except TimeoutError:
            break
        if not data:
            break
        for e in c.receive_data(data):
            if isinstance(e, h2.events.ResponseReceived):
                fields = dict(e.headers)
                got[e.stream_id] = (int(fields[":status"]), fields.get("sallyport-reason"))
        s.sendall(c.data_to_send())
    return got


# ---- requests in flight ----

def test_two_http2_connections_of_one_network_leave_the_others_their_places(make_world):
    w = open_world(make_world)
    slow = [second(w, 1, host, window=1000) for host in (1, 2)]
    ids = [streams(s, c, 20) for s, c in slow]
    got = [x for (s, c), i in zip(slow, ids) for x in heard(s, c, i).values()]
    assert {x for x in got if x[0] != 200} == {(503, "client-share")}
    held = sum(x[0] == 200 for x in got)
    assert 16 <= held <= 18  # half of 32 and no more
    for net in (2, 3, 4):
        assert served(w, net) and served(w, net, True)
    a = exchange(connect(w.plain, source=at(1, 9)), "GET", "/open/hello")
    assert a[0] == 503 and header(a, "sallyport-reason") == "client-share" and header(a, "retry-after")
    assert json.loads(a[2])["status"] == 503
    assert metric(w, 'faults_total{reason="client-share"}') >= 20
    wait_until(lambda: "client-share" in reasons(w))
    wait_until(lambda: "client-share: 127.0.1.0/24 has" in w.proxy.stderr)
    for s, _ in slow:
        s.close()
    wait_until(lambda: served(w, 1))


def test_one_network_may_have_an_idle_machine_up_to_its_half(make_world):
    w = open_world(make_world)
    held = [connect(w.plain, source=at(1, host)) for host in range(1, 17)]
    for s in held:
        s.sendall(SLOW)
    wait_until(lambda: metric(w, "requests_in_flight") == 16)
    for s in held:
        s.sendall(b"123456789")
        assert read_answer(s)[0] == 200


def test_with_a_share_of_one_the_machine_belongs_to_whoever_comes_first(make_world):
    w = open_world(make_world, routes="http: {requests_in_flight_max: 16, client_share: 1}")
    held = [connect(w.plain, source=at(1)) for _ in range(16)]
    for s in held:
        s.sendall(SLOW)
    wait_until(lambda: metric(w, "requests_in_flight") == 16)
    a = exchange(connect(w.plain, source=at(2)), "GET", "/open/hello")
    assert a[0] == 503 and header(a, "sallyport-reason") == "overloaded"


def test_many_networks_each_have_their_share_and_the_last_places_are_for_those_who_have_none(make_world):
    w = open_world(make_world, routes="http: {requests_in_flight_max: 32}")
    held = []

    def slow(net):
        held.append(connect(w.plain, source=at(net)))
        held[-1].sendall(SLOW)
    for net in range(1, 9):  # 17, and 2 each of seven others, as far as a refusal does not stand in a place just then
        for _ in range(20):
            slow(net)

    def refused():  # the latter where, for a moment, refusals stand in the last places
        return sum(metric(w, f'faults_total{{reason="{reason}"}}') for reason in ("client-share", "overloaded"))
    wait_until(lambda: refused() + metric(w, "requests_in_flight") == 160)
    assert 28 <= metric(w, "requests_in_flight") <= 31
    assert served(w, 100)
    for net in range(101, 107):  # one each is theirs to the last
        slow(net)
    wait_until(lambda: metric(w, "requests_in_flight") == 32)
    a = exchange(connect(w.plain, source=at(103)), "GET", "/open/hello")
    assert a[0] == 503 and header(a, "sallyport-reason") == "overloaded"
    for s in held:
        s.close()


def test_tunnels_are_shared_and_no_requests_in_flight(make_world):
    def switch(peer):
        peer.head()
        peer.say(SWITCH)
        while piece := peer.more():
            peer.say(piece)

    raw = Scripted(switch)
    w = open_world(make_world, upstreams=f'  raw: {{endpoints: ["{raw.url}"]}}',
                   routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true, websocket: true}\n"
                          "http: {tunnels_max: 16, requests_in_flight_max: 16}\n")
    tunnels = []

    def one(net):
        s = connect(w.plain, source=at(net))
        s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        tunnels.append(s)
        return read_answer(s)
    assert [one(1)[0] for _ in range(9)] == [101] * 9
    a = one(1)
    assert a[0] == 503 and header(a, "sallyport-reason") == "client-share"
    assert one(2)[0] == 101 and one(2)[0] == 503 and one(3)[0] == 101
    for _ in range(5):
        assert served(w, 1)
    for s in tunnels[:9]:
        s.sendall(b"hello")
        assert s.recv(100) == b"hello"
        s.close()
    wait_until(lambda: one(1)[0] == 101)
    raw.close()


# ---- the client behind trusted proxies ----

BEHIND = FEW + "trusted_proxies: [127.0.9.0/24]\n"


@pytest.mark.parametrize("http2", [False, True])
def test_behind_a_trusted_proxy_the_client_is_the_requests(make_world, http2):
    w = open_world(make_world, routes=BEHIND)
    held = []

    def ask(client, slow=True):
        if http2:
            s, c = second(w, 9)
            c.send_headers(1, head("POST", "/open/x") + ([("x-forwarded-for", client)] if client else []), end_stream=not slow)
            s.sendall(c.data_to_send())
            held.append(s)
            return heard(s, c, [1]).get(1)
        s = connect(w.plain, source=at(9))
        fields = (f"X-Forwarded-For: {client}\r\n" if client else "") + ("Content-Length: 9\r\n" if slow else "")
        s.sendall(f"POST /open/x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        held.append(s)
        s.settimeout(0.5)
        try:
            a = read_answer(s)
        except TimeoutError:
            return None
        return a[0], header(a, "sallyport-reason")
    assert [ask("192.0.2.1") for _ in range(17)] == [None] * 17
    assert ask("192.0.2.200") == (503, "client-share")
    for client in ("198.51.100.1", "2001:db8:1::1", None, "unknown"):
        assert ask(client, slow=False)[0] == 200, client
    assert ask("2001:db8:1::1") is None and ask("2001:db8:1::2") is None
    assert ask("2001:db8:1::3") == (503, "client-share") and ask("2001:db8:2::3", slow=False)[0] == 200
    assert metric(w, SHARED) == 0
    for s in held:
        s.close()
    wait_until(lambda: ask("192.0.2.1", slow=False) == (200, None))


@pytest.mark.parametrize("kind, status", [("envoy", 429), ("nginx", 403), ("caddy", 503)])
def test_another_proxy_hears_of_a_share_in_its_words(make_world, kind, status):
    w = open_world(make_world, routes="".join(
        f"  - {{name: check-{k}, path: /check/{k}{'/*' if k == 'envoy' else ''}, check: {k}}}\n"
        for k in ("envoy", "nginx", "caddy")) + BEHIND)
    held = [connect(w.plain, source=at(9)) for _ in range(17)]
    for s in held:
        s.sendall(SLOW.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"))
    wait_until(lambda: metric(w, "requests_in_flight") == 17)

    def asked(client):
        fields = [("X-Forwarded-For", client), ("X-Original-Method", "GET"), ("X-Original-URI", "/open/x"), ("X-Forwarded-Method", "GET"),
                  ("X-Forwarded-Uri", "/open/x"), ("X-Forwarded-Host", "localhost")]
        if kind != "nginx":
            fields = [f for f in fields if not f[0].startswith("X-Original")]
        return exchange(connect(w.plain, source=at(9)), "GET", "/check/envoy/open/x" if kind == "envoy" else f"/check/{kind}", fields)
    a = asked("192.0.2.7")
    assert a[0] == status and header(a, "sallyport-reason") == "client-share"
    assert header(a, "sallyport-status") == "503"
    assert asked("198.51.100.1")[0] == 200
    for s in held:
        s.close()
    wait_until(lambda: asked("192.0.2.7")[0] == 200)


# ---- connections ----

def test_silent_connections_shut_nobody_out(make_world):
    w = open_world(make_world)
    silent = []
    for host in range(1, 101):
        silent.append(socket.create_connection(("127.0.0.1", w.port), 10, source_address=at(1, host)))
    wait_until(lambda: metric(w, SHARED) >= 67)
    wait_until(lambda: metric(w, "connections_open") == 33)
    for net in (2, 3, 4):
        assert served(w, net, True) and served(w, net)
    wait_until(lambda: sum(map(ended, silent)) >= 67)


@pytest.mark.parametrize("secure", [True, False])
def test_when_all_is_taken_the_one_with_most_gives_way(make_world, secure):
    """Those who send nothing at all, and those who have been served and idle."""
    w = open_world(make_world)
    most = [connect(w.port, w.ca, source=at(1, 1 + i)) if secure else connect(w.plain, source=at(1, 1 + i)) for i in range(33)]
    for s in most:
        assert exchange(s, "GET", "/open/hello")[0] == 200
    others = [connect(w.plain, source=at(2 + i // 4)) for i in range(31)]
    wait_until(lambda: metric(w, "connections_open") == 64)
    assert metric(w, SHARED) == 0
    for net in range(50, 60):
        assert served(w, net, secure)
    assert metric(w, SHARED) == 10 and metric(w, 'connections_refused_total{reason="too-many"}') == 0
    wait_until(lambda: [ended(s) for s in most] == [True] * 10 + [False] * 23)  # the longest idle ones
    assert not any(ended(s) for s in others)


def test_of_its_own_it_gives_handshakes_first_then_the_unproven_then_the_idle(make_world):
    w = open_world(make_world, routes="http: {connections_max: 16}\ntimeouts: {handshake: 60s}")
    proven = [connect(w.port, w.ca, source=at(1)) for _ in range(2)]
    for s in proven:
        assert exchange(s, "GET", "/api/x", [("Authorization", "Bearer " + w.issuer.token())])[0] == 200
    unproven = [connect(w.port, w.ca, source=at(1)) for _ in range(2)]
    assert exchange(unproven[0], "GET", "/open/hello")[0] == 200
    working = [connect(w.plain, source=at(1)) for _ in range(2)]
    for s in working:
        s.sendall(SLOW)
    shaking = [socket.create_connection(("127.0.0.1", w.port), 10, source_address=at(1)) for _ in range(2)]
    shaking[0].sendall(b"\x16\x03\x01\x02\x00\x01")
    wait_until(lambda: metric(w, "connections_open") == 8)
    others = [connect(w.plain, source=at(net)) for net in range(2, 10)]
    wait_until(lambda: metric(w, "connections_open") == 16)
    came = []
    for i, kind in enumerate((shaking, shaking, unproven, unproven, proven, proven)):
        came.append(connect(w.plain, source=at(100 + i)))
        assert exchange(came[-1], "GET", "/open/hello")[0] == 200
        wait_until(lambda: sum(map(ended, kind)) == 1 + i % 2)
        assert not any(ended(s) for s in came)
        assert sum(ended(s) for s in shaking + unproven + proven) == i + 1
    for s in working:  # a request in flight is never cut for this
        s.setblocking(True)
        s.sendall(b"123456789")
        assert read_answer(s)[0] == 200
    assert not any(ended(s) for s in others)


def test_an_http2_connection_gives_way_with_a_goaway(make_world):
    import h2.events
    w = open_world(make_world, routes="http: {connections_max: 16}")
    idle, busy, half = second(w, 1), second(w, 1), second(w, 1)
    ids = streams(*idle, 1, "/open/hello")
    assert heard(*idle, ids)[1][0] == 200
    busy[1].send_headers(1, head("POST", "/open/x"))
    busy[0].sendall(busy[1].data_to_send())
    half[0].sendall(b"\0\0\1\1\0\0\0\0\1\x82")  # a head that goes on: HEADERS without END_HEADERS
    wait_until(lambda: metric(w, "requests_in_flight") == 1)
    others = [connect(w.plain, source=at(net)) for net in range(2, 15)]
    wait_until(lambda: metric(w, "connections_open") == 16)
    for net in (50, 51):
        assert served(w, net)
    idle[0].settimeout(10)
    events = []
    while data := idle[0].recv(65536):
        events += idle[1].receive_data(data)
    assert [e.error_code for e in events if isinstance(e, h2.events.ConnectionTerminated)] == [0]
    half[0].settimeout(10)
    while half[0].recv(65536):
        pass
    busy[1].send_data(1, b"x", end_stream=True)
    busy[0].sendall(busy[1].data_to_send())
    assert heard(*busy, [1])[1][0] == 200
    del others


def test_who_is_told_by_the_proxy_protocol_is_the_client(make_world):
    from house import free_port
    edge = free_port()
    w = open_world(make_world, listeners=f'  - {{address: "127.0.0.1:{edge}", proxy_protocol: {{from: [127.0.0.0/8]}}}}')

    def behind(client):
        s = connect(edge, source=at(8))
        s.sendall(f"PROXY TCP4 {client} 192.0.2.1 5555 443\r\n".encode())
        return s
    silent = [behind(f"203.0.113.{i}") for i in range(100)]
    # those whose header is not read yet are nobody's, so that by how many come at once fewer remain
    full = 'connections_refused_total{reason="too-many"}'
    wait_until(lambda: metric(w, SHARED) + metric(w, full) + metric(w, "connections_open") == 100)
    assert 4 <= metric(w, "connections_open") <= 33 and metric(w, SHARED) > 0
    s = behind("198.51.100.7")
    assert exchange(s, "GET", "/open/hello")[0] == 200
    assert served(w, 2)
    del silent


def test_connections_of_trusted_proxies_are_nobodys(make_world):
    w = open_world(make_world, routes=BEHIND)
    theirs = [connect(w.plain, source=at(9, 1 + i)) for i in range(60)]
    for s in theirs:
        assert exchange(s, "GET", "/open/hello", [("X-Forwarded-For", "192.0.2.1")])[0] == 200
    assert metric(w, SHARED) == 0 and served(w, 2)
    assert not any(ended(s) for s in theirs)


def test_unfinished_handshakes_are_shared_at_the_hello(make_world):
    """Connections that were taken while the machine was idle begin their handshakes when it no longer is."""
    w = open_world(make_world, routes="http: {connections_max: 16}\ntimeouts: {handshake: 60s}")
    context = tls_context(w.ca)

    def hello(s):
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(into, out, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        s.sendall(out.read())
        return s.recv(5)
    raw = [socket.create_connection(("127.0.0.1", w.port), 10, source_address=at(1)) for _ in range(9)]
    raw += [socket.create_connection(("127.0.0.1", w.port), 10, source_address=at(net)) for net in (2, 3)]
    for s in raw:
        s.settimeout(10)
    assert [hello(s)[0] for s in raw[9:]] == [22] * 2
    assert [hello(s)[0] for s in raw[:9]] == [22] * 7 + [21] * 2  # an alert
    assert metric(w, SHARED) == 2
    del raw[:9]
    wait_until(lambda: metric(w, "connections_open") == 2)
    assert served(w, 1, True)


# ---- what lasts ----

def test_a_request_that_lasts_is_told_of_once(make_world):
    w = open_world(make_world)
    s = connect(w.plain, source=at(1))
    s.sendall(b"POST /open/lasting?secret=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
    quick = connect(w.plain, source=at(2))
    began = time.monotonic()
    while time.monotonic() < began + 14:
        s.sendall(b"b" * 4000)
        assert exchange(quick, "GET", "/open/hello")[0] == 200
        time.sleep(0.7)
    told = [line for line in w.proxy.stderr.splitlines() if "a request is held for" in line]
    assert len(told) == 1, told
    assert "POST /open/lasting of 127.0.1.1, route open, upstream app" in told[0] and "secret" not in told[0]
