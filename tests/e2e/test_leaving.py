"""How connections end: stalled clients, answers that are still under way, uploads that nobody wants."""
import json, socket, subprocess, threading, time, urllib.error, urllib.request
import pytest
from house import connect, exchange, header, must, read_answer, tls_context, wait_until
from scripted import Scripted
from test_load import metric

STALL = "timeouts: {write_stall: 1s}"


def narrow(port, ca=None):
    """A connection whose client has little room for what it does not read."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", port))
    s.settimeout(15)
    return tls_context(ca).wrap_socket(s, server_hostname="localhost") if ca else s


def sockets_of(port):
    """Of ours towards clients, in any state but that of a connection that has ended on both sides."""
    out = subprocess.run(["ss", "-Htan", f"sport = :{port}"], capture_output=True, text=True).stdout
    return [x for x in out.splitlines() if x.split()[0] not in ("LISTEN", "TIME-WAIT")]


def reads_a_reset(s):
    raw = socket.socket(fileno=s.detach())
    raw.settimeout(15)
    try:
        while raw.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return False


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("size", [100_000_000, 300_000])
def test_a_client_that_takes_nothing_is_reset_and_nothing_is_left_of_it(make_world, secure, size):
    """In the middle of its answer, and when the rest of that lies in our queue or in the kernel's alone."""
    w = make_world(workers=1, routes=STALL)
    port = w.port if secure else w.plain
    s = narrow(port, w.ca if secure else None)
    s.sendall(b"GET /open/bytes?n=%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % size)
    assert s.recv(16)
    assert metric(w, "connections_open") is not None
    wait_until(lambda: not sockets_of(port), 15)
    wait_until(lambda: metric(w, "connections_open") == 0)
    assert reads_a_reset(s)


def test_a_connection_is_counted_until_all_that_was_said_has_left(make_world):
    w = make_world(workers=1, routes="timeouts: {write_stall: 5s}")
    s = narrow(w.plain)
    s.sendall(b"GET /open/bytes?n=200000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    wait_until(lambda: [x for x in open(w.where / "access.jsonl") if '"/open/bytes"' in x])  # the request is over
    wait_until(lambda: metric(w, "connections_open") == 1)
    end, got = time.monotonic() + 4, 0
    while time.monotonic() < end:  # slower than any linger, and never still
        got += len(s.recv(10000))
        assert metric(w, "connections_open") == 1
        time.sleep(0.4)
    while piece := s.recv(65536):
        got += len(piece)
    assert got > 200000
    s.close()
    wait_until(lambda: metric(w, "connections_open") == 0)


def test_an_upstream_that_takes_nothing_is_reset_and_nothing_is_left_of_its_upload(make_world):
    over = threading.Event()

    def play(peer):
        peer.head()
        over.wait(30)
        while peer.more():
            pass
    origin = Scripted(play)
    w = make_world(workers=1, upstreams=f'  raw: {{endpoints: ["{origin.url}"], header_timeout: 1s}}',
                   routes="  - {name: raw, path: /raw/*, upstream: raw, anonymous: true}\n")
    s = connect(w.plain)
    s.sendall(b"POST /raw/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")

    def upload():
        try:
            while True:
                s.sendall(b"b" * 65536)
        except OSError:
            pass
    uploading = threading.Thread(target=upload)
    uploading.start()
    assert read_answer(s)[0] == 504
    ours = ["ss", "-Htan", f"dport = :{origin.url.rsplit(':')[-1]}"]
    wait_until(lambda: not [x for x in subprocess.run(ours, capture_output=True, text=True).stdout.splitlines()
                            if x.split()[0] not in ("TIME-WAIT", "CLOSE-WAIT")])
    over.set()
    s.shutdown(socket.SHUT_RDWR)
    uploading.join()
    origin.close()


def second(world):
    import h2.config, h2.connection
    context = tls_context(world.ca)
    context.set_alpn_protocols(["h2"])
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", world.port)), server_hostname="localhost")
    s.settimeout(15)
    c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    c.initiate_connection()
    s.sendall(c.data_to_send())
    return s, c


def head(method, path):
    return [(":method", method), (":path", path), (":scheme", "https"), (":authority", "localhost")]


@pytest.mark.parametrize("size", [10_000_000, 100_000])
def test_a_stream_that_stalls_alone_is_reset_and_the_others_go_on(make_world, size):
    import h2.events
    w = make_world(workers=1, routes=STALL)
    s, c = second(w)
    c.send_headers(1, head("GET", f"/open/bytes?n={size}"), end_stream=True)  # its window is never opened again
    over, answered, began = False, 0, time.monotonic()
    for stream in range(3, 400, 2):
        c.send_headers(stream, head("GET", "/open/x"), end_stream=True)
        done = False
        while not done:
            s.sendall(c.data_to_send())
            for e in c.receive_data(s.recv(65536)):
                if isinstance(e, h2.events.DataReceived):
                    c.increment_flow_control_window(len(e.data))
                over |= isinstance(e, h2.events.StreamReset) and e.stream_id == 1
                done |= isinstance(e, h2.events.StreamEnded) and e.stream_id == stream
        answered += 1
        if over:
            break
        time.sleep(0.05)
    assert over and 0.9 < time.monotonic() - began < 10 and answered > 2
    c.send_headers(1001, head("GET", "/open/x"), end_stream=True)
    s.sendall(c.data_to_send())
    assert any(isinstance(e, h2.events.ResponseReceived) for e in c.receive_data(s.recv(65536)))


# ---- uploads that are refused before they have come ----

BIG = b"b" * (8 << 20)


@pytest.mark.parametrize("secure", [False, True])
def test_whoever_uploads_reads_its_refusal(world, secure):
    url = f"https://localhost:{world.port}" if secure else f"http://127.0.0.1:{world.plain}"
    more = {"context": tls_context(world.ca)} if secure else {}
    for _ in range(8):
        with pytest.raises(urllib.error.HTTPError) as said:
            urllib.request.urlopen(urllib.request.Request(url + "/api/x", BIG, method="POST"), timeout=30, **more)
        assert said.value.code == 401
        said.value.close()


def test_a_slow_upload_is_discarded_in_no_request_slot_until_its_client_stops(make_world):
    w = make_world(workers=1, routes="http: {requests_in_flight_max: 16}")
    slow = [connect(w.plain) for _ in range(40)]
    for s in slow:
        s.sendall(b"POST /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n" + b"b" * 70000)
        assert read_answer(s)[0] == 401
    for _ in range(7):
        time.sleep(0.5)
        for s in slow:
            s.sendall(b"b" * 10000)
    assert exchange(connect(w.plain), "GET", "/open/x")[0] == 200
    assert metric(w, "connections_open") >= 40
    wait_until(lambda: metric(w, "connections_open") == 0, 15)  # five seconds without a byte


def test_over_http2_what_still_comes_is_credited_and_dropped(make_world):
    import h2.events
    w = make_world(workers=1)
    s, c = second(w)
    c.send_headers(1, head("POST", "/api/x"))
    sent, window, status, reset = 0, 65535, None, None
    piece = b"\0\x40\0" + b"\0\0" + b"\0\0\0\x01" + b"b" * 16384  # a DATA frame, whatever became of the stream
    while sent < 4 << 20:
        s.sendall(c.data_to_send())
        # within the connection's window, and as soon as the stream is over without regard to its own
        while window >= 16384 and (reset is not None or sent < 49152):
            s.sendall(piece)
            sent, window = sent + 16384, window - 16384
        if sent >= 4 << 20:
            break
        for e in c.receive_data(s.recv(65536)):
            if isinstance(e, h2.events.ResponseReceived):
                status = int(dict(e.headers)[":status"])
            elif isinstance(e, h2.events.StreamReset):
                reset = e.error_code
            elif isinstance(e, h2.events.WindowUpdated) and e.stream_id == 0:
                window += e.delta
    assert (status, reset) == (401, 0)
    c.send_headers(3, head("GET", "/open/x"), end_stream=True)
    s.sendall(c.data_to_send())
    answered = False
    while not answered:
        for e in c.receive_data(s.recv(65536)):
            answered |= isinstance(e, h2.events.ResponseReceived) and e.stream_id == 3
            assert not isinstance(e, h2.events.ConnectionTerminated)


def test_curl_reads_the_refusal_of_its_upload_over_http2(world, tmp_path):
    file = tmp_path / "big"
    file.write_bytes(BIG)
    for _ in range(8):
        code = must("curl", "-sS", "--http2", "--cacert", world.ca, "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
                    "--data-binary", f"@{file}", f"https://localhost:{world.port}/api/x")
        assert code == "401"
