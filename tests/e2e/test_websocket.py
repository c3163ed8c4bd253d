import asyncio, json
import websockets
from house import connect, exchange, header, tls_context, wait_until


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
