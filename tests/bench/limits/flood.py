#!/usr/bin/python3
"""What limits cost and keep off. Three parts, one table:

1. CPU per refused request beside an admitted one: the same small GET over TLS, 64 connections, where a limit admits all
   or refuses all; alternating, all on one core. Once without a token and once with one that is verified.
2. Honest clients beside a flood: 8 clients of 8 addresses log in 20 times a second each, where a login takes the upstream
   20 ms; then again while wrk floods from one address over 64 connections, as fast as it is answered.
3. Ten million keys that come once each (keys.c)."""
import asyncio, os, pathlib, pwd, re, shutil, socket, ssl, statistics, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parents[1] / "e2e"), str(HERE.parent)]
import contender, house, machine

BINARY = str(machine.BUILT / "sallyport")

CONFIG = """environment: dev
workers: 1
user: {user}
state: {where}/state
admin: {{socket: {where}/admin.sock}}
http: {{requests_max: 1000000000}}
listeners:
  - address: 127.0.0.1:{port}
    tls: {{certificates: [{{chain: {where}/chain.pem, key: {where}/key.pem}}]}}
upstreams:
  app: {{endpoints: ["http://127.0.0.1:{origin}"], keep: 128}}
  slow: {{endpoints: ["http://127.0.0.1:{slow}"], keep: 128}}
issuers:
  local: {{issuer: "{issuer}", audiences: ["https://api.example.com"]}}
limits:
  subject: {{key: [subject], rate: 1000000/s, burst: 1000000}}
  all: {{key: [address], rate: 1000000/s, burst: 1000000}}
  none: {{key: [route], rate: 1/h, burst: 1}}
  login: {{key: [address], rate: 50/s, burst: 100}}
routes:
  - {{name: admitted, path: /admitted, upstream: app, anonymous: true, limits: [all]}}
  - {{name: refused, path: /refused, upstream: app, anonymous: true, limits: [none]}}
  - {{name: api-admitted, path: /api/admitted, upstream: app, verify: {{issuer: local}}, limits: [all, subject]}}
  - {{name: api-refused, path: /api/refused, upstream: app, verify: {{issuer: local}}, limits: [none, subject]}}
  - {{name: login, path: /login, upstream: slow, anonymous: true, limits: [login]}}
"""
ROUNDS = int(os.environ.get("ROUNDS", "9"))
HONEST, EACH_S, SECONDS = 8, 20, 6
LOGIN_S = 0.020


class Proxy:
    def __init__(self, where, origin, slow, issuer):
        self.port = contender.free_port()
        file = where / "flood.yaml"
        file.write_text(CONFIG.format(where=where, port=self.port, origin=origin, slow=slow, issuer=issuer.url,
                                      user=pwd.getpwuid(os.getuid()).pw_name))
        subprocess.run([BINARY, "check", "-c", file], check=True)
        self.process = subprocess.Popen([BINARY, "run", "-c", str(file)], env=dict(os.environ, XDG_STATE_HOME=str(where)))
        contender.wait_for(self.port, self.process, "the proxy")
        time.sleep(0.5)
        assert contender.owns(self.port, self.process.pid)
        self.token = issuer.token(exp=int(time.time()) + 3600)


# ---- CPU per request ----

def requests_of(proxy, path, seconds, refused):
    token = ["-H", f"Authorization: Bearer {proxy.token}"] if path.startswith("/api") else []
    out = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", *token, f"https://127.0.0.1:{proxy.port}{path}"],
                         capture_output=True, text=True, check=True).stdout
    done = int(re.search(r"(\d+) requests in", out).group(1))
    other = int((re.search(r"Non-2xx or 3xx responses: (\d+)", out) or [0, 0])[1])
    assert "Socket errors" not in out, out
    assert (done - other <= 1) if refused else other == 0, out
    return done


def cpu_us(proxy, path, refused):
    before = machine.cpu_seconds(proxy.process.pid)
    done = requests_of(proxy, path, 1, refused)
    return (machine.cpu_seconds(proxy.process.pid) - before) / done * 1e6


def part_cpu(proxy):
    machine.settle_here()
    paths = ["/admitted", "/refused", "/api/admitted", "/api/refused"]
    figures = {p: [] for p in paths}
    for path in paths:
        requests_of(proxy, path, 1, path.endswith("refused"))
    for _ in range(ROUNDS):
        for path in paths:
            figures[path].append(cpu_us(proxy, path, path.endswith("refused")))
    for prefix, what in (("", "anonymous"), ("/api", "with a verified token")):
        admitted, refused = (statistics.median(figures[prefix + p]) for p in ("/admitted", "/refused"))
        print(f"| CPU per request {what}: admitted, refused | {admitted:.1f} us, {refused:.1f} us: {refused / admitted:.2f} |")
    sys.stdout.flush()


# ---- honest clients ----

class SlowOrigin(threading.Thread):
    """Each answer takes as long as a password's hash."""
    def __init__(self):
        super().__init__(daemon=True)
        self.loop, self.started = asyncio.new_event_loop(), threading.Event()
        self.start()
        self.started.wait()

    async def serve(self, reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(LOGIN_S)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def run(self):
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        self.loop.run_forever()


def honest(proxy, source, took, bad):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", proxy.port), 10, source_address=(source, 0))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s = context.wrap_socket(raw, server_hostname="localhost")
    due = time.monotonic()
    for _ in range(SECONDS * EACH_S):
        due += 1 / EACH_S
        time.sleep(max(0, due - time.monotonic()))
        at = time.monotonic()
        s.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = s.recv(4096)
        took.append(time.monotonic() - at)
        if not answer.startswith(b"HTTP/1.1 200"):
            bad.append(answer)
    s.close()


def honest_round(proxy):
    took, bad = [], []
    threads = [threading.Thread(target=honest, args=(proxy, f"127.0.0.{i + 2}", took, bad)) for i in range(HONEST)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(took) == HONEST * SECONDS * EACH_S, "an honest client was cut off"
    return sorted(took)[int(len(took) * 0.99)] * 1000, len(took), len(bad)


def behind():
    """wrk beside the proxy, on its core, and after it: the proxy is never idle and the honest clients' core stays theirs."""
    os.sched_setaffinity(0, {machine.CORE})
    os.nice(19)


def flooded_round(proxy):
    flood = subprocess.Popen(["wrk", "-t1", "-c64", f"-d{SECONDS + 2}s", f"https://127.0.0.1:{proxy.port}/login"],
                             stdout=subprocess.PIPE, text=True, preexec_fn=behind)
    time.sleep(1)
    figures = honest_round(proxy)
    out = flood.communicate()[0]
    done = int(re.search(r"(\d+) requests in", out).group(1))
    other = int(re.search(r"Non-2xx or 3xx responses: (\d+)", out)[1])
    return figures, done / (SECONDS + 2), (done - other) / (SECONDS + 2)


def part_honest(proxy):
    cores = sorted(os.sched_getaffinity(0) | {machine.CORE})
    for pid in machine.family(proxy.process.pid):
        os.sched_setaffinity(pid, {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})  # clients and the slow upstream
    alone, flooded, rates, passed, bad, total = [], [], [], [], 0, 0
    for _ in range(3):
        p99, n, wrong = honest_round(proxy)
        alone.append(p99)
        (p99, n, wrong), rate, through = flooded_round(proxy)
        flooded.append(p99)
        rates.append(rate)
        passed.append(through)
        bad, total = bad + wrong, total + n
    a, f = statistics.median(alone), statistics.median(flooded)
    print(f"| flood from one address | {statistics.median(rates):,.0f} requests/s, of which {statistics.median(passed):.0f}/s pass |")
    print(f"| logins of 8 honest clients meanwhile, answered 200 | {total - bad} of {total} |")
    print(f"| their p99, alone and meanwhile (20 ms are the upstream's) | {a:.1f} ms, {f:.1f} ms: {f / a:.2f} times |")


def main():
    for tool in ("wrk", "ss", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: make bench-deps installs it")
    all_cores = os.sched_getaffinity(0)
    where = pathlib.Path(tempfile.mkdtemp(prefix="sp-flood-"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-keyout", where / "key.pem", "-out", where / "chain.pem"],
                   check=True, capture_output=True)
    port = contender.free_port()
    machine.settle_here()
    origin = subprocess.Popen([str(machine.BUILT / "tests/bench/origin"), str(port)])
    proxy = None
    try:
        contender.wait_for(port, origin, "the origin")
        os.sched_setaffinity(0, all_cores)
        slow = SlowOrigin()
        machine.settle_here()
        issuer = house.Issuer(where / "issuer")
        proxy = Proxy(where, port, slow.port, issuer)
        house.wait_until(lambda: requests_of(proxy, "/api/admitted", 1, False))
        print("| | |\n|---|---|")
        sys.stdout.flush()
        part_cpu(proxy)
        os.sched_setaffinity(0, all_cores)
        part_honest(proxy)
        sys.stdout.flush()
        subprocess.run([machine.BUILT / "tests/bench/limits/keys"], check=True)
    finally:
        if proxy:
            proxy.process.terminate()
            proxy.process.wait(20)
        origin.kill()
        shutil.rmtree(where, ignore_errors=True)


main()
