"""What tests and drills of issuers share: a world whose issuer is its own, and what is asked of it."""
import json, os, re, shutil, socket, tempfile, time
from conftest import World
from house import BINARY, Issuer, connect, exchange, header, run, wait_until


def houses(authority, where_issuers):
    """Yields make(), which gives a world; soft ages are a second, so that an outage passes them quickly."""
    made = []

    def make(more="", soft="1s", hard="24h", workers=1, issuer_more="", tls=False, routes="",
             issuer=None, wait=True, **parts):
        where = tempfile.mkdtemp(prefix="sp-")
        os.chmod(where, 0o755)           # the keeper may run as another user, and keeps things there
        certificate = (authority.where / "server.pem", authority.where / "server.key") if tls else None
        issuer = issuer or Issuer(where_issuers / f"issuer{len(made)}", certificate)
        text = f"{routes}\nverification: {{keys_soft: {soft}, keys_hard: {hard}}}\ntrusted_proxies: [127.0.0.2/32]\n{more}"
        w = World(where, authority, issuer, workers=workers, routes=text, issuer_more=issuer_more, **parts)
        made.append((w, where))
        if wait:
            wait_until(lambda: get(w, issuer.token())[0] == 200)
        return w
    yield make
    for w, where in made:
        w.issuer.mode = "normal"
        w.close()
        w.issuer.stop()
        shutil.rmtree(where, ignore_errors=True)


def get(world, token, source=None):
    more = [("Authorization", f"Bearer {token}")]
    return exchange(connect(world.port, world.ca, source=source and (source, 0)), "GET", "/api/x", more)


def reason(answer):
    return answer[0], header(answer, "sallyport-reason")


def command(world, *words):
    return run(BINARY, *words, "-c", world.proxy.file, env=world.proxy.env)


def told(world):
    return json.loads(command(world, "issuer", "status", "-o", "json").stdout)["issuers"][0]


def metrics(world):
    with socket.create_connection(("127.0.0.1", world.status_port), 5) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := s.recv(65536):
            data += piece
    return data.decode()


def metric(world, line):
    found = re.search("^" + re.escape(line) + r" (\S+)$", metrics(world), re.M)
    return float(found[1]) if found else None


class Tokens:
    """Good and bad tokens of a world's issuer, made once, since each costs a process."""

    def __init__(self, world, count=8):
        now = int(time.time())
        self.good = [world.issuer.token(sub=f"user-{i}", iat=now - 60, exp=now + 7200) for i in range(count)]
        head, body, signature = self.good[0].split(".")
        other = world.issuer.token(sub="eve", iat=now - 60, exp=now + 7200).split(".")[2]
        self.bad = [f"{head}.{body}.{other}", world.issuer.token(exp=now - 600), world.issuer.token(alg="none"),
                    world.issuer.token(aud="https://other")]


class Judge:
    """Sends tokens on one connection and counts what becomes of the good and of the bad ones."""

    def __init__(self, world, tokens):
        self.world, self.tokens = world, tokens
        self.sock = None
        self.good = self.admitted = self.bad = self.let_in = 0
        self.wrong, self.seconds = [], []

    def ask(self, token):
        if self.sock is None:
            self.sock = connect(self.world.port, self.world.ca)
        began = time.monotonic()
        answer = exchange(self.sock, "GET", "/api/x", [("Authorization", f"Bearer {token}")])
        self.seconds.append(time.monotonic() - began)
        if (header(answer, "connection") or "").lower() == "close":
            self.sock.close()
            self.sock = None
        return answer

    def round(self):
        for token in self.tokens.good:
            answer = self.ask(token)
            self.good += 1
            self.admitted += answer[0] == 200
            if answer[0] != 200:
                self.wrong.append(reason(answer))
        for token in self.tokens.bad:
            self.bad += 1
            self.let_in += self.ask(token)[0] != 401

    def run(self, until):
        """Rounds until the condition, looked at now and then, is true."""
        while True:
            for _ in range(5):
                self.round()
            if until():
                return
            time.sleep(0.02)

    def p99_ms(self):
        ordered = sorted(self.seconds)
        return 1000 * ordered[len(ordered) * 99 // 100]

    def check(self):
        assert self.good == self.admitted > 0 and self.let_in == 0 < self.bad, (self.__dict__, self.wrong[:5])


def spray(world, count, good):
    """Tokens with random kids, and a good one among every hundred, pipelined. The outcomes by status and reason."""
    import secrets
    from house import b64
    now = int(time.time())
    outcomes = {}
    body = {"iss": world.issuer.url, "aud": "https://api.example.com", "sub": "eve", "iat": now, "exp": now + 600}
    tail = b64(json.dumps(body).encode()) + "." + b64(b"\0" * 256)
    sock = connect(world.port, world.ca)
    left = b""
    for start in range(0, count, 100):
        if start % 5000 == 4900:     # a connection ends politely after 10,000 requests
            sock.close()
            sock, left = connect(world.port, world.ca), b""
        tokens = [b64(json.dumps({"alg": "RS256", "kid": secrets.token_hex(8)}).encode()) + "." + tail
                  for _ in range(min(100, count - start))] + [good]
        sock.sendall(b"".join(b"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + t.encode() +
                              b"\r\n\r\n" for t in tokens))
        for i in range(len(tokens)):
            status, why, left = read_one(sock, left)
            what = "good" if i == len(tokens) - 1 else "random"
            outcomes[what, status, why] = outcomes.get((what, status, why), 0) + 1
    sock.close()
    return outcomes


def read_one(sock, data):
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        assert piece, "closed in the middle"
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    fields = {k.lower(): v for k, _, v in (x.partition(b": ") for x in head.split(b"\r\n")[1:])}
    length = int(fields.get(b"content-length", 0))
    if fields.get(b"transfer-encoding") == b"chunked":
        while not rest.endswith(b"0\r\n\r\n") and b"\r\n0\r\n\r\n" not in rest:
            rest += sock.recv(65536)
        length = (0 if rest.startswith(b"0\r\n\r\n") else rest.index(b"\r\n0\r\n\r\n") + 2) + 5
    while len(rest) < length:
        rest += sock.recv(65536)
    reason_ = fields.get(b"sallyport-reason", b"").decode()
    return int(head.split(b" ")[1]), reason_, rest[length:]
