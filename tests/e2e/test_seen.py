import json, socket, time
from house import connect, exchange, header, wait_until


def ask(port, path, method="GET"):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := s.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body.decode()


def test_probes_and_metrics_and_nothing_else(world):
    for path in ("/livez", "/readyz", "/startupz"):
        assert ask(world.status_port, path)[0] == 200
    exchange(connect(world.port, world.ca), "GET", "/open/hello")
    exchange(connect(world.port, world.ca), "GET", "/nowhere")
    time.sleep(0.1)
    status, text = ask(world.status_port, "/metrics")
    assert status == 200
    assert 'sallyport_requests_total{route="open",status="200",class="human"}' in text
    assert 'sallyport_faults_total{reason="no-route"}' in text
    for line in text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) >= 0
    assert ask(world.status_port, "/admin")[0] not in (200, 404)
    assert ask(world.status_port, "/metrics", "POST")[0] != 200


def lines(world):
    return [json.loads(line) for line in open(world.where / "access.jsonl", encoding="utf-8")]


def test_the_access_log_names_the_decision_and_hides_secrets(world):
    token = world.issuer.token()
    exchange(connect(world.port, world.ca), "GET", "/open/logged?code=secret123&page=7",
             [("Authorization", f"Bearer {token}"), ("User-Agent", "x\x80y\"z")])
    exchange(connect(world.port, world.ca), "GET", "/nowhere/logged")
    def found():
        return [x for x in lines(world) if x["url.path"].endswith("/logged")]
    wait_until(lambda: len(found()) >= 2)
    good = [x for x in found() if x["url.path"] == "/open/logged"][0]
    assert good["http.response.status_code"] == 200 and good["http.request.method"] == "GET"
    assert good["sallyport.route"] == "open" and good["sallyport.class"] == "human"
    assert good["url.query"] == "code=-&page=7"
    assert good["client.address"] == "127.0.0.1" and good["server.port"] == world.port
    assert good["sallyport.upstream"] == "app"
    bad = [x for x in found() if x["url.path"] == "/nowhere/logged"][0]
    assert bad["sallyport.reason"] == "no-route" and bad["http.response.status_code"] == 503
    raw = (world.where / "access.jsonl").read_text()
    assert "secret123" not in raw and token[:30] not in raw


def test_the_log_can_be_rotated(world):
    import os, signal
    old = world.where / "access.jsonl"
    exchange(connect(world.port, world.ca), "GET", "/open/before-rotation")
    wait_until(lambda: "before-rotation" in old.read_text())
    os.rename(old, world.where / "access.old")
    world.proxy.signal(signal.SIGUSR1)
    wait_until(old.exists)
    exchange(connect(world.port, world.ca), "GET", "/open/after-rotation")
    wait_until(lambda: "after-rotation" in old.read_text())
