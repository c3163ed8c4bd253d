"""Resets that arrive in the same moment as data, on every kind of wire: whoever waits behind them learns of it at once."""
import json, shutil, socket, ssl, struct, tempfile, threading, time
import pytest
from house import connect, exchange, header, logged, read_answer, wait_until
from scripted import Scripted
from test_retry import SWITCH, played, upgrade  # noqa: F401
from test_seen import ask

SOON = 10  # seconds, where the timeouts of the house are a minute


def eager(sock):
    """What is said leaves at once, so that a reset right behind it does not overtake it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # others may pace
    return sock


def hang_up(sock):
    """A reset behind what was sent: with TLS no close_notify."""
    plain = socket.socket(fileno=sock.detach())
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def logged_for(world, path):
    found = [x for x in logged(world.where) if x.get("url.path") == path]
    return found and found[0]


class Secure(Scripted):
    """The same over TLS: what is said and the reset leave together."""

    def __init__(self, play, authority):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(authority.where / "server.pem", authority.where / "server.key")
        super().__init__(play)
        self.url = self.url.replace("http:", "https:")

    def serve(self, peer):
        try:
            eager(peer.sock)
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
        except (OSError, ssl.SSLError):
            return
        super().serve(peer)


@pytest.fixture(params=["plain", "tls"])
def play(request, played, authority, make_world):  # noqa: F811
    made = []

    def begin(function):
        if request.param == "plain":
            return played(function)
        origin = Secure(function, authority)
        made.append(origin)
        w = make_world(workers=1, upstreams=f'  raw: {{endpoints: ["{origin.url}"], tls: {{ca: {authority.ca}}}}}',
                       routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true, websocket: true}\n")
        w.raw = origin
        return w
    yield begin
    for origin in made:
        origin.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_reset_right_behind_its_answer_serves_nobody(play, method):
    gone = threading.Event()

    def answer(peer):
        if peer.request()[0] is not None:
            peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfive!")
            hang_up(peer.sock)
            gone.set()
    w = play(answer)
    s = connect(w.plain)
    for _ in range(40):
        gone.clear()
        assert exchange(s, method, "/raw/x")[2] == b"five!"
        assert gone.wait(SOON)
    assert len(w.raw.peers) == 40


@pytest.mark.parametrize("said", [b"Content-Length: 10\r\n\r\nfive!", b"Transfer-Encoding: chunked\r\n\r\na\r\nfive!",
                                  b"Transfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n", b"\r\nuntil the end"])
def test_an_answer_cut_by_a_reset_is_cut_at_once(play, said):
    def answer(peer):
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\n" + said)
        hang_up(peer.sock)
    w = play(answer)
    s = connect(w.plain)
    s.settimeout(SOON)
    s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    while piece := s.recv(65536):
        data += piece
    assert not data.endswith(b"0\r\n\r\n") and b"Content-Length: 5\r" not in data
    assert wait_until(lambda: logged_for(w, "/raw/x"))["sallyport.reason"] == "upstream-cut"


def test_half_a_head_and_a_reset_are_a_bad_answer_at_once(play):
    def answer(peer):
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-")
        hang_up(peer.sock)
    s = connect(play(answer).plain)
    s.settimeout(SOON)
    a = exchange(s, "GET", "/raw/x")
    assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-nonsense"


def test_a_tunnel_ends_with_a_reset_behind_a_frame(play):
    def switch(peer):
        peer.request()
        peer.say(SWITCH)
        peer.more()
        peer.say(b"\x81\x05hello")
        hang_up(peer.sock)
    s = upgrade(play(switch).plain)
    s.settimeout(SOON)
    assert read_answer(s)[0] == 101
    s.sendall(b"go")
    assert s.recv(100) == b"\x81\x05hello"
    assert s.recv(100) == b""


@pytest.mark.parametrize("secure", [False, True])
def test_a_clients_reset_behind_its_bytes_is_seen(played, secure):  # noqa: F811
    """Behind a whole request, half a head, half a body and a frame in a tunnel."""
    heard = threading.Event()

    def wait(peer):
        request = peer.head()
        while request is not None and b"/raw/one" in request:
            peer.ok()
            request = peer.head()
        if request is None:
            return
        if b"Upgrade: websocket" in request:
            peer.say(SWITCH)
        heard.set()
        while peer.more():
            pass
    w = played(wait)

    def client():
        s = eager(connect(w.port, w.ca) if secure else connect(w.plain))
        assert exchange(s, "GET", "/raw/one")[0] == 200  # so that the handshake is over on both sides
        return s
    for path, said in (("/raw/whole", b"\r\n"), ("/raw/body", b"Content-Length: 100\r\n\r\nhalf"),
                       ("/raw/chunk", b"Transfer-Encoding: chunked\r\n\r\n5\r\nha")):
        heard.clear()
        s = client()
        s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % path.encode() + said)
        hang_up(s)
        assert wait_until(lambda: logged_for(w, path), SOON)["sallyport.reason"] == "client-left"
    for said in (b"GET /raw/h", b"GET /raw/one HTTP/1.1\r\nHost: localhost\r\n\r\nGET /raw/t"):
        s = client()
        s.sendall(said)
        hang_up(s)
    s = upgrade(w.port if secure else w.plain, ca=w.ca if secure else None)
    assert read_answer(s)[0] == 101
    eager(s).sendall(b"\x81\x85")
    hang_up(s)
    wait_until(lambda: logged_for(w, "/raw/ws"), SOON)

    def open_connections():
        text = ask(w.status_port, "/metrics")[1]
        return [x for x in text.splitlines() if x.startswith("sallyport_connections_open ")][0].split()[1]
    wait_until(lambda: open_connections() == "0", SOON)


def test_an_http2_clients_reset_behind_its_bytes_is_seen(played):  # noqa: F811
    import h2.connection
    import h2.config
    from house import tls_context

    def never(peer):
        peer.head()
        while peer.more():
            pass
    w = played(never)
    context = tls_context(w.ca)
    context.set_alpn_protocols(["h2"])
    s = context.wrap_socket(eager(socket.create_connection(("127.0.0.1", w.port))), server_hostname="localhost")
    c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    c.initiate_connection()
    c.send_headers(1, [(":method", "GET"), (":path", "/raw/two"), (":scheme", "https"), (":authority", "localhost")],
                   end_stream=True)
    c.receive_data(s.recv(65536))  # the handshake is over on both sides
    s.sendall(c.data_to_send())
    hang_up(s)
    assert wait_until(lambda: logged_for(w, "/raw/two"), SOON)["sallyport.reason"] == "client-left"


# ---- answers that end before they have begun ----

def says(data):
    def play(peer):
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\n" + data)
        peer.sock.shutdown(socket.SHUT_WR)
        peer.more()
    return play


def second_client(world, path):
    """The answer over HTTP/2: (status or None, body, whether the stream was reset)."""
    import h2.connection, h2.config, h2.events
    from house import tls_context
    context = tls_context(world.ca)
    context.set_alpn_protocols(["h2"])
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", world.port)), server_hostname="localhost")
    s.settimeout(SOON)
    c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    c.initiate_connection()
    c.send_headers(1, [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "localhost")], end_stream=True)
    status, body = None, b""
    while True:
        s.sendall(c.data_to_send())
        for e in c.receive_data(s.recv(65536)):
            if isinstance(e, h2.events.ResponseReceived):
                status = int(dict(e.headers)[":status"])
            elif isinstance(e, h2.events.DataReceived):
                body += e.data
            elif isinstance(e, (h2.events.StreamEnded, h2.events.StreamReset)):
                return status, body, isinstance(e, h2.events.StreamReset)


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("said", [b"Content-Length: 10\r\n\r\n", CHUNKED, CHUNKED + b"5", CHUNKED + b"5\r\n"])
def test_an_answer_that_ends_with_its_head_is_502_or_a_head_and_the_log_knows_which(played, said):  # noqa: F811
    """Which of them depends on when the end arrives."""
    w = played(says(said))

    def told(path):
        line = wait_until(lambda: logged_for(w, path))
        return line["http.response.status_code"], line["sallyport.reason"]
    for n in range(20):
        s = connect(w.plain)
        s.sendall(b"GET /raw/%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % n)
        data = b""
        while piece := s.recv(65536):
            data += piece
        status = int(data.split(b" ")[1])
        assert told(f"/raw/{n}") == ((502, "upstream-reset") if status == 502 else (200, "upstream-cut"))
        status, body, was_reset = second_client(w, f"/raw/two-{n}")
        assert (status, was_reset) in ((502, False), (200, True))
        assert told(f"/raw/two-{n}") == ((502, "upstream-reset") if status == 502 else (200, "upstream-cut"))


@pytest.mark.parametrize("said", [b"ZZ\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"0\r\nContent-Length: 1\r\n\r\n", b"f" * 30 + b"\r\n",
                                  b"5;" + b"x" * 2000, b"\r\n", b"-5\r\nhello\r\n"])
def test_a_bad_chunk_before_any_content_is_502(played, said):  # noqa: F811
    w = played(says(CHUNKED + said))
    a = exchange(connect(w.plain), "GET", "/raw/x")
    assert a[0] == 502 and header(a, "sallyport-reason") == "upstream-nonsense", a
    line = wait_until(lambda: logged_for(w, "/raw/x"))
    assert (line["http.response.status_code"], line["sallyport.reason"]) == (502, "upstream-nonsense")
    status, body, was_reset = second_client(w, "/raw/two")
    assert status == 502 and b"upstream-nonsense" in body and not was_reset


@pytest.mark.parametrize("said,body", [(b"Content-Length: 10\r\n\r\nfive!", b"five!"), (b"Transfer-Encoding: chunked\r\n\r\na\r\nfive!", b"five!"),
                                       (b"Transfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\nZZ\r\n", b"five!")])
def test_what_came_of_an_answer_is_passed_on_before_it_is_cut(played, said, body):  # noqa: F811
    w = played(says(said))
    s = connect(w.plain)
    s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    while piece := s.recv(65536):
        data += piece
    assert data.startswith(b"HTTP/1.1 200 ") and body in data and not data.endswith(b"0\r\n\r\n")
    assert second_client(w, "/raw/two") == (200, body, True)
    for path in ("/raw/x", "/raw/two"):
        line = wait_until(lambda: logged_for(w, path))
        assert (line["http.response.status_code"], line["sallyport.reason"]) == (200, "upstream-cut")


def test_a_head_whose_connection_ends_later_is_passed_on(played):  # noqa: F811
    seen = threading.Event()

    def play(peer):
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        seen.wait(SOON)
    w = played(play)
    s = connect(w.plain)
    s.settimeout(SOON)
    s.sendall(b"GET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert s.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    seen.set()
    assert s.recv(65536) == b""


@pytest.mark.parametrize("said", [b"\r\n", b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_an_empty_answer_is_whole(played, said):  # noqa: F811
    w = played(says(said))
    a = exchange(connect(w.plain), "GET", "/raw/x")
    assert (a[0], a[2]) == (200, b"")
    assert second_client(w, "/raw/two") == (200, b"", False)
