import json, os, socket, ssl, subprocess, time
import pytest
from house import BINARY, connect, exchange, free_port, header, read_answer, run, tls_context, wait_until


def seen(a):
    return {k.lower(): v for k, v in json.loads(a[2])["headers"]}


@pytest.fixture(scope="module")
def edge(authority, issuer):
    import shutil, tempfile
    from conftest import World
    authority.issue("other", ["DNS:other.test"])
    authority.issue("secure", ["DNS:secure.test"])
    authority.issue("robot", [], "clientAuth")
    where = tempfile.mkdtemp(prefix="sp-")
    proxy, mutual = free_port(), free_port()
    w = World(where, authority, issuer, workers=1, listeners=f"""
  - address: 127.0.0.1:{proxy}
    tls: {{certificates: [{{chain: {authority.where}/server.pem, key: {authority.where}/server.key}}]}}
    proxy_protocol: {{accept: any, from: [127.0.0.1/32]}}
  - address: 127.0.0.1:{mutual}
    tls:
      certificates:
        - {{chain: {authority.where}/server.pem, key: {authority.where}/server.key}}
        - {{chain: {authority.where}/other.pem, key: {authority.where}/other.key}}
        - {{chain: {authority.where}/secure.pem, key: {authority.where}/secure.key}}
      client_ca: {authority.ca}
      client_certificate: required
      client_hosts: [secure.test]
trusted_proxies: [127.0.0.2/32, 10.0.0.0/8]
""")
    w.proxy_port, w.mutual = proxy, mutual
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def after_proxy_header(w, head, name="localhost"):
    raw = socket.create_connection(("127.0.0.1", w.proxy_port), 5)
    raw.settimeout(5)
    raw.sendall(head)
    return tls_context(w.ca).wrap_socket(raw, server_hostname=name)


def test_proxy_protocol_v1_and_v2_name_the_client(edge):
    s = after_proxy_header(edge, b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n")
    assert seen(exchange(s, "GET", "/open/x"))["x-forwarded-for"] == "203.0.113.9"
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 8, 192, 0, 2, 1]) + b"\x15\xb3\x01\xbb"
    s = after_proxy_header(edge, v2)
    assert seen(exchange(s, "GET", "/open/x"))["x-forwarded-for"] == "203.0.113.8"


V2 = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = bytes([203, 0, 113, 8, 192, 0, 2, 1]) + b"\x15\xb3\x01\xbb"


def v2(command, family, addresses):
    return V2 + bytes([0x20 | command, family]) + len(addresses).to_bytes(2, "big") + addresses


@pytest.mark.parametrize("head,client", [
    (v2(1, 0x11, FOUR + b"\x01\0\x02h2\x02\0\x0bexample.com\x04\0\x04\0\0\0\0"), "203.0.113.8"),
    (v2(1, 0x11, FOUR + b"\x04\x0f\x00" + b"\0" * 3840), "203.0.113.8"),
    (v2(1, 0x21, bytes.fromhex("20010db8" + "0" * 23 + "9") + bytes(16) + b"\x15\xb3\x01\xbb"), "2001:db8::9"),
    (v2(0, 0x11, FOUR), "127.0.0.1"),
    (v2(0, 0, b""), "127.0.0.1"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 443\r\n", "2001:db8::7")])
def test_every_form_of_the_proxy_header_is_read_and_what_follows_is_tls(edge, head, client):
    got = seen(exchange(after_proxy_header(edge, head), "GET", "/open/x"))
    assert got["x-real-ip"] == client
    assert got["x-forwarded-port"] == ("443" if client not in ("127.0.0.1",) else str(edge.proxy_port))


@pytest.mark.parametrize("head", [
    b"PROXY TCP4 203.0.113.9 192.0.2.1 5555\r\n", b"PROXY TCP4 203.0.113.999 192.0.2.1 5555 443\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 70000\r\n", b"PROXY TCP4 203.0.113.9  192.0.2.1 5555 443\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\n", b"PROXY " + b"x" * 200, b"proxy UNKNOWN\r\n",
    v2(1, 0x11, FOUR[:8]), v2(2, 0x11, FOUR), V2 + b"\x11\x11\0\x0c" + FOUR, V2 + b"\x21\x11\xff\xff" + FOUR,
    v2(1, 0x12, FOUR), V2[:-1] + b"X\x21\x11\0\x0c" + FOUR])
def test_a_malformed_proxy_header_closes_the_connection_without_a_word(edge, head):
    s = socket.create_connection(("127.0.0.1", edge.proxy_port), 5)
    s.settimeout(5)
    s.sendall(head)
    try:
        assert s.recv(100) == b""
    except ConnectionResetError:
        pass


def test_a_proxy_header_in_pieces_is_waited_for(edge):
    for head in (b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n", v2(1, 0x11, FOUR + b"\x04\0\x04\0\0\0\0")):
        s = socket.create_connection(("127.0.0.1", edge.proxy_port), 5)
        s.settimeout(5)
        for at in range(len(head)):
            s.sendall(head[at:at + 1])
            time.sleep(0.001)
        s = tls_context(edge.ca).wrap_socket(s, server_hostname="localhost")
        assert exchange(s, "GET", "/open/x")[0] == 200


def test_what_a_trusted_proxy_says_of_host_port_and_scheme_goes_on(edge):
    said = [("X-Forwarded-Host", "shop.example.com"), ("X-Forwarded-Port", "444"), ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-For", "198.51.100.7")]
    got = seen(exchange(connect(edge.port, edge.ca, source=("127.0.0.2", 0)), "GET", "/open/x", said))
    assert (got["x-forwarded-host"], got["x-forwarded-port"], got["x-forwarded-proto"]) == ("shop.example.com", "444", "http")
    assert got["forwarded"] == 'for=198.51.100.7;proto=http;host="localhost"'
    got = seen(exchange(connect(edge.port, edge.ca), "GET", "/open/x", said))
    assert (got["x-forwarded-host"], got["x-forwarded-port"], got["x-forwarded-proto"]) == ("localhost", str(edge.port), "https")
    got = seen(exchange(connect(edge.port, edge.ca, source=("127.0.0.2", 0)), "GET", "/open/x",
                        [("X-Forwarded-Host", "a/b"), ("X-Forwarded-Port", "70000"), ("X-Forwarded-Host", "c")]))
    assert (got["x-forwarded-host"], got["x-forwarded-port"]) == ("localhost", str(edge.port))


def test_forwarded_is_read_from_the_right_and_unreadable_words_of_the_peer_are_400(edge):
    def ask(value):
        return exchange(connect(edge.port, edge.ca, source=("127.0.0.2", 0)), "GET", "/open/x", [("Forwarded", value)])
    assert seen(ask('for=6.6.6.6, for="[2001:db8::5]:4711";proto=https'))["x-real-ip"] == "2001:db8::5"
    assert seen(ask('for=6.6.6.6, for=198.51.100.8, for=10.9.9.9'))["x-real-ip"] == "198.51.100.8"
    assert seen(ask('for=unknown'))["x-real-ip"] == "127.0.0.2"
    a = ask('for=not-an-address')
    assert a[0] == 400 and header(a, "sallyport-reason") == "bad-forwarded"


def test_a_trace_goes_on_and_the_notes_on_a_broken_one_do_not(edge):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    s = connect(edge.port, edge.ca)
    got = seen(exchange(s, "GET", "/open/x", [("traceparent", f"00-{trace}-00f067aa0ba902b7-00"), ("tracestate", "a=1")]))
    assert got["traceparent"].startswith(f"00-{trace}-") and got["traceparent"].endswith("-00")
    assert "00f067aa0ba902b7" not in got["traceparent"] and got["tracestate"] == "a=1"
    got = seen(exchange(s, "GET", "/open/x", [("traceparent", f"00-{trace}-zz"), ("tracestate", "a=1")]))
    assert trace not in got["traceparent"] and "tracestate" not in got


def test_a_peer_that_must_send_the_proxy_header_and_does_not_is_closed(edge):
    with pytest.raises((OSError, ssl.SSLError)):
        connect(edge.proxy_port, edge.ca)


def test_forwarded_addresses_are_believed_from_trusted_proxies_only(edge):
    s = connect(edge.port, edge.ca)
    assert seen(exchange(s, "GET", "/open/x", [("X-Forwarded-For", "198.51.100.7")]))["x-real-ip"] == "127.0.0.1"
    s = connect(edge.port, edge.ca, source=("127.0.0.2", 0))
    got = seen(exchange(s, "GET", "/open/x", [("X-Forwarded-For", "6.6.6.6, 198.51.100.7, 10.1.1.1")]))
    assert got["x-real-ip"] == "198.51.100.7"
    assert "6.6.6.6" not in got["x-forwarded-for"]


def test_certificates_are_chosen_by_name(edge):
    for name, expect in (("localhost", "localhost"), ("other.test", "other.test"), ("sub.example.com", "*.example.com")):
        s = connect(edge.mutual, edge.ca, name=name)
        assert expect in {v for k, v in s.getpeercert()["subjectAltName"]}


def test_client_certificates_are_demanded_where_the_policy_says(edge, authority):
    assert exchange(connect(edge.mutual, edge.ca, "localhost"), "GET", "/open/hello")[0] == 200
    with pytest.raises((OSError, ssl.SSLError, AssertionError, TypeError)):
        s = connect(edge.mutual, edge.ca, "secure.test")
        assert exchange(s, "GET", "/open/hello", host="secure.test")[0] == 200
    context = tls_context(edge.ca)
    context.load_cert_chain(authority.where / "robot.pem", authority.where / "robot.key")
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", edge.mutual)), server_hostname="secure.test")
    a = exchange(s, "GET", "/open/x", host="secure.test")
    assert a[0] == 200 and "robot" in seen(a)["sallyport-certificate"]


def test_a_host_under_another_client_policy_gets_421(edge):
    s = connect(edge.mutual, edge.ca, "localhost")
    a = exchange(s, "GET", "/open/hello", host="secure.test")
    assert a[0] == 421 and header(a, "sallyport-reason") == "misdirected"


def test_a_ticket_of_one_host_does_not_skip_anothers_demand(edge):
    context = tls_context(edge.ca)
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", edge.mutual)), server_hostname="localhost")
    assert exchange(s, "GET", "/open/hello")[0] == 200
    session = s.session
    s.close()
    again = context.wrap_socket(socket.create_connection(("127.0.0.1", edge.mutual)), server_hostname="localhost",
                                session=session)
    assert exchange(again, "GET", "/open/hello")[0] == 200
    assert again.session_reused
    raw = socket.create_connection(("127.0.0.1", edge.mutual))
    raw.settimeout(5)
    try:
        s = context.wrap_socket(raw, server_hostname="secure.test", session=session)
        s.sendall(b"GET /open/hello HTTP/1.1\r\nHost: secure.test\r\n\r\n")
        answer = read_answer(s)
    except (OSError, ssl.SSLError):
        answer = None
    assert answer is None or answer[0] != 200


def test_resumption_works_across_workers(make_world):
    w = make_world(workers=2)
    context = tls_context(w.ca)
    session, reused = None, 0
    for _ in range(20):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", w.port)), server_hostname="localhost",
                                session=session)
        assert exchange(s, "GET", "/open/hello")[0] == 200
        reused += s.session_reused
        session = s.session
        s.close()
    assert reused == 19


def test_old_protocols_and_garbage_get_an_alert(edge):
    raw = socket.create_connection(("127.0.0.1", edge.port), 5)
    raw.sendall(b"\0hello\r\nHost: x\r\n\r\n")
    data = b""
    while piece := raw.recv(100):
        data += piece
    assert data[:1] == b"\x15"
    done = run("openssl", "s_client", "-connect", f"127.0.0.1:{edge.port}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0",
               stdin=subprocess.DEVNULL)
    assert "Cipher is (NONE)" in done.stdout


@pytest.mark.parametrize("path", ["/open/hello", "/api/x", "/nowhere"])
def test_plain_http_on_a_tls_port_is_told_that_the_port_speaks_https(edge, path):
    passed = len(edge.origin.requests)
    for first in (5, 1000):  # in pieces, and whole
        with socket.create_connection(("127.0.0.1", edge.port), 5) as s:
            whole = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n".encode()
            s.sendall(whole[:first])
            time.sleep(0.05)
            s.sendall(whole[first:])
            a = read_answer(s)
            assert a[0] == 400 and header(a, "sallyport-reason") == "https-expected", a
            assert header(a, "connection") == "close" and b"this port speaks HTTPS" in a[2] and b"<html" in a[2]
            assert s.recv(1) == b""
    done = run("curl", "-s", f"http://127.0.0.1:{edge.port}{path}")
    assert json.loads(done.stdout)["detail"] == "this port speaks HTTPS"
    done = run("curl", "-sv", "--http2-prior-knowledge", f"http://127.0.0.1:{edge.port}{path}")
    assert "HTTP/2 505" not in done.stderr and done.returncode != 0
    assert len(edge.origin.requests) == passed


def test_tls_on_a_plain_port_is_400_and_logged_as_that(edge):
    with pytest.raises(ssl.SSLError):
        connect(edge.plain, edge.ca)
    wait_until(lambda: '"plain-http-expected"' in (edge.where / "access.jsonl").read_text())


def test_thousands_of_silent_connections_do_not_stop_others(make_world):
    w = make_world(workers=1)
    silent = [socket.create_connection(("127.0.0.1", w.port)) for _ in range(800)]
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200
    for s in silent:
        s.close()
