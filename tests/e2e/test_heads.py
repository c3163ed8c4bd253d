"""Heads as long as the operator allows pass whole, either way; longer ones are refused with a reason that says so."""
import shutil, tempfile, time
import httpx
import pytest
from house import connect, exchange, header, read_answer
from scripted import Scripted

OK = b"HTTP/1.1 200 OK\r\n"
COOKIE = "big=" + "".join(f"{i:08x}" for i in range(5 * 1024))  # 40 KiB, no two pieces alike
CRUMBS = [f"c{i}={i:04d}" + "x" * 4000 for i in range(10)]
COOKIES = [f"s{i}={i}" + "abcdef" * 1024 for i in range(5)]  # 6 KiB each
ANSWERS = {
    "cookies": OK + b"".join(b"Set-Cookie: %s\r\n" % c.encode() for c in COOKIES) + b"Content-Length: 2\r\n\r\nok",
    "one field": OK + b"X-One: " + b"v" * 60000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "many": OK + b"".join(b"X-N-%d: %d\r\n" % (i, i) for i in range(250)) + b"Content-Length: 2\r\n\r\nok",
    "early": (b"HTTP/1.1 103 Early Hints\r\nLink: </%s>\r\n\r\n" % (b"a" * 7000)) * 4 + OK + b"Content-Length: 2\r\n\r\nok",
    "too long": OK + b"X-One: " + b"v" * 70000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "too many": OK + b"".join(b"X-N-%d: %d\r\n" % (i, i) for i in range(350)) + b"Content-Length: 2\r\n\r\nok",
    "no end": OK + b"X-One: " + b"v" * 70000,
    "malformed": OK + b"X One: y\r\nX-Two: " + b"v" * 30000 + b"\r\n\r\n",
}
ROUTES = """
  - {name: said, path: /said/*, upstream: said, anonymous: true}
  - {name: asked, path: /asked/*, decide: true, anonymous: true}
  - {name: ask-nginx, path: /check/nginx, check: nginx}
  - {name: ask-envoy, path: /check/envoy/*, check: envoy}
trusted_proxies: [127.0.0.1]
"""
WIDE = "http: {head_max: 64KiB, answer_head_max: 64KiB, answer_headers_max: 300}\n"


def build(authority, issuer, more):
    from conftest import World

    def play(peer):
        while True:
            head, body = peer.request()
            if head is None:
                return
            heads.append((head, body))
            name = head.split(b" ")[1].rpartition(b"/")[2].decode().replace("-", " ")
            data = ANSWERS.get(name, OK + b"Content-Length: 2\r\n\r\nok")
            for at in range(0, len(data), 9000):
                peer.say(data[at:at + 9000])

    heads = []
    said = Scripted(play)
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, workers=1, routes=ROUTES + more,
              upstreams=f"  said: {{endpoints: [\"{said.url}\"]}}")
    w.heads = heads

    def close():
        w.close()
        said.close()
        shutil.rmtree(where, ignore_errors=True)
    return w, close


@pytest.fixture(scope="module")
def wide(authority, issuer):
    w, close = build(authority, issuer, WIDE)
    yield w
    close()


@pytest.fixture(scope="module")
def usual(authority, issuer):
    w, close = build(authority, issuer, "")
    yield w
    close()


def get(world, how, path, headers=()):
    """(status, headers as a list, body) by HTTP/1.1, plain or over TLS, or by HTTP/2."""
    world.heads.clear()
    if how == "h2":
        with httpx.Client(http2=True, verify=str(world.ca)) as client:
            a = client.get(f"https://localhost:{world.port}{path}", headers=list(headers))
            assert a.http_version == "HTTP/2"
            return a.status_code, a.headers.multi_items(), a.content
    with (connect(world.port, world.ca) if how == "tls" else connect(world.plain)) as s:
        a = exchange(s, "GET", path, headers)
        while a[0] == 103:
            a = read_answer(Before(s, a[3]))
        return a[:3]


class Before:
    """A socket of which some bytes were read already."""

    def __init__(self, sock, rest):
        self.sock, self.rest = sock, rest

    def recv(self, most):
        if self.rest:
            rest, self.rest = self.rest, b""
            return rest
        return self.sock.recv(most)


def cookies(head):
    return [x.split(b": ", 1)[1].decode() for x in head.split(b"\r\n") if x.lower().startswith(b"cookie:")]


WIRES = ["plain", "tls", "h2"]


@pytest.mark.parametrize("how", WIRES)
def test_a_long_cookie_passes_whole(wide, how):
    assert get(wide, how, "/said/x", [("Cookie", COOKIE)])[0] == 200
    assert cookies(wide.heads[0][0]) == [COOKIE]
    assert get(wide, how, "/said/x", [("X-One", "v" * 60000)])[0] == 200
    assert b": " + b"v" * 60000 + b"\r\n" in wide.heads[0][0]


def test_a_long_cookie_in_pieces_is_joined(wide):
    assert get(wide, "h2", "/said/x", [("Cookie", c) for c in CRUMBS])[0] == 200
    assert cookies(wide.heads[0][0]) == ["; ".join(CRUMBS)]


def test_a_long_head_may_come_slowly_and_others_behind_it(wide):
    wide.heads.clear()
    head = f"POST /said/x HTTP/1.1\r\nHost: localhost\r\nCookie: {COOKIE}\r\nContent-Length: 5\r\n\r\nhello".encode()
    with connect(wide.plain) as s:
        for at in range(0, len(head), 5000):
            s.sendall(head[at:at + 5000])
            time.sleep(0.01)
        a = read_answer(s)
        assert a[0] == 200 and a[3] == b""
        s.sendall(head * 3)
        rest = b""
        for _ in range(3):
            a = read_answer(Before(s, rest))
            assert a[0] == 200 and a[2] == b"ok"
            rest = a[3]
    assert [(cookies(h), b) for h, b in wide.heads] == [([COOKIE], b"hello")] * 4


@pytest.mark.parametrize("how", WIRES)
def test_a_longer_request_head_is_too_big(wide, usual, how):
    for world, size in ((wide, 66000), (usual, 20000)):
        a = get(world, how, "/said/x", [("Cookie", "c=" + "v" * size)])
        assert (a[0], header(a, "sallyport-reason")) == (431, "head-too-big") and not world.heads


@pytest.mark.parametrize("how", WIRES)
def test_an_answer_with_a_long_head_passes_whole(wide, how):
    a = get(wide, how, "/said/cookies")
    assert a[0] == 200 and a[2] == b"ok"
    assert [v for k, v in a[1] if k.lower() == "set-cookie"] == COOKIES
    a = get(wide, how, "/said/many")
    assert a[0] == 200 and a[2] == b"ok"
    assert [v for k, v in a[1] if k.lower().startswith("x-n-")] == [str(i) for i in range(250)]
    a = get(wide, how, "/said/early")
    assert a[0] == 200 and a[2] == b"ok"
    if how != "h2":  # of httpx' HTTP/2 no more than 64 KiB are taken, ours among them
        a = get(wide, how, "/said/one-field")
        assert a[0] == 200 and header(a, "x-one") == "v" * 60000 and a[2] == b"ok"


@pytest.mark.parametrize("how", WIRES)
def test_an_answer_over_the_bounds_says_so(wide, usual, how):
    for world, names in ((wide, ("too-long", "too-many", "no-end")), (usual, ("cookies", "many", "no-end"))):
        for name in names:
            a = get(world, how, f"/said/{name}")
            assert (a[0], header(a, "sallyport-reason")) == (502, "upstream-head-too-big"), name
        for _ in range(10):  # nor is its endpoint taken for a sick one
            assert get(world, how, "/said/cookies" if world is wide else "/said/x")[0] == 200
    for world in (wide, usual):
        a = get(world, how, "/said/malformed")
        assert (a[0], header(a, "sallyport-reason")) == (502, "upstream-nonsense")


@pytest.mark.parametrize("how", WIRES)
def test_both_heads_may_be_long_at_once(wide, how):
    sent = [("Cookie", c) for c in CRUMBS] if how == "h2" else [("Cookie", COOKIE)]
    a = get(wide, how, "/said/cookies", sent + [("X-Two", "w" * 20000)])
    assert a[0] == 200 and [v for k, v in a[1] if k.lower() == "set-cookie"] == COOKIES
    assert len(cookies(wide.heads[0][0])) == 1


@pytest.mark.parametrize("how", WIRES)
def test_a_question_may_have_a_long_head(wide, usual, how):
    described = [("X-Original-URL", "https://localhost/asked/x"), ("X-Original-Method", "GET"), ("X-Forwarded-For", "192.0.2.7")]
    for path, more in (("/check/nginx", described), ("/check/envoy/asked/x", described[2:3])):
        assert get(wide, how, path, more + [("Cookie", COOKIE)])[::2] == (200, b""), path
        assert get(wide, how, path, more + [("Cookie", "c=1")])[0] == 200
        a = get(usual, how, path, more + [("Cookie", COOKIE)])
        assert header(a, "sallyport-reason") == "head-too-big" and a[0] < 500, path
