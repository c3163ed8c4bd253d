"""make soak [SOAK_S=60] [SOAK_SEED=n]: one Sallyport with every feature on, among hostile and honest clients, while its
configuration, its processes, its Redis and its issuer are taken away and given back. Then quiet, and what must be true.

Run by root the processes are those of a server; as anybody else it works too. Ports are on loopback."""
import asyncio, contextlib, json, os, pathlib, random, re, shutil, signal, socket, socketserver, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import h2.connection  # noqa: E402
import httpx  # noqa: E402
import websockets  # noqa: E402
from conftest import World  # noqa: E402
from house import BINARY, Authority, Issuer, connect, exchange, free_port, read_answer, run, tls_context, wait_until  # noqa: E402
from scripted import Scripted  # noqa: E402
from test_opaque import Registry, SECRET  # noqa: E402
from test_redis import Redis  # noqa: E402

SECONDS = int(os.environ.get("SOAK_S", "60"))
SEED = int(os.environ.get("SOAK_SEED", str(int(time.time()))))
CORPUS = HERE.parent / "fuzz/corpus"

LISTENERS = """
  - address: 127.0.0.1:{proxied}
    tls: {{certificates: [{{chain: {ca}/server.pem, key: {ca}/server.key}}], client_ca: {ca}/ca.pem, client_certificate: optional}}
    proxy_protocol: {{accept: any, from: [127.0.0.0/8]}}
"""
UPSTREAMS = """
  mad: {{endpoints: ["{mad1}", "{mad2}", "{mad3}", "http://127.0.0.1:{nobody}"], header_timeout: 1s, idle_timeout: 2s,
        connect_timeout: 500ms, eject_for: 200ms, health: {{path: /hello, interval: 200ms, timeout: 500ms}}}}
"""
LIMITS = """
  everything: {scope: machine, key: [address, prefix, "prefix:16/48", route, class, ja4, certificate], rate: 1000/s, burst: 1000}
  person: {key: [subject, client, tenant], rate: 100/s, burst: 100, headers: always}
  name: {key: ["form:username"], rate: 5/s, burst: 10, outcomes: {401: 5}, headers: always}
  member: {key: ["json:user.name"], rate: 5/s, burst: 10, shadow: 50%}
  field: {key: ["header:X-Key", "cookie:session"], rate: 20/s, burst: 20, methods: [GET, POST]}
"""
ROUTES = """
  - {{name: mad, path: /mad/*, upstream: mad, anonymous: true, limits: [everything, field]}}
  - {{name: mad-login, path: /sign/*, upstream: mad, anonymous: true, body_max: 16KiB, needs_issuer: local,
     limits: [everything, name, member]}}
  - {{name: token, path: /token/*, upstream: mad, anonymous: true, exchange: true, limits: [name]}}
  - {{name: person, path: /person/*, upstream: mad, limits: [everything, person, name],
     verify: {{issuers: [local, second], from: [bearer, "cookie:session", "header:X-Token"], forward: false}},
     request_headers: {{set: {{X-Tag: soak}}, remove: [X-Internal]}}, response_headers: {{set: {{X-Frame: no}}}},
     cors: {{origins: ["https://ui.example.com"]}}}}
  - {{name: maybe, path: /maybe/*, upstream: mad, verify: {{issuer: local, optional: true, claims: {{org_id: [tenant-1]}}}}}}
  - {{name: mad-live, path: /mad-live/*, upstream: mad, anonymous: true, websocket: true, idle_timeout: 1s}}
  - {{name: ask-nginx, path: /check/nginx, check: nginx}}
  - {{name: ask-envoy, path: /check/envoy/*, check: envoy}}
  - {{name: ask-caddy, path: /check/caddy, check: caddy}}
  - {{name: guarded, path: /guarded/*, decide: true, verify: {{issuer: local}}, limits: [person]}}
redis: {{servers: "redis://localhost:{redis}", budget: 20ms}}
secrets: {{fleet: ["${{env:FLEET_SECRET}}"]}}
trusted_proxies: [127.0.0.1]
timeouts: {{header: 1s, idle: 2s, handshake: 1s, write_stall: 1s}}
verification: {{keys_soft: 1s, wait: 500ms, cache_size: 256}}
"""
SECOND = """, probe: 1s, budget: {{all: 1000/s}},
    audience_missing: accept,
    opaque: {{endpoint: "{registry}/introspect", client_id: "gate way", client_secret: "${{env:INTROSPECTION_SECRET}}", fresh: 1s}}}}
  second: {{issuer: "{url}second", audiences: ["https://api.example.com"], jwks: "{url}jwks.json\""""

MADNESS = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"nonsense\r\n\r\n", b"",
           b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
           b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"HTTP/1.1 204 No\r\n\r\nmore than that", b"HTTP/1.1 304 Same\r\n\r\n",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\n\r\nbytes",
           b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300000, b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n",
           b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"half" * 9000,
           b"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello"]

# what issuers of opaque tokens say beside what is asked for
ODD_CLAIMS = [{"sub": "uma", "permissions": [{"rsid": "1", "scopes": ["view"]}]}, {"sub": "long", "scope": "read " + "x" * 2700},
              {"sub": "bound", "cnf": {"x5t#S256": "nobody's"}}, {"sub": "nobody", "aud": None}, {"sub": 7}, {"exp": "soon"},
              {"sub": "deep", "realm_access": {"roles": [["a"], {"b": 1}]}}, {"sub": "big", "exp": 10 ** 30}, {"sub": "x", "scope": None}]
ODD_TOKENS = [dict(sub="bound", cnf={"x5t#S256": "nobody's"}), dict(aud=None), dict(scope=["read", None, "a b"]), dict(permissions={"a": 1}),
              dict(exp=2 ** 63), dict(nbf="soon"), dict(realm_access={"roles": ["admin"]}), dict(sub="x" * 3000)]


def mad(peer):
    """An upstream of which anything is to be expected."""
    while True:
        if peer.request()[0] is None:
            return
        what = random.random()
        if what < 0.05:
            return peer.reset()
        if what < 0.1:
            time.sleep(random.choice((0.05, 0.5, 1.5)))
        answer = random.choice(MADNESS)
        for i in range(0, len(answer), 65536 if what < 0.8 else max(1, len(answer) // 7)):
            peer.say(answer[i:i + (65536 if what < 0.8 else max(1, len(answer) // 7))])
        if what > 0.7:
            return peer.reset() if what > 0.85 else None
        if b"until" in answer or b"cut" in answer:
            return


class Soak:
    def __init__(self, where):
        self.where = where
        self.done, self.stopping, self.failures = {}, False, []
        self.authority = Authority(where / "ca")
        self.authority.issue("server", ["DNS:localhost", "IP:127.0.0.1"])
        self.issuer = Issuer(where / "issuer")
        self.redis = Redis(where)
        self.registry = Registry()
        self.registry.tokens = {f"opaque-{i}": {"sub": f"user-{i}", "scope": "read"} for i in range(4)}
        self.registry.tokens.update({f"odd-{i}": claims for i, claims in enumerate(ODD_CLAIMS)})
        self.mad = [Scripted(mad) for _ in range(3)]
        self.proxied = free_port()
        self.world = World(where, self.authority, self.issuer, workers=2, **self.parts(),
                           env={"INTROSPECTION_SECRET": SECRET, "FLEET_SECRET": "f" * 40})
        self.tokens = [self.issuer.token(sub=f"user-{i}") for i in range(6)]
        self.tokens += [self.issuer.token(iss=self.issuer.url + "second", sub="second"), self.issuer.token(exp=1),
                        self.issuer.token(kid="unknown"), self.issuer.token(sub="a\r\nb"), "a.b.c", "x" * 20000, *self.registry.tokens, "nobody"]
        self.tokens += [self.issuer.token(**claims) for claims in ODD_TOKENS]

    def parts(self):
        ca = self.authority.where
        urls = {f"mad{i + 1}": m.url for i, m in enumerate(self.mad)}
        return dict(listeners=LISTENERS.format(proxied=self.proxied, ca=ca), limits=LIMITS,
                    issuer_more=SECOND.format(url=self.issuer.url, registry=self.registry.url), upstreams=UPSTREAMS.format(nobody=free_port(), **urls),
                    routes=ROUTES.format(redis=self.redis.port))

    # ---- clients: each is called again and again, and may be cut off at any byte ----

    def address(self):
        """A crash blames those whose bytes were worked on; the clients of the quiet end come from elsewhere."""
        return f"127.{random.randrange(9, 200)}.{random.randrange(256)}.{random.randrange(1, 255)}", 0

    def dial(self, tls=None, alpn=("http/1.1",)):
        tls = random.random() < 0.5 if tls is None else tls
        w = self.world
        return connect(w.port if tls else w.plain, w.ca if tls else None, source=self.address(), alpn=alpn)

    def paths(self):
        return random.choice(("/mad/x", "/sign/in", "/token/t", "/person/me", "/maybe/x", "/open/hello", "/open/chunked",
                              "/keyed/x", "/mine/x", "/admin/x", "/old/x?page=1", "/nowhere", "/guarded/x", "/small/x",
                              "/open/slow?s=0.2", "/open/bytes?n=200000", "/open/../mad/%2e%2e/x", "/check/envoy/guarded/x"))

    def fields(self):
        token = random.choice(self.tokens)
        more = [("Authorization", f"Bearer {token}"), ("Cookie", f"session={token}"), ("X-Token", token), ("X-Key", "k"),
                ("Sallyport-Subject", "me"), ("X_Forwarded_For", "1.2.3.4"), ("Origin", "https://ui.example.com"),
                ("Expect", "100-continue"), ("Connection", "x-key"), ("X-Key", str(random.randrange(9)))]
        return random.sample(more, random.randrange(4))

    def body(self):
        name = f"u{random.randrange(20)}"
        return random.choice((b"", b"username=%s&password=x" % name.encode(), json.dumps({"user": {"name": name}}).encode(),
                              b"grant_type=refresh_token&refresh_token=%s" % name.encode(), b"y" * 40000))

    def keep_alive(self):
        with self.dial() as s:
            for _ in range(random.randrange(1, 20)):
                body = self.body()
                a = exchange(s, "POST" if body else "GET", self.paths(), self.fields(), body)
                if a is None:
                    return
                assert a[0] not in (404, 410), a
                self.count(a[0])

    def http2(self):
        with httpx.Client(http2=True, verify=tls_context(self.world.ca, ("h2",)), timeout=10,
                          transport=httpx.HTTPTransport(http2=True, verify=tls_context(self.world.ca, ("h2",)),
                                                        local_address=self.address()[0])) as c:
            for _ in range(10):
                a = c.request(random.choice(("GET", "POST", "OPTIONS", "HEAD")), f"https://localhost:{self.world.port}" +
                              self.paths(), content=self.body(), headers=[x for x in self.fields() if x[0] != "Connection"])
                assert a.status_code not in (404, 410), a
                self.count(a.status_code)

    def curl(self):
        done = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code} ", "--interface", self.address()[0], "--cacert",
                   self.world.ca, "--max-time", "5", random.choice(("--http1.1", "--http2")), "--haproxy-protocol",
                   *[f"https://localhost:{self.proxied}{self.paths()}" for _ in range(3)])
        assert "404" not in done.stdout
        self.count("curl")

    def many(self):
        run("h2load", "-n", "300", "-c", "3", "-m", "20", *random.choice(([], ["--h1"])), "-T", "5", "-N", "5",
            f"https://localhost:{self.world.port}{random.choice(('/mad/x', '/open/hello', '/open/bytes?n=70000'))}")
        self.count("h2load")

    def bytes(self):
        kind = random.choice(("h1_request", "h2", "hello", "proxy", "h1_chunked"))
        data = bytearray(random.choice(list((CORPUS / kind).iterdir())).read_bytes())
        for _ in range(random.randrange(3)):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        if kind == "h2":
            data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + data[1:]
        if kind in ("hello", "proxy"):
            port = random.choice((self.world.port, self.proxied))
            s = socket.create_connection(("127.0.0.1", port), 5, source_address=self.address())
        else:
            s = self.dial(alpn=("h2",) if kind == "h2" else ("http/1.1",))
        with s:
            s.settimeout(0.3)
            s.sendall(data)
            s.recv(65536)
        self.count("bytes")

    def slow(self):
        with self.dial() as s:
            for byte in b"POST /sign/in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\nusername=slow":
                s.sendall(bytes((byte,)))
                time.sleep(0.01)
        self.count("slow")

    def deaf(self):
        with self.dial() as s:
            s.sendall(b"GET /open/bytes?n=3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
            time.sleep(random.choice((0.1, 2.5)))
        self.count("deaf")

    def stalled(self):
        """HTTP/2 streams that take a window's worth and no more, some of them reset, beside one that is read."""
        c = h2.connection.H2Connection()
        c.initiate_connection()
        with self.dial(alpn=("h2",), tls=True) as s:
            for path in ("/open/bytes?n=3000000", "/mad/x", "/open/bytes?n=200000", "/open/hello"):
                stream = c.get_next_available_stream_id()
                c.send_headers(stream, [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "localhost")], True)
                if random.random() < 0.2:
                    c.reset_stream(stream)
            s.sendall(c.data_to_send())
            s.settimeout(0.2)
            end = time.monotonic() + random.choice((0.1, 2.5))
            while time.monotonic() < end:
                try:
                    if not s.recv(65536):
                        break
                except TimeoutError:
                    pass
        self.count("stalled")

    def silent(self):
        """Handshakes that are begun and not ended."""
        hello = list((CORPUS / "hello").iterdir())
        with contextlib.ExitStack() as held:
            for _ in range(20):
                s = held.enter_context(socket.create_connection(("127.0.0.1", self.world.port), 5, source_address=self.address()))
                s.sendall(random.choice(hello).read_bytes()[:random.randrange(300)])
            time.sleep(random.choice((0.1, 1.5)))
        self.count("silent")

    def reset(self):
        """A reset right behind a whole request, a part of one, or a frame of a tunnel."""
        s = self.dial()
        s.sendall(random.choice((b"GET /open/bytes?n=200000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                 b"POST /mad/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" + b"z" * 30000,
                                 b"GET /mad/x HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5 + b"GET /ma",
                                 b"GET /live/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85mask")))
        s.settimeout(0.2)
        if random.random() < 0.5:
            s.recv(100)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        socket.socket.close(s)
        self.count("reset")

    def upload(self):
        """An upload that is refused early."""
        with self.dial() as s:
            s.sendall(b"POST /person/me HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n")
            for _ in range(30):
                s.sendall(b"u" * 100000)
            self.count(read_answer(s)[0])
        self.count("upload")

    def rude(self):
        s = self.dial()
        s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300\r\n\r\nusername=rude" % self.paths().encode())
        time.sleep(random.random() / 20)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
        self.count("rude")

    def tunnel(self):
        path = random.choice(("/live/ws", "/live/ws", "/mad-live/ws"))

        async def talk():
            async with websockets.connect(f"ws://127.0.0.1:{self.world.plain}{path}", open_timeout=3, close_timeout=1,
                                          local_addr=self.address()) as ws:
                for i in range(5):
                    await ws.send(f"{i}")
                    await asyncio.wait_for(ws.recv(), 3)
        asyncio.run(talk())
        self.count("tunnel")

    def asker(self):
        with connect(self.world.plain) as s:
            for _ in range(5):
                a = exchange(s, "GET", random.choice(("/check/caddy", "/check/nginx", "/check/envoy/guarded/x")),
                             [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", self.paths()), ("X-Original-Method", "PUT"),
                              ("X-Original-URI", self.paths()), ("X-Forwarded-Host", "localhost"),
                              ("Authorization", f"Bearer {random.choice(self.tokens)}")])
                assert a[0] not in (404, 410), a
                self.count(a[0])

    def scrape(self):
        self.metrics()
        self.count("scrape")
        time.sleep(0.1)

    def operator(self):
        w = self.world
        words = random.choice((("status",), ("limits", "--show-keys"), ("issuer", "status"), ("limits", "reset", "name", "u1"),
                               ("issuer", "drill", "local", "blind", "--for", "1s"), ("status", "-o", "json")))
        run(BINARY, *words, "-c", w.proxy.file, env=w.proxy.env)
        self.count("operator")
        time.sleep(0.2)

    CLIENTS = ([keep_alive] * 4 + [http2] * 2 + [bytes] * 3 + [rude] * 2 +
               [curl, many, slow, deaf, stalled, silent, reset, reset, upload, tunnel, tunnel, asker, scrape, operator])

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def be(self, client):
        while not self.stopping:
            try:
                client(self)
            except AssertionError as e:
                if "404" in str(e) or "410" in str(e):
                    self.failures.append(str(e))
            except Exception:  # in this world everything may be cut off
                pass

    # ---- troubles ----

    def reload(self):
        change = random.choice((dict(workers=1), dict(workers=3), dict(), dict(limits=LIMITS + "  more: {key: [address], rate: 1/s}\n")))
        self.world.proxy.file.write_text(self.world.config(**change))
        self.world.proxy.signal(signal.SIGHUP)

    def bad_reload(self):
        self.world.proxy.file.write_text(self.world.config() + "\nnonsense: [")
        self.world.proxy.signal(signal.SIGHUP)
        time.sleep(0.5)
        self.world.proxy.file.write_text(self.world.config())

    def kill(self):
        who, pid = random.choice([(who, pid) for pid, (who, _, _) in self.family().items() if who != "supervisor"])
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # a reload was quicker
            return
        self.count(f"kill {who}")
        time.sleep(1)

    def hang_redis(self):
        self.redis.process.send_signal(signal.SIGSTOP)
        time.sleep(random.choice((0.2, 1.5)))
        self.redis.process.send_signal(signal.SIGCONT)

    def restart_redis(self):
        self.redis.stop()
        time.sleep(random.random())
        self.redis.start()

    def break_issuer(self):
        self.issuer.mode = "error"
        time.sleep(random.choice((0.5, 3)))
        self.issuer.mode = "normal"

    def away_issuer(self):
        self.issuer.stop()
        time.sleep(random.choice((0.5, 3)))
        self.issuer.start()

    def break_registry(self):
        self.registry.delay, self.registry.status = random.choice(((0.7, 200), (0, 500)))
        time.sleep(2)
        self.registry.delay, self.registry.status = 0, 200

    def kill_replica(self):
        died = random.sample(self.mad, random.choice((1, 1, 2, 3)))
        for replica in died:
            replica.down()
        time.sleep(random.choice((0.2, 2)))
        for replica in died:
            replica.up()

    def rotate(self):
        self.world.proxy.signal(signal.SIGUSR1)

    TROUBLES = [reload] * 4 + [bad_reload, kill, kill, hang_redis, restart_redis, break_issuer, away_issuer, break_registry, kill_replica, kill_replica, rotate]

    # ---- what is seen ----

    def metrics(self):
        with socket.create_connection(("127.0.0.1", self.world.status_port), 5) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = b""
            while piece := s.recv(65536):
                data += piece
        return data.decode()

    def metric(self, name):
        return sum(float(x) for x in re.findall(rf"^sallyport_{name}(?:{{.*}})? (\S+)$", self.metrics(), re.M))

    def family(self):
        """pid: (what it is, open descriptors, private KiB)"""
        status = self.world.proxy.status()
        pids = {self.world.proxy.process.pid: "supervisor", status["keeper"]["pid"]: "keeper", status["writer"]["pid"]: "writer"}
        pids.update({w["pid"]: f"worker {w['slot']}" for w in status["workers"]})
        found = {}
        for pid, name in pids.items():
            try:
                memory = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                found[pid] = (name, len(os.listdir(f"/proc/{pid}/fd")),
                              sum(int(x) for x in re.findall(r"^Private_\w+:\s+(\d+)", memory, re.M)))
            except OSError:
                pass
        return found

    # ---- the three acts ----

    def storm(self):
        threads = [threading.Thread(target=self.be, args=(c,), daemon=True) for c in self.CLIENTS]
        for t in threads:
            t.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            trouble = random.choice(self.TROUBLES)
            trouble(self)
            self.count(trouble.__name__)
            assert self.world.proxy.process.poll() is None, self.world.proxy.stderr
            time.sleep(random.random())
        self.stopping = True
        for t in threads:
            t.join(30)
            assert not t.is_alive(), "a client hangs"

    def quiet(self):
        """Back to one generation with nothing in hand."""
        w = self.world
        w.proxy.file.write_text(w.config())
        wait_until(lambda: w.proxy.reload().returncode == 0, 60, 0.5)
        wait_until(lambda: len({x["generation"] for x in w.proxy.status()["workers"]}) == 1, 60, 0.2)
        for name in ("requests_in_flight", "connections_open", "tunnels_open"):
            wait_until(lambda: self.metric(name) == 0, 30, 0.2)

    def round(self, requests, number):
        """So many requests of three kinds of clients, each under a trace of its own."""
        ids = [f"{number:08x}{i + 1:024x}" for i in range(requests)]
        lock = threading.Lock()

        def one(client):
            while True:
                with lock:
                    if not rest:
                        return
                    trace = rest.pop()
                client(trace, random.choice(("/open/hello", "/open/chunked", "/admin/x", "/nowhere", "/api/x", "/keyed/x")))

        def h1():
            s = connect(self.world.port, self.world.ca)

            def ask(trace, path):
                nonlocal s
                a = exchange(s, "GET", path, [("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
                if dict((k.lower(), v) for k, v in a[1]).get("connection") == "close":
                    s.close()
                    s = connect(self.world.port, self.world.ca)
            return ask

        def h2():
            c = httpx.Client(http2=True, verify=tls_context(self.world.ca, ("h2",)), timeout=20)
            return lambda trace, path: c.get(f"https://localhost:{self.world.port}{path}",
                                             headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        rest = list(ids)
        threads = [threading.Thread(target=one, args=(make(),)) for make in (h1, h1, h2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return ids

    def logged(self):
        return re.findall(r'"trace_id":"(\w+)"', (self.where / "access.jsonl").read_text(errors="replace"))

    def check_quiet(self):
        dropped = self.metric("log_dropped_total")
        before = {}
        for number in range(1, 5):
            ids = set(self.round(600, number))
            wait_until(lambda: len(ids & set(self.logged())) + self.metric("log_dropped_total") - dropped >= len(ids), 20, 0.5)
            family = self.family()
            if number == 2:
                before = family
        all_ids = self.logged()
        assert len(all_ids) == len(set(all_ids)), "a request was logged twice"
        assert set(before) == set(family), (before, family)
        for pid, (name, descriptors, kib) in family.items():
            print(f"  {name:10} {descriptors:4} descriptors {kib:7} KiB")
            assert descriptors <= before[pid][1] + 3, (name, before[pid], descriptors)
            assert kib <= before[pid][2] + 4096, (name, before[pid], kib)

    def close(self):
        held = [connect(self.world.plain) for _ in range(2)]  # a tunnel and a request are cut by the second signal
        held[0].sendall(b"GET /live/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        held[1].sendall(b"GET /open/slow?s=20 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held[0].recv(1)
        self.world.close()
        self.redis.stop()
        self.registry.close()
        self.issuer.stop()


def main():
    random.seed(SEED)
    socketserver.BaseServer.handle_error = lambda *a: None  # the issuer's clients are cut off, too
    print(f"soak: {SECONDS} s, SOAK_SEED={SEED}, {BINARY}", flush=True)
    where = pathlib.Path(tempfile.mkdtemp(prefix="sp-"))
    where.chmod(0o755)
    os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=4:" + os.environ.get("ASAN_OPTIONS", "")
    soak = Soak(where)
    try:
        soak.storm()
        print("  " + ", ".join(f"{k}: {v}" for k, v in sorted(soak.done.items(), key=str)), flush=True)
        assert not soak.failures, soak.failures[:5]
        soak.quiet()
        soak.check_quiet()
    except BaseException:
        print(f"the soak failed; its files are in {where}; the end of what was said:", file=sys.stderr)
        print(soak.world.proxy.stderr[-6000:], file=sys.stderr)
        raise
    finally:
        soak.close()
    shutil.rmtree(where, ignore_errors=True)
    print("soak: all of it held", flush=True)


if __name__ == "__main__":
    main()
