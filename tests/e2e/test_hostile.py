"""Requests that two parsers could read differently: each has its defined answer, the connection ends, and no byte of
what follows reaches an upstream. The upstream here is heard byte by byte."""
import json, re, socket, time
import pytest
from house import connect, exchange, read_answer, wait_until
from scripted import Scripted

SMUGGLED = b"GET /raw/SMUGGLED HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(*fields, line=b"POST /raw/x HTTP/1.1", host=b"Host: localhost"):
    return b"\r\n".join([line] + ([host] if host else []) + list(fields)) + b"\r\n\r\n"


def coded(value, body=b"0\r\n\r\n", name=b"Transfer-Encoding: "):
    return head(name + value) + body


def chunks(body):
    return head(b"Transfer-Encoding: chunked") + body


FRAMING = {
    "CL.TE": (head(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\nG", 400),
    "TE.CL": (head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"5c\r\nG", 400),
    "two codings": (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "two codings, one hidden": (head(b"Transfer-Encoding: x", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "coding and identity": (coded(b"chunked, identity"), 400),
    "identity first": (coded(b"identity, chunked"), 501),
    "identity": (coded(b"identity"), 501),
    "gzip then chunked": (coded(b"gzip, chunked"), 501),
    "xchunked": (coded(b"xchunked"), 501),
    "quoted coding": (coded(b'"chunked"'), 400),
    "coding with parameter": (coded(b"chunked;q=1"), 400),
    "coding with a comma": (coded(b"chunked,"), 400),
    "empty coding": (coded(b""), 400),
    "vertical tab before the coding": (coded(b"\x0bchunked"), 400),
    "form feed behind the coding": (coded(b"chunked\x0c"), 400),
    "NUL in the coding": (coded(b"chunked\0"), 400),
    "CR before the coding": (coded(b"\rchunked"), 400),
    "folded coding": (head(b"Transfer-Encoding:", b" chunked") + b"0\r\n\r\n", 400),
    "tab before the colon": (coded(b"chunked", name=b"Transfer-Encoding\t: "), 400),
    "space before the name": (head(b" Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "space before the first field": (head(b"X: y", host=b" Host: localhost"), 400),
    "coding in 1.0": (head(b"Transfer-Encoding: chunked", line=b"POST /raw/x HTTP/1.0") + b"0\r\n\r\n", 400),
    "chunked in 1.0 with keep-alive": (head(b"Connection: keep-alive", b"Transfer-Encoding: chunked",
                                            line=b"POST /raw/x HTTP/1.0") + b"0\r\n\r\n", 400),
    "lengths that differ": (head(b"Content-Length: 0", b"Content-Length: 5") + b"hello", 400),
    "lengths that agree": (head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", 400),
    "length list": (head(b"Content-Length: 5, 5") + b"hello", 400),
    "length with sign": (head(b"Content-Length: +5") + b"hello", 400),
    "negative length": (head(b"Content-Length: -5") + b"hello", 400),
    "hexadecimal length": (head(b"Content-Length: 0x5") + b"hello", 400),
    "length with underscore": (head(b"Content-Length: 1_0") + b"hello", 400),
    "length with a space inside": (head(b"Content-Length: 5 5") + b"hello", 400),
    "fractional length": (head(b"Content-Length: 5.0") + b"hello", 400),
    "empty length": (head(b"Content-Length:") + b"hello", 400),
    "length over 2^63": (head(b"Content-Length: 9223372036854775808") + b"hello", 400),
    "length over 2^64": (head(b"Content-Length: 18446744073709551621") + b"hello", 400),
    "GET with two lengths": (head(b"Content-Length: 0", b"Content-Length: 40", line=b"GET /raw/x HTTP/1.1"), 400),
}
CHUNKS = {
    "size with 0x": (chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    "size with plus": (chunks(b"+5\r\nhello\r\n0\r\n\r\n"), 400),
    "size with minus": (chunks(b"-5\r\nhello\r\n0\r\n\r\n"), 400),
    "size with underscore": (chunks(b"1_0\r\nhello\r\n0\r\n\r\n"), 400),
    "space before the size": (chunks(b" 5\r\nhello\r\n0\r\n\r\n"), 400),
    "space behind the size": (chunks(b"5 \r\nhello\r\n0\r\n\r\n"), 400),
    "no size": (chunks(b"\r\nhello\r\n0\r\n\r\n"), 400),
    "extension without a size": (chunks(b";x\r\nhello\r\n0\r\n\r\n"), 400),
    "size over 2^64": (chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    "size over 2^63": (chunks(b"8000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    "size of a thousand zeros": (chunks(b"0" * 2000 + b"5\r\nhello\r\n0\r\n\r\n"), 400),
    "bare LF behind the size": (chunks(b"5\nhello\r\n0\r\n\r\n"), 400),
    "bare CR behind the size": (chunks(b"5\rhello\r\n0\r\n\r\n"), 400),
    "LF in an extension": (chunks(b"5;a\nhello\r\n0\r\n\r\n"), 400),
    "CR in an extension": (chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), 400),
    "NUL in an extension": (chunks(b"5;\0\r\nhello\r\n0\r\n\r\n"), 400),
    "an extension of 2 KiB": (chunks(b"5;" + b"a" * 2048 + b"\r\nhello\r\n0\r\n\r\n"), 400),
    "extensions of 2 KiB in all": (chunks((b"1;" + b"a" * 100 + b"\r\nx\r\n") * 20 + b"0\r\n\r\n"), 400),
    "data longer than its size": (chunks(b"5\r\nhelloX\r\n0\r\n\r\n"), 400),
    "bare LF behind the data": (chunks(b"5\r\nhello\n0\r\n\r\n"), 400),
    "bare LF at the end": (chunks(b"5\r\nhello\r\n0\r\n\n"), 400),
    "trailer with a length": (chunks(b"0\r\nContent-Length: 40\r\n\r\n"), 400),
    "trailer with a coding": (chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
    "trailer with Host": (chunks(b"0\r\nHost: other.example.com\r\n\r\n"), 400),
    "trailer with a credential": (chunks(b"0\r\nAuthorization: Bearer x\r\n\r\n"), 400),
    "trailer with Cookie": (chunks(b"0\r\nCookie: a=b\r\n\r\n"), 400),
    "trailer with a space before its colon": (chunks(b"0\r\nX : y\r\n\r\n"), 400),
    "folded trailer": (chunks(b"0\r\nX: y\r\n z\r\n\r\n"), 400),
    "bare LF in a trailer": (chunks(b"0\r\nX: y\nZ: 1\r\n\r\n"), 400),
    "a trailer section of 2 KiB": (chunks(b"0\r\n" + b"X: yyyyyyyyyy\r\n" * 200 + b"\r\n"), 400),
}
LINES = {
    "bare LF": (b"GET /raw/x HTTP/1.1\nHost: localhost\n\n", 400),
    "one bare LF": (b"GET /raw/x HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400),
    "bare CR in a value": (head(b"X: a\rb"), 400),
    "bare CR for a line end": (b"GET /raw/x HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n", 400),
    "NUL in a value": (head(b"X: a\0b"), 400),
    "NUL in a name": (head(b"X\0: a"), 400),
    "obs-fold": (head(b"X: a", b" b"), 400),
    "no colon": (head(b"X"), 400),
    "empty name": (head(b": a"), 400),
    "a name with a bracket": (head(b"X(y): a"), 400),
    "a name of Latin-1": (head(b"X\xe9: a"), 400),
    "space before the colon": (head(b"Host : other.example.com"), 400),
    "two spaces in the line": (head(line=b"GET  /raw/x HTTP/1.1"), 400),
    "tab in the line": (head(line=b"GET\t/raw/x HTTP/1.1"), 400),
    "space in the target": (head(line=b"GET /raw/x y HTTP/1.1"), 400),
    "HTTP/0.9": (b"GET /raw/x\r\n\r\n", 400),
    "HTTP/1.2": (head(line=b"GET /raw/x HTTP/1.2"), 505),
    "HTTP/2.0": (head(line=b"GET /raw/x HTTP/2.0"), 505),
    "HTTP/01.1": (head(line=b"GET /raw/x HTTP/01.1"), 400),
    "http/1.1": (head(line=b"GET /raw/x http/1.1"), 400),
    "the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a TLS hello": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400),
    "CONNECT": (head(line=b"CONNECT localhost:443 HTTP/1.1"), 501),
    "a fragment": (head(line=b"GET /raw/x#y HTTP/1.1"), 400),
    "two empty lines": (b"\r\n\r\n" + head(), 400),
    "a head over 16 KiB": (head(b"X: " + b"a" * 20000), 431),
    "a target over 8 KiB": (head(line=b"GET /raw/" + b"a" * 9000 + b" HTTP/1.1"), 414),
    "two hundred fields": (head(*[b"X: y"] * 200), 431),
    "a hundred names in Connection": (head(b"Connection: " + b",".join(b"x%d" % i for i in range(100))), 400),
}
HOSTS = {
    "no Host": (head(host=None), 400),
    "empty Host": (head(host=b"Host:"), 400),
    "two Hosts": (head(b"Host: localhost"), 400),
    "two different Hosts": (head(b"Host: other.example.com"), 400),
    "a list in Host": (head(host=b"Host: localhost, other.example.com"), 400),
    "userinfo in Host": (head(host=b"Host: a@localhost"), 400),
    "path in Host": (head(host=b"Host: localhost/x"), 400),
    "port over 65535": (head(host=b"Host: localhost:65536"), 400),
    "a colon alone": (head(host=b"Host: :"), 400),
    "space in Host": (head(host=b"Host: local host"), 400),
    "absolute form against Host": (head(line=b"GET http://other.example.com/raw/x HTTP/1.1"), 400),
    "absolute form against the port": (head(line=b"GET http://localhost:81/raw/x HTTP/1.1"), 400),
    "absolute form with userinfo": (head(line=b"GET http://u@localhost/raw/x HTTP/1.1"), 400),
    "absolute form of another scheme": (head(line=b"GET ftp://localhost/raw/x HTTP/1.1"), 400),
    "authority form": (head(line=b"GET localhost:80 HTTP/1.1"), 400),
    "no leading slash": (head(line=b"GET raw/x HTTP/1.1"), 400),
}
PATHS = {
    "encoded slash": (head(line=b"GET /raw/%2fx HTTP/1.1"), 400),
    "encoded backslash": (head(line=b"GET /raw/%5cx HTTP/1.1"), 400),
    "encoded NUL": (head(line=b"GET /raw/%00 HTTP/1.1"), 400),
    "encoded CR LF": (head(line=b"GET /raw/%0d%0aX:%20y HTTP/1.1"), 400),
    "backslash": (head(line=b"GET /raw/\\..\\admin HTTP/1.1"), 400),
    "half an escape": (head(line=b"GET /raw/%4 HTTP/1.1"), 400),
    "no escape at all": (head(line=b"GET /raw/%zz HTTP/1.1"), 400),
    "dots and a parameter": (head(line=b"GET /raw/..;/admin HTTP/1.1"), 400),
    "dots and an encoded parameter": (head(line=b"GET /raw/..%3b/admin HTTP/1.1"), 400),
    "above the root": (head(line=b"GET /../raw/x HTTP/1.1"), 400),
    "above the root by escapes": (head(line=b"GET /%2e%2E/raw/x HTTP/1.1"), 400),
}
TABLE = {**FRAMING, **CHUNKS, **LINES, **HOSTS, **PATHS}


@pytest.fixture(scope="module")
def raw(authority, issuer):
    import shutil, tempfile
    from conftest import World
    origin = Scripted()
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, workers=1, upstreams=f'  raw: {{endpoints: ["{origin.url}"]}}',
              routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}")
    w.raw = origin
    yield w
    w.close()
    origin.close()
    shutil.rmtree(where, ignore_errors=True)


def answers(data):
    return len(re.findall(rb"HTTP/1\.1 \d\d\d ", data))


def everything(s):
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except OSError:
        pass
    return data


@pytest.mark.parametrize("name", TABLE)
def test_an_ambiguous_request_is_answered_closed_and_nothing_behind_it_is_read(raw, name):
    data, status = TABLE[name]
    s = connect(raw.plain)
    s.sendall(data + SMUGGLED)
    got = everything(s)
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:200]
    assert answers(got) == 1 and b"connection: close" in got.lower()
    assert b"SMUGGLED" not in raw.raw.heard
    assert exchange(connect(raw.plain), "GET", "/raw/after")[0] == 200  # nothing was left in the pool


@pytest.mark.parametrize("name", TABLE)
def test_the_same_request_byte_by_byte_and_behind_a_good_one(raw, name):
    data, status = TABLE[name]
    s = connect(raw.plain)
    s.sendall(b"GET /raw/good HTTP/1.1\r\nHost: localhost\r\n\r\n" + data[:7])
    a = read_answer(s)
    assert a[0] == 200
    for at in range(7, min(len(data), 400)):
        try:
            s.sendall(data[at:at + 1])
        except OSError:
            break
    else:
        try:
            s.sendall(data[400:] + SMUGGLED)
        except OSError:
            pass
    got = a[3] + everything(s)
    assert got.startswith(b"HTTP/1.1 %d " % status) or (not got and len(data) > 400), got[:200]
    assert answers(got) <= 1
    assert b"SMUGGLED" not in raw.raw.heard


def test_bodies_on_get_and_delete_are_framed_for_the_upstream(raw):
    s = connect(raw.plain)
    for method in ("GET", "DELETE", "OPTIONS", "X-OWN"):
        assert exchange(s, method, "/raw/body", body=SMUGGLED)[0] == 200
    assert raw.raw.heard.count(b"Content-Length: %d\r\n" % len(SMUGGLED)) == 4
    assert raw.raw.heard.count(SMUGGLED) == 4  # as content
    paths = [x.split(b" ")[1] for p in raw.raw.peers for x in p.heard.split(b"\r\n") if x.endswith(b" HTTP/1.1")]
    assert paths.count(b"/raw/body") == 4


def test_an_unknown_expectation_is_417_and_costs_no_connection(raw):
    s = connect(raw.plain)
    a = exchange(s, "POST", "/raw/x", [("Expect", "200-maybe")])
    assert a[0] == 417
    assert exchange(s, "GET", "/raw/x")[0] == 200


def test_one_empty_line_before_a_request_is_forgiven(raw):
    s = connect(raw.plain)
    s.sendall(b"\r\nGET /raw/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read_answer(s)[0] == 200


def test_an_absolute_form_that_agrees_is_taken_and_sent_on_as_a_path(raw):
    s = connect(raw.plain)
    s.sendall(b"GET http://LOCALHOST:80/raw/absolute?q HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read_answer(s)[0] == 200
    assert b"GET /raw/absolute?q HTTP/1.1\r\n" in raw.raw.heard


def test_spoofed_fields_reach_no_upstream_in_any_spelling_or_trailer(raw):
    spoofed = [a + s + b for s in "-_." for a, b in (("Sallyport", "Subject"), ("sAllyport", "Verdict"),
                                                     ("Sallyport", "Made_up"))]
    spoofed += ["X_Forwarded_For", "X-Forwarded.For", "X.Real_IP", "X_Forwarded-Proto", "X-Forwarded-Anything",
                "X-Forwarded-For", "X-Real-IP"]
    s = connect(raw.plain)
    lines = [f"{name}: spoofed-value" for name in spoofed]
    s.sendall(("POST /raw/spoof HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nProxy: spoofed-value\r\n" +
               "".join(x + "\r\n" for x in lines) + "\r\n2\r\nok\r\n0\r\nX-Mine: kept\r\n" +
               "".join(x + "\r\n" for x in lines) + "\r\n").encode())
    heard = lambda: [p.heard for p in raw.raw.peers if b"/raw/spoof" in p.heard]
    wait_until(lambda: heard() and b"X-Mine: kept" in heard()[0])
    assert b"spoofed-value" not in heard()[0]
    s.close()


def test_fields_that_a_route_sets_or_removes_come_from_no_client_in_any_spelling(make_world):
    w = make_world(routes="""  - {name: marked, path: /marked/*, upstream: app, anonymous: true,
     request_headers: {set: {X-Partner: "yes"}, remove: [X-Internal]}}""")
    names = ["X-Partner", "X_Partner", "x.partner", "X-Internal", "X_INTERNAL", "x.internal"]
    s = connect(w.plain)
    s.sendall(("POST /marked/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" +
               "".join(f"{n}: spoofed\r\n" for n in names) + "\r\n0\r\nX-Mine: kept\r\n" +
               "".join(f"{n}: spoofed\r\n" for n in names) + "\r\n").encode())
    seen = json.loads(read_answer(s)[2])
    assert [v for n, v in seen["headers"] if n in names] == ["yes"] and "spoofed" not in str(seen)
    assert seen["trailers"] == ["X-Mine: kept"]


def test_who_speaks_no_tls_and_goes_on_sending_is_not_listened_to(world):
    with socket.create_connection(("127.0.0.1", world.port), 10) as s:
        s.sendall(b"SSH-2.0-client\r\n")
        assert s.recv(1) == b"\x15"  # an alert
        sent, end = 0, time.monotonic() + 30
        with pytest.raises(OSError):
            while sent < 1 << 30 and time.monotonic() < end:
                sent += s.send(bytes(1 << 16))
        assert sent < 64 << 20
