"""Smaller duties of an intermediary: what RFC 9110 asks of one that is neither the client nor the server."""
import email.utils, time
import pytest
from house import connect, exchange, header, read_answer
from scripted import Scripted

ROUTES = """
  - {{name: said, path: /said/*, upstream: said, anonymous: true}}
  - {{name: traced, path: /traced/*, upstream: said, anonymous: true, methods: [TRACE, OPTIONS, GET]}}
"""


@pytest.fixture(scope="module")
def duties(authority, issuer):
    import shutil, tempfile
    from conftest import World

    def play(peer):
        while True:
            head, _ = peer.request()
            if head is None:
                return
            heads.append(head)
            peer.say(answer[0])

    answer, heads = [b""], []
    said = Scripted(play)
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, routes=ROUTES.format(), upstreams=f"  said: {{endpoints: [\"{said.url}\"]}}")
    w.answer, w.heads = answer, heads
    yield w
    w.close()
    said.close()
    shutil.rmtree(where, ignore_errors=True)


def ask(world, answer, method="GET", path="/said/x", headers=(), host="localhost"):
    world.answer[0] = answer
    world.heads.clear()
    with connect(world.plain) as s:
        return exchange(s, method, path, headers, host=host)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_an_answer_without_a_date_gets_one(duties):
    a = ask(duties, OK)
    assert abs(email.utils.parsedate_to_datetime(header(a, "date")).timestamp() - time.time()) < 60
    a = ask(duties, b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n")
    assert [v for k, v in a[1] if k.lower() == "date"] == ["Mon, 01 Jan 2001 00:00:00 GMT"]


def test_a_426_keeps_its_upgrade(duties):
    a = ask(duties, b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: HTTP/3.0\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n")
    assert a[0] == 426 and header(a, "upgrade") == "HTTP/3.0" and "upgrade" in header(a, "connection").lower()
    a = ask(duties, b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n")
    assert header(a, "upgrade") is None and "upgrade" not in (header(a, "connection") or "").lower()


def test_via_names_the_version_that_was_received(duties):
    assert header(ask(duties, OK), "via") == "1.1 sallyport"
    assert b"Via: 1.1 sallyport" in duties.heads[0]
    assert header(ask(duties, OK.replace(b"1.1", b"1.0")), "via") == "1.0 sallyport"
    duties.answer[0] = OK
    with connect(duties.plain) as s:
        s.sendall(b"GET /said/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert read_answer(s)[0] == 200
    assert b"Via: 1.0 sallyport" in duties.heads[-1]


@pytest.mark.parametrize("status", [600, 799, 999])
def test_a_status_of_the_upstreams_own_passes(duties, status):
    a = ask(duties, b"HTTP/1.1 %d Own\r\nContent-Length: 2\r\n\r\nok" % status)
    assert a[0] == status and a[2] == b"ok"


def test_an_empty_port_is_a_port(duties):
    assert ask(duties, OK, host="localhost:")[0] == 200
    assert ask(duties, OK, path="http://localhost:/said/x")[0] == 200
    assert ask(duties, OK, host=":")[0] == 400


def test_options_of_the_proxy_itself_is_answered_for_good(duties):
    a = ask(duties, OK, "OPTIONS", "*")
    assert a[0] == 204 and header(a, "retry-after") is None and not duties.heads


def test_hops_are_counted_where_they_count(duties):
    a = ask(duties, OK, "OPTIONS", headers=[("Max-Forwards", "0")])
    assert a[0] == 204 and not duties.heads
    assert ask(duties, OK, "OPTIONS", headers=[("Max-Forwards", "7")])[0] == 200
    assert b"Max-Forwards: 6\r\n" in duties.heads[0] + b"\r\n"
    assert ask(duties, OK, headers=[("Max-Forwards", "0")])[0] == 200 and b"Max-Forwards: 0" in duties.heads[0]
    assert ask(duties, OK, "TRACE", "/traced/x", [("Max-Forwards", "1")])[0] == 200 and b"Max-Forwards: 0" in duties.heads[0]
    assert ask(duties, OK, "TRACE", "/traced/x", [("Max-Forwards", "0")])[0] == 405 and not duties.heads


def test_trace_is_refused_unless_a_route_names_it(duties):
    a = ask(duties, OK, "TRACE")
    assert a[0] == 405 and "GET" in header(a, "allow") and "TRACE" not in header(a, "allow") and not duties.heads
    assert ask(duties, OK, "TRACE", "/traced/x")[0] == 200
