#!/usr/bin/python3
"""What a limit of the fleet adds to a request while Redis is well, hangs, refuses or is 200 ms away.

One client on one connection asks a route without a limit and a route with one in turn; the difference of the medians is
what the limit adds. Cold: each request has a key of its own. Warm: all have the same.

usage: redis_latency.py [REQUESTS]   of each kind, default 2000. make bench-redis builds what it needs"""
import asyncio, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("SALLYPORT", str(ROOT / "build/release/sallyport"))
sys.path.insert(0, str(ROOT / "tests/e2e"))
from house import Sallyport, free_port, wait_until  # noqa: E402

CONFIG = """
environment: dev
workers: 1
state: {where}/state
status: {{address: "127.0.0.1:{status}"}}
admin: {{socket: {where}/admin.sock}}
secrets: {{fleet: ["${{env:FLEET_SECRET}}"]}}
redis: {{servers: "redis://127.0.0.1:{redis}"}}
listeners: [{{address: "127.0.0.1:{port}"}}]
http: {{requests_max: 1000000000}}
limits:
  hot: {{key: ["header:X-Key"], rate: 10000/s, burst: 10000}}
routes:
  - {{name: free, path: /free, anonymous: true, upstream: app}}
  - {{name: limited, path: /limited, anonymous: true, upstream: app, limits: [hot]}}
upstreams: {{app: {{endpoints: ["http://127.0.0.1:{origin}"]}}}}
"""


class Wire:
    """A relay to Redis whose delay can be changed."""

    def __init__(self, to):
        self.port, self.to, self.delay = free_port(), to, 0.0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.serve, args=(ready,), daemon=True).start()
        assert ready.wait(10)

    def serve(self, ready):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.carry, "127.0.0.1", self.port))
        ready.set()
        self.loop.run_forever()

    async def carry(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pour(reader, far_writer), self.pour(far_reader, writer))

    async def pour(self, reader, writer):
        try:
            while data := await reader.read(65536):
                self.loop.call_later(self.delay / 2, writer.write, data)
        except OSError:
            pass
        writer.close()


class Redis:
    def __init__(self, where):
        self.where, self.port = where, free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--dir", str(self.where)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path, key):
        """Microseconds to the answer's head."""
        asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Key: {key}\r\n\r\n".encode()
        begun = time.perf_counter()
        self.socket.sendall(asked)
        said = b""
        while b"\r\n\r\n" not in said:
            said += self.socket.recv(65536)
        took = time.perf_counter() - begun
        assert said.split(b" ", 2)[1] in (b"200", b"429"), said
        body = int(re.search(rb"content-length: (\d+)", said, re.I)[1]) + said.index(b"\r\n\r\n") + 4
        while len(said) < body:
            said += self.socket.recv(65536)
        return took * 1e6


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(client, name, keys, n):
    free, limited = [], []
    for i in range(n):
        free.append(client.get("/free", "x"))
        limited.append(client.get("/limited", keys(i)))
    base = [percentile(free, p) for p in (0.5, 0.99)]
    got = [percentile(limited, p) for p in (0.5, 0.99)]
    print(f"| {name} | {base[0]:.0f} | {base[1]:.0f} | {got[0] - base[0]:+.0f} | {got[1] - base[1]:+.0f} "
          f"| {max(limited):.0f} |", flush=True)


def is_up(status):
    with urllib.request.urlopen(f"http://127.0.0.1:{status}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return any(line.startswith("sallyport_redis_up{") and float(line.split()[-1]) == 2 for line in lines)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    where = tempfile.mkdtemp(prefix="sp-")
    redis = Redis(where)
    wire = Wire(redis.port)
    port, status, behind = free_port(), free_port(), free_port()
    origin = subprocess.Popen([ROOT / "build/release/tests/bench/origin", str(behind)])
    config = CONFIG.format(where=where, status=status, redis=wire.port, port=port, origin=behind)
    proxy = Sallyport(where, config, {"FLEET_SECRET": "a secret of a fleet of one, for a bench"})
    try:
        proxy.wait_ready(status)
        client = Client(port)
        wait_until(lambda: is_up(status), 20)
        print("| microseconds | p50 without | p99 without | added at p50 | added at p99 | longest |")
        print("|---|---|---|---|---|---|")
        cold, warm = (lambda name: lambda i: f"{name}-{i}"), (lambda i: "warm")
        measure(client, "healthy, cold key", cold("a"), n)
        for i in range(500):
            client.get("/limited", "warm")
        measure(client, "healthy, warm key", warm, n)
        redis.process.send_signal(signal.SIGSTOP)
        measure(client, "hung, cold key, from its beginning", cold("b"), n)
        measure(client, "hung, warm key", warm, n)
        redis.process.send_signal(signal.SIGCONT)
        wait_until(lambda: is_up(status), 20)
        redis.stop()
        measure(client, "refused, cold key, from its beginning", cold("c"), n)
        measure(client, "refused, warm key", warm, n)
        redis.start()
        wait_until(lambda: is_up(status), 20)
        wire.delay = 0.2
        measure(client, "200 ms away, cold key, from its beginning", cold("d"), n)
        measure(client, "200 ms away, warm key", warm, n)
    finally:
        proxy.stop()
        redis.stop()
        origin.kill()
        shutil.rmtree(where, ignore_errors=True)


if __name__ == "__main__":
    main()
