"""An upstream for the tests: HTTP/1.1 by hand, so that it can also misbehave. Runs in a thread of its own."""
import asyncio, json, os, threading, base64, hashlib
from house import free_port


class Origin:
    def __init__(self, unix=None, ssl=None):
        self.requests = []          # (method, path, headers list, body)
        self.connections = 0
        self.raw = bytearray()      # all heads received
        self.unix, self.ssl = unix, ssl
        self.fail = {}              # path -> what to do
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(started,), daemon=True)
        self.thread.start()
        assert started.wait(10)

    def serve(self, started):
        asyncio.set_event_loop(self.loop)
        if self.unix:
            start = asyncio.start_unix_server(self.on_connection, self.unix)
        else:
            start = asyncio.start_server(self.on_connection, "127.0.0.1", free_port(), ssl=self.ssl, backlog=1024)
        self.server = self.loop.run_until_complete(start)
        if self.unix:
            os.chmod(self.unix, 0o666)  # workers started by root run as somebody else
        self.port = 0 if self.unix else self.server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    @property
    def url(self):
        return f"unix:{self.unix}" if self.unix else f"{'https' if self.ssl else 'http'}://127.0.0.1:{self.port}"

    def close(self):
        def end():
            self.server.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.05, self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self.thread.join(5)

    async def read_body(self, reader, headers):
        named = {k.lower(): v for k, v in headers}
        if named.get("transfer-encoding", "").lower() == "chunked":
            body, trailers = b"", []
            while True:
                size = int((await reader.readline()).split(b";")[0], 16)
                if size == 0:
                    while True:
                        line = await reader.readline()
                        if line in (b"\r\n", b""):
                            return body, trailers
                        trailers.append(line.decode().strip())
                body += await reader.readexactly(size)
                await reader.readexactly(2)
        return await reader.readexactly(int(named.get("content-length", 0))), []

    async def on_connection(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.raw += head
                lines = head.decode("latin-1").split("\r\n")
                method, path, _ = lines[0].split(" ")
                headers = [tuple(x.split(": ", 1)) for x in lines[1:] if x]
                if not await self.answer(method, path, headers, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def plain(self, writer, status, body, more=()):
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        return True

    async def answer(self, method, path, headers, reader, writer):
        base = path.split("?")[0]
        act = self.fail.get(base)
        if act == "reset":
            self.requests.append((method, path, headers, b""))
            writer.transport.abort()
            return False
        if act == "close":
            self.requests.append((method, path, headers, b""))
            return False
        if act == "early":
            await self.plain(writer, "413 Too Large", b"no", ["Connection: close"])
            return False
        if base.endswith("/ws"):
            return await self.websocket(headers, reader, writer)
        if base.endswith("/sink"):  # takes a body of any size without keeping it
            left = int({k.lower(): v for k, v in headers}.get("content-length", 0))
            got = 0
            while left:
                piece = await reader.read(min(left, 1 << 20))
                if not piece:
                    return False
                left -= len(piece)
                got += len(piece)
            return await self.plain(writer, "200 OK", str(got).encode())
        body, trailers = await self.read_body(reader, headers)
        self.requests.append((method, path, headers, body))
        if act == "hang":
            await asyncio.sleep(60)
            return False
        if act == "nonsense":
            writer.write(b"hello there\r\n\r\n")
            return False
        if act == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            await writer.drain()
            return False
        if act == "smuggle":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            return False
        if isinstance(act, tuple):  # status, body, more fields
            return await self.plain(writer, *act)
        if isinstance(act, int):
            return await self.plain(writer, f"{act} Status", b"{}")
        if base.endswith("/chunked"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            for i in range(3):
                writer.write(b"5\r\npart%d\r\n" % i)
                await writer.drain()
                await asyncio.sleep(0.02)
            writer.write(b"0\r\nX-Sum: 42\r\n\r\n")
            await writer.drain()
            return True
        if base.endswith("/until-close"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            await writer.drain()
            return False
        if base.endswith("/slow"):
            await asyncio.sleep(float(path.split("=")[1]) if "=" in path else 0.5)
        if base.endswith("/bytes"):
            left = int(path.split("=")[1])
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n".encode())
            piece = b"x" * (1 << 18)
            while left:
                n = min(left, len(piece))
                writer.write(piece[:n])
                await writer.drain()
                left -= n
            return True
        if base.endswith("/hello"):
            return await self.plain(writer, "200 OK", b"hello")
        data = json.dumps({"method": method, "path": path, "headers": headers, "body": body.decode("latin-1"),
                           "trailers": trailers}).encode()
        return await self.plain(writer, "200 OK", b"" if method == "HEAD" else data, ["Content-Type: application/json",
                                                                                    "X-Origin: yes"])

    async def websocket(self, headers, reader, writer):
        named = {k.lower(): v for k, v in headers}
        self.requests.append(("WS", "/ws", headers, b""))
        key = named["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        while True:  # echoes masked text frames of at most 125 bytes unmasked
            two = await reader.readexactly(2)
            op, n = two[0] & 15, two[1] & 127
            if n == 126:
                n = int.from_bytes(await reader.readexactly(2), "big")
            mask = await reader.readexactly(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(n)))
            size = bytes([n]) if n < 126 else bytes([126]) + n.to_bytes(2, "big")
            writer.write(bytes([0x80 | op]) + size + data)
            await writer.drain()
            if op == 8:
                return False
