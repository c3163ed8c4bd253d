"""How exact are the buckets, and what do they cost Redis? Sallyport with leases, without any (a fleet so large that nothing is
bought ahead), and a Lua script per request, in turns, at four rates per key. CPU is the redis-server's own, less what it used idle."""
import os, pathlib, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/tools"))
from ports import free_port  # noqa: E402

BUILT = ROOT / "build/release"
RATES = (10, 100, 1000, 8000)   # requests a second that the key is offered
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = 4

CONFIG = """
environment: dev
workers: 1
state: {where}/state
status: {{address: "127.0.0.1:{status}"}}
admin: {{socket: {where}/admin.sock}}

secrets: {{fleet: ["${{env:BENCH_SECRET}}"]}}
redis: {{servers: "unix:{where}/redis.sock", fleet_floor: {floor}, budget: 100ms}}
listeners: [{{address: "127.0.0.1:{port}"}}]
upstreams: {{app: {{endpoints: ["http://127.0.0.1:{origin}"]}}}}
limits:
{limits}
routes:
{routes}
"""


def wait_for(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come up"
        time.sleep(0.05)


def is_up(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        return s.connect_ex(address) == 0


class Redis:
    def __init__(self, where, started):
        self.path = f"{where}/redis.sock"
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.path, "--unixsocketperm", "777",
                                         "--save", "", "--appendonly", "no", "--dir", str(where)], stdout=subprocess.DEVNULL)
        started.append(self.process)
        wait_for(lambda: is_up(self.path))

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-s", self.path, *words], capture_output=True, text=True, check=True).stdout

    def used(self):
        """CPU seconds, and calls of the commands that decide."""
        cpu = dict(re.findall(r"(used_cpu_\w+):([\d.]+)", self.ask("INFO", "cpu")))
        calls = {n: int(c) for n, c in re.findall(r"cmdstat_(\w+):calls=(\d+)", self.ask("INFO", "commandstats"))}
        return float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"]), sum(calls.get(n, 0) for n in ("bitfield", "evalsha"))


class Proxy:
    """One Sallyport; every case has a route and a limit of its own, so that each begins with a full bucket."""

    def __init__(self, where, origin, floor, cases, started):
        self.port, self.status = free_port(), free_port()
        limits = "".join(f"  l{n}: {{key: [route], rate: {rate}/s, burst: {burst}, headers: never}}\n" for n, (rate, burst) in cases.items())
        routes = "".join(f"  - {{name: r{n}, path: /{n}/*, upstream: app, anonymous: true, limits: [l{n}]}}\n" for n in cases)
        place = pathlib.Path(tempfile.mkdtemp(prefix="proxy-", dir=where))
        os.chmod(place, 0o755)
        (place / "redis.sock").symlink_to(f"{where}/redis.sock")
        self.config = place / "config.yaml"
        self.config.write_text(CONFIG.format(where=place, port=self.port, status=self.status, origin=origin, floor=floor,
                                             limits=limits, routes=routes))
        env = dict(os.environ, BENCH_SECRET="0123456789abcdef" * 4, XDG_STATE_HOME=str(place))
        env.pop("SALLYPORT_ENVIRONMENT", None)
        self.process = subprocess.Popen([BUILT / "sallyport", "run", "-c", str(self.config)], env=env,
                                        stderr=open(place / "stderr", "wb"))
        started.append(self.process)
        self.stderr = place / "stderr"

    def wait(self):
        wait_for(lambda: self.is_there() and is_up(("127.0.0.1", self.port)) and self.uses_redis())
        return self

    def is_there(self):
        assert self.process.poll() is None, self.stderr.read_text()
        return True

    def uses_redis(self):
        with socket.create_connection(("127.0.0.1", self.status)) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = b""
            while piece := s.recv(65536):
                data += piece
        return b"sallyport_redis_down" in data and not re.search(rb'sallyport_redis_down\{[^}]*\} [1-9]', data)

    def load(self, case, offered):
        clients = max(1, min(16, offered // 50))
        out = subprocess.run(["h2load", "--h1", "-t1", f"-c{clients}", f"--rps={offered / clients:g}", f"-D{SECONDS}",
                              f"http://127.0.0.1:{self.port}/{case}/x"], capture_output=True, text=True, check=True).stdout
        ok, refused = re.search(r"(\d+) 2xx, \d+ 3xx, (\d+) 4xx, 0 5xx", out).groups()
        return int(ok) + int(refused), int(ok), SECONDS


def lua(redis, rate, burst, offered):
    out = subprocess.run([BUILT / "tests/bench/gcra_lua", redis.path, f"{rate}", f"{burst}", f"{offered}", f"{SECONDS}"],
                         capture_output=True, text=True, check=True).stdout.split()
    return int(out[0]), int(out[1]), float(out[2])


def end(process):
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    process.wait(20)


def measure(redis, idle, run, rate, burst):
    cpu, calls = redis.used()
    asked, admitted, seconds = run()
    cpu2, calls2 = redis.used()
    spent = max(0.0, cpu2 - cpu - idle * seconds)
    return {"asked": asked, "admitted": admitted, "ideal": min(asked, burst + rate * seconds),
            "us": spent * 1e6 / max(1, admitted), "ops": (calls2 - calls) / max(1, admitted)}


def plan():
    """What is offered, of which limit, in which turn; every case is a limit of its own, with a burst of one second's worth."""
    for offered in RATES:
        for load in ("0.9", "1.5"):
            for turn in range(ROUNDS):
                yield offered, load, turn, max(1, round(offered / float(load)))


def run_all(redis, proxies):
    cpu, _ = redis.used()
    time.sleep(5)
    idle, found = (redis.used()[0] - cpu) / 5, {}
    for offered, load, turn, rate in plan():
        for who in ("leased", "unleased", "lua"):
            redis.ask("FLUSHALL")
            case = f"{offered}-{load}-{turn}"
            run = (lambda: lua(redis, rate, rate, offered)) if who == "lua" else (lambda: proxies[who].load(case, offered))
            found.setdefault((offered, load, who), []).append(measure(redis, idle, run, rate, rate))
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return found


def main():
    where = tempfile.mkdtemp(prefix="sallyport-bench-redis-")
    os.chmod(where, 0o755)
    started = []
    try:
        redis = Redis(where, started)
        origin = free_port()
        started.append(subprocess.Popen([BUILT / "tests/bench/origin", str(origin)], stdout=subprocess.DEVNULL))
        wait_for(lambda: is_up(("127.0.0.1", origin)))
        cases = {f"{offered}-{load}-{turn}": (rate, rate) for offered, load, turn, rate in plan()}
        proxies = {who: Proxy(where, origin, floor, cases, started) for who, floor in (("leased", 1), ("unleased", 10000))}
        tell(run_all(redis, {who: p.wait() for who, p in proxies.items()}))
    finally:
        for process in reversed(started):
            end(process)
        shutil.rmtree(where, ignore_errors=True)


def tell(found):
    def median(offered, load, who, what):
        return statistics.median(what(m) for m in found[offered, load, who])
    print("| requests/s on the key | | leased | unleased | Lua script |\n|---|---|---|---|---|")
    for offered in RATES:
        def row(title, load, what, form):
            cells = [form.format(median(offered, load, who, what)) for who in ("leased", "unleased", "lua")]
            print(f"| {offered} | {title} | " + " | ".join(cells) + " |")
        row("Redis CPU us per admitted request", "0.9", lambda m: m["us"], "{:.1f}")
        row("operations per admitted request", "0.9", lambda m: m["ops"], "{:.2f}")
        row("refused below the limit, %", "0.9", lambda m: 100 * (m["asked"] - m["admitted"]) / m["asked"], "{:.2f}")
        row("admitted of what the limit allows at 1.5 times it, %", "1.5", lambda m: 100 * m["admitted"] / m["ideal"], "{:.1f}")


if __name__ == "__main__":
    main()
