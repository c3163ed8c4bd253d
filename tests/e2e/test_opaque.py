"""Opaque tokens: introspection and userinfo by the real keeper, against an issuer that is slow, refuses and goes away."""
import asyncio, base64, collections, http.server, json, pathlib, resource, socket, threading, time, urllib.parse
import pytest
import websockets
from house import connect, exchange, free_port, header, tls_context, wait_until, websocket
from test_redis import FLEET, PASSWORDS, SECRET as SECRETS, USERS, guarded as redis, metric  # noqa: F401

SECRET = "s3cret:with/odd+bytes"
BASIC = "Basic " + base64.b64encode(b"gate+way:" + urllib.parse.quote_plus(SECRET).encode()).decode()


class Registry:
    """An introspection and a userinfo endpoint. tokens: token -> claims; any other is not active."""

    def __init__(self):
        registry = self
        self.tokens, self.asked, self.delay, self.status = {}, collections.Counter(), 0, 200
        self.accepts, self.sign = set(), None  # what was asked for; how an answer becomes a signed one

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                token = form["token"][0]
                registry.asked[token] += 1
                registry.accepts.add(self.headers["Accept"])
                time.sleep(registry.delay)
                good = self.headers["Authorization"] == BASIC
                claims = registry.tokens.get(token)
                self.say(registry.status if good else 401, dict(claims, active=True) if claims else {"active": False})

            def do_GET(self):
                token = self.headers["Authorization"].removeprefix("Bearer ")
                registry.asked[token] += 1
                claims = registry.tokens.get(token)
                self.say(registry.status if claims else 401, claims or {})

            def say(self, status, body):
                data = (registry.sign(body) if registry.sign else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def registry():
    r = Registry()
    yield r
    r.close()


def introspection(registry, more=""):
    return (f', audience_missing: accept, opaque: {{endpoint: "{registry.url}/introspect", client_id: "gate way", '
            f'client_secret: "${{env:INTROSPECTION_SECRET}}"{more}}}')


def get(world, path, token):
    return exchange(connect(world.port, world.ca), "GET", path, [("Authorization", f"Bearer {token}")])


def reason(answer):
    return answer[0], header(answer, "sallyport-reason")


def test_an_opaque_token_is_judged_by_what_its_issuer_says(make_world, registry):
    w = make_world(issuer_more=introspection(registry), env={"INTROSPECTION_SECRET": SECRET})
    registry.tokens["abc+/~1="] = {"sub": "user-7", "client_id": "cli", "scope": "read", "org_id": "t7",
                                   "exp": int(time.time()) + 600}
    registry.tokens["other-audience"] = {"sub": "x", "aud": "https://else", "scope": "read"}
    wait_until(lambda: get(w, "/api/x", w.issuer.token())[0] == 200)
    for _ in range(5):
        a = get(w, "/api/x", "abc+/~1=")
        assert a[0] == 200, a
    got = {k.lower(): v for k, v in json.loads(a[2])["headers"]}
    assert (got["sallyport-subject"], got["sallyport-client"], got["sallyport-tenant"]) == ("user-7", "cli", "t7")
    assert registry.asked["abc+/~1="] == 1
    for _ in range(3):
        assert reason(get(w, "/api/x", "unheard-of")) == (401, "token-inactive")
    assert registry.asked["unheard-of"] == 1
    assert reason(get(w, "/api/x", "other-audience")) == (401, "token-audience")
    # the secret is in no argument list and in no log, nor is a token
    lines = [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in (w.proxy.process.pid, *w.proxy.children())]
    for text in lines + [w.proxy.stderr, (w.where / "access.jsonl").read_text()]:
        assert SECRET not in text and urllib.parse.quote_plus(SECRET) not in text and "unheard-of" not in text


def test_while_the_issuer_cannot_be_asked_what_it_said_holds_and_new_tokens_are_503(make_world, registry):
    w = make_world(issuer_more=introspection(registry, ", fresh: 1s"), env={"INTROSPECTION_SECRET": SECRET})
    registry.tokens["known"] = {"sub": "user-7", "scope": "read"}
    assert wait_until(lambda: get(w, "/api/x", "known")[0] == 200)
    registry.status = 500
    before = registry.asked["known"]
    wait_until(lambda: get(w, "/api/x", "known")[0] == 200 and registry.asked["known"] > before)
    for _ in range(5):
        assert get(w, "/api/x", "known")[0] == 200
    a = get(w, "/api/x", "new")
    assert reason(a) == (503, "introspection-unavailable") and header(a, "retry-after")
    registry.status = 200
    registry.tokens.pop("known")
    wait_until(lambda: reason(get(w, "/api/x", "known")) == (401, "token-inactive"), 40)


def test_signed_answers_are_asked_for_and_believed_of_the_issuer_alone(make_world, issuer, registry):
    issuer.discovery = {"introspection_signing_alg_values_supported": ["RS256"]}
    try:
        w = make_world(issuer_more=introspection(registry), env={"INTROSPECTION_SECRET": SECRET})
        wait_until(lambda: get(w, "/api/x", w.issuer.token())[0] == 200)
    finally:
        issuer.discovery = {}

    def signed(body, typ="token-introspection+jwt", **more):
        claims = {"aud": "gate way", "sub": None, "exp": None, "scope": None, "azp": None, "org_id": None, "token_introspection": body}
        return issuer.token(header={"typ": typ}, **{**claims, **more})
    for name in ("one", "two", "three", "four", "five", "plain"):
        registry.tokens[name] = {"sub": "user-7", "client_id": "cli", "scope": "read"}
    registry.sign = signed
    assert get(w, "/api/x", "one")[0] == 200
    assert registry.accepts == {"application/token-introspection+jwt, application/json;q=0.5"}
    assert reason(get(w, "/api/x", "unheard-of")) == (401, "token-inactive")
    answer = signed(dict(registry.tokens["one"], active=True))
    assert reason(get(w, "/api/x", answer)) == (401, "token-malformed")  # it is no token itself
    assert reason(get(w, "/api/x", signed({"active": True}, typ="JWT", exp=int(time.time()) + 600))) == (401, "token-malformed")

    def forged(body):
        head, claims, _ = signed(body).split(".")
        return f"{head}.{claims}.{issuer.token(sub='eve').split('.')[2]}"
    for name, sign, why in (("two", forged, "its signature is wrong"), ("three", lambda b: signed(b, aud="somebody"), "its aud"),
                            ("four", lambda b: signed(b, iss="https://else/"), "its iss"), ("five", lambda b: signed(b, typ="JWT"), "its typ")):
        registry.sign = sign
        assert reason(get(w, "/api/x", name)) == (503, "introspection-unavailable")
        wait_until(lambda: why in w.proxy.stderr)
    registry.sign = None
    assert get(w, "/api/x", "plain")[0] == 200


def test_userinfo_is_asked_with_the_token(make_world, registry):
    w = make_world(issuer_more=f', audience_missing: accept, opaque: {{by: userinfo, endpoint: "{registry.url}/userinfo"}}')
    registry.tokens["session-1"] = {"sub": "user-8", "scope": "read"}
    a = get(w, "/api/x", "session-1")
    assert a[0] == 200 and json.loads(a[2])["headers"]
    assert reason(get(w, "/api/x", "session-2")) == (401, "token-inactive")


def test_a_tunnel_ends_when_its_opaque_token_does(make_world, registry):
    w = make_world(issuer_more=introspection(registry), env={"INTROSPECTION_SECRET": SECRET},
                   routes="  - {name: tunnel, path: /tunnel/*, upstream: app, websocket: true, verify: {issuer: local}}")

    async def talk():
        registry.tokens["short"] = {"sub": "user-9", "exp": int(time.time()) + 3}
        more = {"Authorization": "Bearer short"}
        uri = f"wss://localhost:{w.port}/tunnel/ws"
        async with websocket(uri, ssl=tls_context(w.ca), headers=more) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(ws.recv(), 30)
    asyncio.run(talk())
    wait_until(lambda: '"tunnel-expired"' in (w.where / "access.jsonl").read_text())


def test_a_thousand_waiting_requests_for_ten_tokens_are_ten_questions(make_world, registry):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    w = make_world(issuer_more=introspection(registry), env={"INTROSPECTION_SECRET": SECRET},
                   routes="verification: {wait: 30s}")
    registry.delay = 2
    for i in range(10):
        registry.tokens[f"slow-{i}"] = {"sub": f"user-{i}", "scope": "write"}
    socks = []
    for i in range(1000):
        s = socket.create_connection(("127.0.0.1", w.plain), 60)
        s.sendall(f"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer slow-{i % 10}\r\n\r\n".encode())
        socks.append(s)
    for s in socks:  # known callers without the scope: the issuer was asked, the upstream is spared
        s.settimeout(60)
        assert s.recv(12) == b"HTTP/1.1 403"
        s.close()
    assert sum(registry.asked.values()) == 10


def test_a_fleet_asks_once_and_redis_learns_nothing(make_world, registry, redis):
    more = f'redis: {{servers: "redis://127.0.0.1:{redis.port}", {USERS}, budget: 500ms}}\n{SECRETS}'
    one, two = (make_world(issuer_more=introspection(registry), routes=more,
                           env=dict(FLEET, **PASSWORDS, INTROSPECTION_SECRET=SECRET)) for _ in range(2))
    for w in one, two:
        wait_until(lambda: metric(w, "redis_up") == 3, 20)
    registry.tokens["shared-token"] = {"sub": "user-secret-7", "scope": "read"}
    assert get(one, "/api/x", "shared-token")[0] == 200
    keys = wait_until(lambda: [k for k in redis.cli("--scan").split() if ":tok:" in k])
    for _ in range(3):
        assert get(two, "/api/x", "shared-token")[0] == 200
    assert registry.asked["shared-token"] == 1
    assert len(keys) == 1 and 0 < int(redis.cli("pttl", keys[0])) <= 3600000
    value = redis.cli("get", keys[0])
    assert "user-secret-7" not in value and "shared-token" not in value + keys[0]
    redis.cli("set", keys[0], "forged", "px", "100000")
    three = make_world(issuer_more=introspection(registry), routes=more, env=dict(FLEET, **PASSWORDS, INTROSPECTION_SECRET=SECRET))
    wait_until(lambda: metric(three, "redis_up") == 3, 20)
    assert get(three, "/api/x", "shared-token")[0] == 200
    assert registry.asked["shared-token"] == 2
