#!/usr/bin/python3
"""One worker beside nginx and HAProxy with one each: CPU microseconds per request, as ratios, and memory per idle connection.

TLS 1.3 keep-alive small GETs over HTTP/1.1, 64 connections, P-256 certificate. Contender, origin and load generator are pinned
to one core, so that no idle core is woken; contenders are interleaved; a figure is the median of the rounds with its range.
CPU time is that of all the contender's processes. A run with errors ends the bench; one in which others took over 15 % of the
core is done again."""
import json, os, pathlib, pwd, re, resource, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / "build/release/sallyport")
ROUNDS = int(os.environ.get("ROUNDS", "15"))
SECONDS = int(os.environ.get("SECONDS_PER_RUN", "1"))
TICK = os.sysconf("SC_CLK_TCK")
CORE = max(os.sched_getaffinity(0))
FOREIGN_MOST, ATTEMPTS = 0.15, 10


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def family(pid):
    """The process and all its descendants."""
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                todo += [int(x) for x in open(f"/proc/{p}/task/{t}/children").read().split()]
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    total = 0.0
    for p in family(pid):
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                total += int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0]) / 1e9
        except OSError:
            pass
    return total


def private_kib(pid):
    total = 0
    for p in family(pid):
        try:
            for line in open(f"/proc/{p}/smaps_rollup"):
                if line.startswith(("Private_Clean", "Private_Dirty")):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def core_busy_seconds():
    """Time that the core has spent for anyone: everything but idle and iowait, stolen time included."""
    for line in open("/proc/stat"):
        if line.startswith(f"cpu{CORE} "):
            f = [int(x) for x in line.split()[1:9]]
            return (sum(f) - f[3] - f[4]) / TICK


def generator_seconds():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def settle_here():
    """One core, before others where we may, and as many descriptors as the contenders want."""
    os.sched_setaffinity(0, {CORE})
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -19)
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    except (PermissionError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def start(args, **more):
    return subprocess.Popen([str(a) for a in args], stdout=subprocess.DEVNULL, **more)


def wait_port(port, process):
    for _ in range(200):
        assert process.poll() is None, "a contender ended at its start"
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("a contender does not listen")


def owner_is(port, pid):
    """The process measured owns the port: a stale server of an earlier run would be measured otherwise."""
    out = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True).stdout
    pids = {int(x) for x in re.findall(r"pid=(\d+)", out)}
    return bool(pids & set(family(pid)))


NGINX = """daemon off; worker_processes 1; pid {where}/nginx.pid; error_log /dev/null crit;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_temp_path {where}/a; proxy_temp_path {where}/b; fastcgi_temp_path {where}/c;
 uwsgi_temp_path {where}/d; scgi_temp_path {where}/e;
 upstream app {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 1000000000; }}
 keepalive_requests 1000000000;
 server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {where}/chain.pem; ssl_certificate_key {where}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM; ssl_session_cache off;
  location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
   proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}
"""

HAPROXY = """global
  nbthread 1
  maxconn {maxconn}
  tune.ssl.default-dh-param 2048
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option forwardfor
frontend f
  bind 127.0.0.1:{port} ssl crt {where}/both.pem alpn http/1.1
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{origin} pool-max-conn 256
"""

SALLYPORT = """environment: dev
workers: 1
user: {user}
state: {where}/state
status: {{address: "127.0.0.1:{status}"}}
admin: {{socket: {where}/admin.sock}}
{log}
http: {{requests_max: 1000000000}}
listeners:
  - address: 127.0.0.1:{port}
    tls: {{certificates: [{{chain: {where}/chain.pem, key: {where}/key.pem}}]}}
    protocols: [h2, http/1.1]
upstreams:
  app: {{endpoints: ["http://127.0.0.1:{origin}"], keep: 128}}
limits:
  all: {{key: [address], rate: 1000000/s, burst: 1000000}}
routes:
  - {{name: all, path: /*, upstream: app, anonymous: true, limits: [all]}}
"""


class Contender:
    def __init__(self, name, where, origin):
        self.name, self.port = name, free_port()
        text = dict(where=where, port=self.port, origin=origin, status=free_port(), log="",
                    maxconn=min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 100),
                    user=pwd.getpwuid(os.getuid()).pw_name)
        file = where / f"{name}.conf"
        if name == "nginx":
            file.write_text(NGINX.format(**text))
            args = ["nginx", "-c", file, "-p", where]
        elif name == "HAProxy":
            file.write_text(HAPROXY.format(**text))
            args = ["haproxy", "-db", "-f", file]
        else:
            if name.endswith("log"):
                text["log"] = "log: {access: %s/access.jsonl}" % where
            text["where"] = where
            file.write_text(SALLYPORT.format(**text).replace("admin.sock", f"{name.replace(' ', '-')}.sock"))
            args = [BINARY, "run", "-c", file]
            subprocess.run([BINARY, "check", "-c", file], check=True)
        self.process = start(args, env=dict(os.environ, XDG_STATE_HOME=str(where)))
        wait_port(self.port, self.process)
        time.sleep(0.5)
        assert owner_is(self.port, self.process.pid), f"{name}: another process owns port {self.port}"

    def stop(self):
        for _ in range(2):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def load_once(contender, origin):
    """CPU us per request, and the share of the core that went to neither us nor idleness."""
    def ours():
        return cpu_seconds(contender.process.pid) + cpu_seconds(origin.pid) + generator_seconds()
    before, own, busy, at = cpu_seconds(contender.process.pid), ours(), core_busy_seconds(), time.monotonic()
    out = subprocess.run(["wrk", "-t1", "-c64", f"-d{SECONDS}s", f"https://127.0.0.1:{contender.port}/x"],
                         capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(contender.process.pid) - before
    foreign = (core_busy_seconds() - busy - (ours() - own)) / (time.monotonic() - at)
    assert "Socket errors" not in out and "Non-2xx" not in out, f"{contender.name}:\n{out}"
    done = int(re.search(r"(\d+) requests in", out).group(1))
    return spent / done * 1e6, foreign


def load(contender, origin):
    for _ in range(ATTEMPTS):
        us, foreign = load_once(contender, origin)
        if foreign <= FOREIGN_MOST:
            return us
        print(f"{contender.name}: a run is done again, since others had {foreign:.0%} of the core", file=sys.stderr)
    sys.exit("this machine is too busy to measure on")


def idle_memory(contender, n=1000):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    before, held = private_kib(contender.process.pid), []
    for _ in range(n):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", contender.port)), server_hostname="localhost")
        s.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        held.append(s)
    time.sleep(1)
    grown = private_kib(contender.process.pid) - before
    for s in held:
        s.close()
    return grown / n


def main():
    for tool in ("nginx", "haproxy", "wrk", "ss", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: make bench-deps installs it")
    settle_here()
    where = pathlib.Path(tempfile.mkdtemp(prefix="sp-bench-"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", where / "key.pem", "-out", where / "chain.pem"], check=True, capture_output=True)
    (where / "both.pem").write_text((where / "chain.pem").read_text() + (where / "key.pem").read_text())
    port = free_port()
    origin = start([ROOT / "build/release/tests/bench/origin", port])
    contenders = []
    try:
        wait_port(port, origin)
        contenders = [Contender(n, where, port) for n in ("sallyport", "sallyport with log", "nginx", "HAProxy")]
        figures = {c.name: [] for c in contenders}
        for c in contenders:
            load(c, origin)  # warm
        for _ in range(ROUNDS):
            for c in contenders:
                figures[c.name].append(load(c, origin))
        memory = {c.name: idle_memory(c) for c in contenders}
    finally:
        for c in contenders:
            c.stop()
        origin.kill()
        shutil.rmtree(where, ignore_errors=True)
    tell(figures, memory)


def tell(figures, memory):
    mid = {n: statistics.median(f) for n, f in figures.items()}
    print(f"TLS 1.3 keep-alive small GET, 64 connections, one worker each, {ROUNDS} rounds of {SECONDS} s\n")
    print("| | CPU us per request, median [min, max] | vs nginx | vs HAProxy | KiB per idle TLS connection |")
    print("|---|---|---|---|---|")
    for n, f in figures.items():
        print(f"| {n} | {mid[n]:.1f} [{min(f):.1f}, {max(f):.1f}] | {mid[n] / mid['nginx']:.2f} | "
              f"{mid[n] / mid['HAProxy']:.2f} | {memory[n]:.1f} |")
    results = ROOT / "build/bench.json"
    results.write_text(json.dumps({"rounds": ROUNDS, "seconds": SECONDS, "us": figures, "kib_idle": memory,
                                   "machine": os.uname().release, "cores": os.cpu_count()}, indent=1) + "\n")
    print(f"\nfigures of every round: {results.relative_to(ROOT)}")


main()
