import asyncio, json
import pytest, websockets
from house import connect, exchange, header, read_answer, tls_context, wait_until
from scripted import Scripted
from test_retry import SWITCH, upgrade


def test_a_websocket_passes_both_ways(world):
    async def talk():
        uri = f"wss://localhost:{world.port}/live/ws"
        async with websockets.connect(uri, ssl=tls_context(world.ca)) as ws:
            for i in range(20):
                await ws.send(f"message {i}")
                assert await ws.recv() == f"message {i}"
            await ws.send("x" * 60000)
            assert len(await ws.recv()) == 60000
    asyncio.run(talk())


def test_an_upgrade_on_another_route_is_stripped(world):
    a = exchange(connect(world.port, world.ca), "GET", "/open/x", [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
    assert a[0] == 200 and "upgrade" not in {k.lower() for k, _ in json.loads(a[2])["headers"]}


def test_bytes_behind_the_handshake_wait_for_the_101(world):
    world.origin.fail["/live/no"] = 403
    s = connect(world.port, world.ca)
    s.sendall(b"GET /live/no HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
              b"GET /open/SMUGGLED HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    s.settimeout(1)
    try:
        while piece := s.recv(65536):
            data += piece
    except OSError:
        pass
    assert b" 403 " in data
    assert not any(path == "/open/SMUGGLED" and b"live" in b"" for _, path, _, _ in world.origin.requests)
    assert b"GET /open/SMUGGLED" not in world.origin.raw.split(b"/live/no")[-1].split(b"\r\n\r\n")[0]


def test_tunnels_over_the_bound_are_503(make_world):
    w = make_world(workers=1, routes="http: {tunnels_max: 1}")

    async def talk():
        uri = f"wss://localhost:{w.port}/live/ws"
        async with websockets.connect(uri, ssl=tls_context(w.ca)) as ws:
            await ws.send("a")
            await ws.recv()
            a = await asyncio.to_thread(exchange, connect(w.port, w.ca), "GET", "/live/ws", [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
            assert a[0] == 503 and header(a, "sallyport-reason") == "tunnels-full"
    asyncio.run(talk())


@pytest.fixture
def switching(make_world):
    """switching(function): a proxy before an upstream whose every connection the function plays."""
    made = []

    def begin(play):
        made.append(Scripted(play))
        return make_world(workers=1, upstreams=f'  raw: {{endpoints: ["{made[0].url}"], header_timeout: 1s}}',
                          routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true, websocket: true}\n")
    yield begin
    for origin in made:
        origin.close()


def test_a_frame_that_comes_with_the_101_follows_it(switching):
    def greet(peer):
        request, _ = peer.request()
        frames = int(request.split(b"?")[1].split()[0])
        peer.say(SWITCH + b"\x81\x05hello" * frames)
        while piece := peer.more():
            peer.say(piece)
    w = switching(greet)
    for ca in (None, w.ca):
        for frames in (1, 2, 2000):  # the last are more than one read brings
            s = upgrade(w.port if ca else w.plain, b"/raw/ws?%d" % frames, ca=ca)
            s.sendall(b"\x81\x85early")
            data = b""
            while not data.endswith(b"early"):
                piece = s.recv(65536)
                assert piece, data[:200]
                data += piece
            assert data.startswith(b"HTTP/1.1 101 ") and data.count(b"HTTP/1.1 101") == 1
            assert data.split(b"\r\n\r\n", 1)[1] == b"\x81\x05hello" * frames + b"\x81\x85early"


@pytest.mark.parametrize("more,tunnel", [(b"Content-Length: 0\r\n", True), (b"Content-Length: 00\r\n", True),
                                         (b"Content-Length: 1\r\n", False), (b"Transfer-Encoding: chunked\r\n", False)])
def test_an_upgrade_may_say_that_it_has_no_body(switching, more, tunnel):
    def play(peer):
        request, _ = peer.request()
        if b"upgrade: websocket" not in request.lower():
            peer.ok()
            return
        peer.say(SWITCH)
        peer.say(peer.more())
    w = switching(play)
    s = upgrade(w.plain, more=more)
    s.sendall(b"hello" if tunnel else b"0\r\n\r\n" if b"chunked" in more else b"x")
    a = read_answer(s)
    assert a[0] == (101 if tunnel else 200), a
    if tunnel:
        assert (a[3] or s.recv(100)) == b"hello"


def test_an_upgrade_that_its_upstream_does_not_answer_is_504(switching):
    def play(peer):
        peer.head()
        peer.more()
    w = switching(play)
    for more in (b"", b"Content-Length: 0\r\n"):
        a = read_answer(upgrade(w.plain, more=more))
        assert a[0] == 504 and header(a, "sallyport-reason") == "upstream-timeout"


def test_an_upgrade_that_is_declined_with_a_body_is_answered(switching):
    def play(peer):
        peer.head()
        peer.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    w = switching(play)
    for more in (b"", b"Content-Length: 0\r\n"):
        a = read_answer(upgrade(w.plain, more=more))
        assert (a[0], a[2]) == (403, b"no")
