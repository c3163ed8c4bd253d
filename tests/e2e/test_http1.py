import json, socket, time
import pytest
from house import BINARY, connect, exchange, header, must, read_answer, run


def test_curl_gets_an_answer_over_http1_and_http2(world):
    for flag, version in (("--http1.1", "1.1"), ("--http2", "2")):
        out = must("curl", "-sS", flag, "--cacert", world.ca, "-w", "%{http_version} %{http_code}",
                   f"https://localhost:{world.port}/open/hello")
        assert out == f"hello{version} 200"


def test_what_the_upstream_gets(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "GET", "/open/a/../b//c%41?x=1&y", [("X-Mine", "v"), ("Connection", "x-hop"), ("X-Hop", "gone"),
                                                        ("Sallyport-Subject", "root"), ("Sallyport_Class", "x"),
                                                        ("X-Forwarded-For", "1.2.3.4"), ("x_forwarded_for", "9.9.9.9")])
    assert a[0] == 200
    seen = json.loads(a[2])
    got = {k.lower(): v for k, v in seen["headers"]}
    assert seen["path"] == "/open/b/cA?x=1&y"
    assert got["x-mine"] == "v"
    assert "x-hop" not in got and "sallyport_class" not in got and got["sallyport-subject"] == ""
    assert "x_forwarded_for" not in got
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "https"
    assert got["forwarded"].startswith("for=127.0.0.1;proto=https")
    assert got["via"].endswith("1.1 sallyport")
    assert got["sallyport-verdict"] == "none" and got["sallyport-class"] == "human"
    assert len(got["traceparent"]) == 55
    assert got["host"] == "localhost"


def test_protected_fields_cannot_be_nominated_away(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "GET", "/open/x", [("Connection", "authorization, cookie, host, forwarded, sallyport-class"),
                                       ("Authorization", "Bearer t"), ("Cookie", "a=b")])
    got = {k.lower(): v for k, v in json.loads(a[2])["headers"]}
    assert got["authorization"] == "Bearer t" and got["cookie"] == "a=b" and got["host"] == "localhost"
    assert "forwarded" in got and "sallyport-class" in got


def test_a_post_with_length_and_one_in_chunks(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "POST", "/open/echo", body=b"x" * 100000)
    assert a[0] == 200 and len(json.loads(a[2])["body"]) == 100000
    s.sendall(b"POST /open/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
              b"3\r\nabc\r\n4;e=1\r\ndefg\r\n0\r\nX-T: 1\r\nSallyport-Subject: root\r\n\r\n")
    a = read_answer(s)
    seen = json.loads(a[2])
    assert seen["body"] == "abcdefg" and seen["trailers"] == ["X-T: 1"]


def test_pipelined_requests_are_answered_in_order(world):
    s = connect(world.port, world.ca)
    s.sendall(b"".join(b"GET /open/n%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % i for i in range(20)))
    rest = b""
    got = []
    while len(got) < 20:
        if b"\r\n\r\n" not in rest:
            rest += s.recv(65536)
            continue
        head, _, rest = rest.partition(b"\r\n\r\n")
        n = int([x for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")][0].split(b":")[1])
        while len(rest) < n:
            rest += s.recv(65536)
        got.append(json.loads(rest[:n])["path"])
        rest = rest[n:]
    assert got == [f"/open/n{i}" for i in range(20)]


def test_expect_continue_is_answered_by_us(world):
    s = connect(world.port, world.ca)
    s.sendall(b"POST /open/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    a = read_answer(s)
    assert a[0] == 100
    s.sendall(b"hello")
    a = read_answer(s)
    assert a[0] == 200 and json.loads(a[2])["body"] == "hello"


def test_head_has_the_length_and_no_body(world):
    s = connect(world.port, world.ca)
    s.sendall(b"HEAD /open/hello HTTP/1.1\r\nHost: localhost\r\n\r\nGET /open/hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    while data.count(b"HTTP/1.1 200") < 2 or not data.endswith(b"hello"):
        piece = s.recv(65536)
        assert piece
        data += piece
    first, second = data.split(b"HTTP/1.1 200")[1:]
    assert b"Content-Length: 5" in first and b"hello" not in first and second.endswith(b"hello")


def test_a_chunked_answer_with_trailers_arrives_as_it_is_made(world):
    s = connect(world.port, world.ca)
    s.sendall(b"GET /open/chunked HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    while not data.endswith(b"\r\n\r\n") or b"\r\n0\r\n" not in data:
        data += s.recv(65536)
    assert b"part0" in data and b"part2" in data and b"X-Sum: 42" in data


def test_an_answer_that_ends_with_the_connection(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "GET", "/open/until-close")
    assert a[0] == 200 and a[2] == b"all of it"
    s.sendall(b"GET /open/until-close HTTP/1.0\r\n\r\n")
    data = b""
    while piece := s.recv(65536):
        data += piece
    assert data.endswith(b"all of it") and b"chunked" not in data.lower()


def test_an_answer_cut_in_the_middle_is_not_made_whole(world):
    world.origin.fail["/open/cut"] = "cut"
    s = connect(world.port, world.ca)
    s.sendall(b"GET /open/cut HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except OSError:
        pass
    assert b"Content-Length: 100" in data and len(data.split(b"\r\n\r\n")[1]) < 100


def test_an_early_answer_reaches_a_client_that_is_still_sending(world):
    world.origin.fail["/open/early"] = "early"
    s = connect(world.port, world.ca)
    s.sendall(b"POST /open/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000\r\n\r\n" + b"x" * 20000)
    a = read_answer(s)
    assert a[0] == 413


def test_bodies_over_the_routes_limit_are_refused(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "POST", "/small/x", body=b"y" * 2000)
    assert a[0] == 413 and header(a, "sallyport-reason") == "body-too-big"
    s = connect(world.port, world.ca)
    s.sendall(b"POST /small/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
              b"400\r\n" + b"y" * 1024 + b"\r\n400\r\n" + b"y" * 1024 + b"\r\n0\r\n\r\n")
    assert read_answer(s)[0] == 413


def test_routes_deny_redirect_methods_and_nothing_by_omission(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "GET", "/admin/x")
    assert a[0] == 403 and header(a, "sallyport-reason") == "denied"
    a = exchange(s, "GET", "/old/x?y=1")
    assert a[0] == 308 and header(a, "location") == "/open/old/x?y=1"
    a = exchange(s, "POST", "/get/x")
    assert a[0] == 405 and header(a, "allow") == "GET, HEAD"
    a = exchange(s, "GET", "/nowhere")
    assert a[0] == 503 and header(a, "cache-control") == "no-store" and header(a, "retry-after")
    assert header(a, "sallyport-reason") == "no-route"
    problem = json.loads(a[2])
    assert header(a, "content-type") == "application/problem+json" and problem["status"] == 503
    a = exchange(s, "GET", "/nowhere", [("Accept", "text/html,*/*;q=0.8")])
    assert header(a, "content-type").startswith("text/html") and b"no-route" in a[2]


ATTACKS = {
    "both lengths": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "listed length": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nhello",
    "signed length": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
    "huge length": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
    "bare LF": b"GET /open/x HTTP/1.1\nHost: localhost\n\n",
    "bare CR": b"GET /open/x HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
    "obs-fold": b"GET /open/x HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "NUL": b"GET /open/x HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "space before colon": b"GET /open/x HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n",
    "no Host": b"GET /open/x HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /open/x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "contradicted Host": b"GET https://other.example.com/open/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /open/x\r\n\r\n",
    "encoded slash": b"GET /open/%2fx HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "encoded NUL": b"GET /open/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "backslash": b"GET /open/\\x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "above the root": b"GET /../../etc HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "chunk size with sign": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk size overflow": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk without CRLF": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
    "long chunk extension": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "chunked, chunked": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST /open/x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "framing trailer": b"POST /open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_ambiguous_requests_are_refused_and_the_connection_closed(world, name):
    marker = b"GET /open/SMUGGLED HTTP/1.1\r\nHost: localhost\r\n\r\n"
    s = connect(world.port, world.ca)
    s.sendall(ATTACKS[name] + marker)
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except OSError:
        pass
    status = int(data.split(b" ")[1])
    assert status in (400, 501, 505), data
    assert data.count(b"HTTP/1.1 ") == 1, data
    assert b"connection: close" in data.lower()
    assert not any("SMUGGLED" in path for _, path, _, _ in world.origin.requests)


def test_h2c_upgrade_is_stripped(world):
    s = connect(world.port, world.ca)
    a = exchange(s, "GET", "/open/x", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                       ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    got = {k.lower() for k, _ in json.loads(a[2])["headers"]}
    assert a[0] == 200 and "upgrade" not in got and "http2-settings" not in got


def test_a_slow_head_gets_408(make_world):
    w = make_world(routes="timeouts: {header: 300ms, idle: 2s}")
    s = connect(w.port, w.ca)
    s.sendall(b"GET /open/x HTT")
    assert read_answer(s)[0] == 408


def test_plain_listener_serves_too(world):
    a = exchange(connect(world.plain), "GET", "/open/x")
    assert a[0] == 200 and {k.lower(): v for k, v in json.loads(a[2])["headers"]}["x-forwarded-proto"] == "http"


def test_a_gigabyte_up_and_down_keeps_the_worker_small(make_world):
    w = make_world(workers=1)
    size = 1 << 30

    def rss():
        worst = 0
        for pid in w.proxy.children():
            text = open(f"/proc/{pid}/smaps_rollup").read() if __import__("os").path.exists(f"/proc/{pid}/smaps_rollup") else ""
            kb = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))
            worst = max(worst, kb)
        return worst
    s = connect(w.port, w.ca)
    s.sendall(f"GET /open/bytes?n={size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    time.sleep(0.5)          # the slow reader: all of it waits in buffers
    assert rss() < 32 * 1024
    got, buffer = 0, bytearray(1 << 20)
    head = s.recv(65536)
    got = len(head.split(b"\r\n\r\n", 1)[1])
    most = 0
    while got < size:
        n = s.recv_into(buffer)
        assert n
        got += n
        if got % (64 << 20) < n:
            most = max(most, rss())
    s.sendall(f"POST /open/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
    piece, left = b"u" * (1 << 20), size
    while left:
        s.sendall(piece)
        left -= len(piece)
        if left % (64 << 20) == 0:
            most = max(most, rss())
    assert read_answer(s)[2] == str(size).encode()
    assert most < 32 * 1024, f"{most} KiB"
