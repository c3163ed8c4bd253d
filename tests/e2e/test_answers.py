"""What an upstream may say and what it may not; nothing of one answer is ever taken for another's."""
import re, shutil, tempfile
import pytest
from house import connect, exchange
from scripted import Scripted

OK = b"HTTP/1.1 200 OK\r\n"
NONSENSE = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a list of two lengths": OK + b"Content-Length: 2, 3\r\n\r\nabc",
    "length and coding": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a signed length": OK + b"Content-Length: +3\r\n\r\nabc",
    "a coding that we do not know": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "two codings": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded field": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a NUL": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 X\r\n\r\n", "a status of four digits": b"HTTP/1.1 1000 X\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "a switch that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
}
STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSTRAY"
SOUND = {  # what the upstream says, the method, what the client gets as content
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, b""),
    "no content, with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n" % len(STRAY) + STRAY, "GET", 204, b""),
    "not modified, with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, b""),
    "HEAD with a length": (OK + b"Content-Length: 5\r\n\r\n", "HEAD", 200, b""),
    "HEAD with content": (OK + b"Content-Length: %d\r\n\r\n" % len(STRAY) + STRAY, "HEAD", 200, b""),
    "HEAD in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", 200, b""),
    "equal lengths": (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello"),
    "bytes behind the answer": (OK + b"Content-Length: 5\r\n\r\nhello" + STRAY, "GET", 200, b"hello"),
    "bytes behind the chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + STRAY, "GET", 200, b"hello"),
    "interim heads": (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
                      "GET", 200, b"hello"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello"),
}


@pytest.fixture(scope="module")
def raw(authority, issuer):
    from conftest import World

    def play(peer):
        while True:
            request = peer.head()
            if request is None:
                return
            name = re.search(rb"X-Case: (.*?)\r\n", request + b"\r\n")
            name = name.group(1).decode() if name else ""
            if name in SOUND:
                peer.say(SOUND[name][0])
            elif name in NONSENSE:
                peer.say(NONSENSE[name])
            elif b"/raw/chunks" in request:
                peer.say(OK + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n"
                         b"Sallyport-Reason: limited\r\n\r\n")
            elif b"/raw/bad-chunk" in request:
                peer.say(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x5\r\nworld\r\n0\r\n\r\n")
                return
            else:
                peer.ok(b"fresh")

    origin = Scripted(play)
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, workers=1, upstreams=f'  raw: {{endpoints: ["{origin.url}"]}}',
              routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}")
    yield w
    w.close()
    origin.close()
    shutil.rmtree(where, ignore_errors=True)


def ask(port, target, method="GET", case="", version="1.1"):
    s = connect(port)
    s.sendall(f"{method} {target} HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\nX-Case: {case}\r\n\r\n".encode())
    data = b""
    while piece := s.recv(65536):
        data += piece
    head, _, content = data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head.lower(), content


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_502_and_its_connection_is_not_used_again(raw, name):
    status, head, content = ask(raw.plain, "/raw/x", case=name)
    assert status == 502 and b"sallyport-reason: upstream-nonsense" in head and b"STRAY" not in content
    for _ in range(2):
        assert exchange(connect(raw.plain), "GET", "/raw/next")[2] == b"fresh"


@pytest.mark.parametrize("name", SOUND)
def test_an_answer_ends_where_it_ends(raw, name):
    _, method, expected, body = SOUND[name]
    status, head, content = ask(raw.plain, "/raw/x", method, name)
    assert status == expected and b"sallyport-reason" not in head
    assert content in (body, b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
    assert expected != 204 or (b"content-length" not in head and b"transfer-encoding" not in head)
    for _ in range(2):
        assert exchange(connect(raw.plain), "GET", "/raw/next")[2] == b"fresh"


def test_chunks_and_trailers_go_to_1_1_and_plain_bytes_to_1_0(raw):
    status, head, content = ask(raw.plain, "/raw/chunks")
    assert status == 200 and b"transfer-encoding: chunked" in head
    assert content == b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    status, head, content = ask(raw.plain, "/raw/chunks", version="1.0")
    assert status == 200 and content == b"hello"
    assert b"transfer-encoding" not in head and b"trailer" not in head and b"connection: close" in head


def test_a_chunk_that_is_malformed_cuts_the_answer(raw):
    _, _, content = ask(raw.plain, "/raw/bad-chunk")
    assert not content.endswith(b"0\r\n\r\n") and b"world" not in content
    assert exchange(connect(raw.plain), "GET", "/raw/next")[2] == b"fresh"
