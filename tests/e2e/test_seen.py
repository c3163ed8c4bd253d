import json, os, re, signal, socket, threading, time
from house import ROOT, connect, exchange, header, logged, read_answer, wait_until


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
    return logged(world.where)


def test_the_access_log_names_the_decision_and_hides_secrets(world):
    token = world.issuer.token()
    exchange(connect(world.port, world.ca), "GET", "/open/logged?code=secret123&page=7",
             [("Authorization", f"Bearer {token}"), ("User-Agent", "x\x80y\"z")])
    exchange(connect(world.port, world.ca), "GET", "/nowhere/logged")
    def found():
        return [x for x in lines(world) if x.get("url.path", "").endswith("/logged")]
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


def test_a_flood_of_cheap_requests_hides_no_other_from_the_log(make_world):
    w = make_world(workers=1, log="stdout, ring: 64KiB")

    def lines():
        return [json.loads(x) for x in (w.where / "stdout.txt").read_text().splitlines(True) if x.endswith("\n")]
    cheap, flood = b"GET /nowhere/at/all HTTP/1.1\r\nHost: x\r\n\r\n", 4000
    for i in range(3):
        real = f"GET /open/real-{i} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", w.plain), 30) as s:
            def say():
                s.sendall(cheap * flood + real)
            sender = threading.Thread(target=say)
            sender.start()
            while s.recv(1 << 20):
                pass
            sender.join()

    def real():
        return sorted(x["url.path"] for x in lines() if x.get("url.path", "").startswith("/open/real-"))
    wait_until(lambda: len(real()) == 3)
    assert real() == ["/open/real-0", "/open/real-1", "/open/real-2"]
    left_out = sum(x.get("sallyport.unlogged", 0) for x in lines())
    assert sum(x.get("url.path", "").startswith("/nowhere") for x in lines()) + left_out == 3 * flood


def parse_exposition(text):
    """Prometheus text format 0.0.4, strictly: {family: (type, {(suffix, labels): value})}."""
    label = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\n]|\\\\["\\\\n])*"'
    sample = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(' + label + '(?:,' + label + r')*)\})? (-?[0-9]+(?:\.[0-9]+)?|\+Inf|NaN)')
    families, now = {}, None
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    for i, line in enumerate(lines):
        if line.startswith("# HELP "):
            now = line.split(" ")[2]
            assert now not in families, f"{now} is told twice"
            assert lines[i + 1].startswith(f"# TYPE {now} ")
            continue
        if line.startswith("# TYPE "):
            assert line.split(" ")[2] == now
            families[now] = (line.split(" ")[3], {})
            continue
        found = sample.fullmatch(line)
        assert found, line
        name, labels, value = found.groups()
        kind, samples = families[now]
        assert name.startswith(now), line
        suffix = name[len(now):]
        assert suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",)), line
        key = (suffix, labels or "")
        assert key not in samples, f"twice: {line}"
        samples[key] = float(value)
        assert kind == "gauge" or samples[key] >= 0, line
    return families


def check_histogram(samples):
    for (suffix, labels), count in samples.items():
        if suffix != "_count":
            continue
        buckets = [(k[1], v) for k, v in samples.items()
                   if k[0] == "_bucket" and re.sub(r',?le="[^"]*"', "", k[1]) == labels]
        values = [v for _, v in buckets]
        assert values == sorted(values) and values[-1] == count
        assert 'le="+Inf"' in buckets[-1][0]
        bounds = [float(re.search(r'le="([^"]*)"', k).group(1)) for k, _ in buckets]
        assert bounds == sorted(set(bounds))
        assert ("_sum", labels) in samples


def test_the_metrics_are_valid_and_each_is_documented(world):
    s = connect(world.port, world.ca)
    for path in ("/open/hello", "/admin/x", "/login/x", "/nowhere"):
        exchange(s, "GET", path)
    families = parse_exposition(ask(world.status_port, "/metrics")[1])
    documented = set(re.findall(r"^\| `(sallyport_\w+)`", (ROOT / "conf/METRICS.md").read_text(), re.M))
    assert "sallyport_request_seconds" in families and set(families) <= documented
    for kind, samples in families.values():
        if kind == "histogram":
            check_histogram(samples)


HOSTILE = b"\"q\" \\b \x80\xff\xc3( \xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf \t</script> \xe2\x80\xa8\xe2\x80\xae"


def test_a_log_line_is_json_whatever_the_bytes_and_its_length_is_bounded(world):
    s = connect(world.port, world.ca)
    s.sendall(b"GET /open/hostile?code=s3cret;page=1&s3cret HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + HOSTILE +
              b"\r\n\r\n")
    assert read_answer(s)[0] == 200
    s.sendall(b"GET /open/hostile/" + b"%22%0B"[:3] * 2000 + b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " +
              b"\xff\t\"" * 2000 + b"\r\n\r\n")
    assert read_answer(s)[0] == 200
    s.sendall(b"G\xc0T /open/hostile HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read_answer(s)[0] == 400
    s = connect(world.port, world.ca)
    s.sendall(b"GET /open/hostile/\xff\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read_answer(s)[0] == 400

    def found():
        return [x for x in lines(world) if x.get("url.path", "").startswith("/open/hostile")]
    wait_until(lambda: len(found()) >= 2)
    raw = (world.where / "access.jsonl").read_bytes()
    assert b"s3cret" not in raw and max(map(len, raw.split(b"\n"))) < 8192
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    raw.decode("utf-8")
    assert found()[0]["server.port"] == world.port


def test_a_log_that_nobody_takes_stops_no_traffic_and_its_losses_are_counted(make_world):
    w = make_world(workers=1)
    os.mkfifo(w.where / "pipe")
    os.chmod(w.where, 0o755)
    os.chmod(w.where / "pipe", 0o666)
    reader = os.open(w.where / "pipe", os.O_RDONLY | os.O_NONBLOCK)  # opened, and never read
    assert w.proxy.reload(w.config().replace(f"{w.where}/access.jsonl", f"{w.where}/pipe")).returncode == 0

    def dropped():
        return sum(parse_exposition(ask(w.status_port, "/metrics")[1])["sallyport_log_dropped_total"][1].values())
    s = connect(w.plain)
    for _ in range(6000):  # some 3 MiB of lines for a ring of one and a pipe of 64 KiB
        assert exchange(s, "GET", "/admin/x")[0] == 403
    assert dropped() > 1000
    while True:  # so that the writer can go on, and the stop is quick
        try:
            if not os.read(reader, 1 << 20):
                break
        except BlockingIOError:
            break
    w.proxy.signal(signal.SIGTERM)
    end = time.monotonic() + 15
    while w.proxy.process.poll() is None and time.monotonic() < end:
        try:
            os.read(reader, 1 << 20)
        except BlockingIOError:
            time.sleep(0.01)
    os.close(reader)


def test_the_log_can_be_rotated(world):
    old = world.where / "access.jsonl"
    exchange(connect(world.port, world.ca), "GET", "/open/before-rotation")
    wait_until(lambda: "before-rotation" in old.read_text())
    os.rename(old, world.where / "access.old")
    world.proxy.signal(signal.SIGUSR1)
    wait_until(old.exists)
    exchange(connect(world.port, world.ca), "GET", "/open/after-rotation")
    wait_until(lambda: "after-rotation" in old.read_text())
