"""A worker that somebody has taken over can write into what it shares with others. Whatever it writes there, nobody but
itself may die of it, and nobody may tell what is not theirs to tell."""
import os, pathlib, random, re, signal, struct
import pytest
from house import BINARY, ROOT, connect, exchange, header, run, wait_until

TABLES = (ROOT / "proxy/shared/tables.def").read_text()
WRITABLE = {m[1] for m in re.finditer(r"^TABLE\((\w+), ([A-Z| ]+),", TABLES, re.M) if "WORKER" in m[2] or "EVERYBODY" in m[2]}

METRIC = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\[\\"n])*",?)+\})? -?[0-9.e+]+')

LIMITS = """  crowd: {key: [address, "header:X-Key"], rate: 100/s, burst: 100}"""
ROUTES = """  - {name: crowd, path: /crowd/*, upstream: app, anonymous: true, limits: [crowd]}
  - {name: exchange, path: /oauth/token, upstream: app, anonymous: true, exchange: true, needs_issuer: local}
  - {name: clusters, path: /clusters/*, upstream: app, anonymous: true, reconcile: true, watch_empty: true}"""


def shared_of(pid):
    """What this process may write of what it shares: {name: [(from, to)]}."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) .*/memfd:sallyport (.*) \(deleted\)$", line)
        if m and m[3] == "rw-s":
            found.setdefault(m[4], []).append((int(m[1], 16), int(m[2], 16)))
    return found


def noise(seed, kind, length):
    """Bytes that look like sizes, like indices, like addresses or like nothing."""
    r = random.Random(seed)
    if kind == "bytes":
        return r.randbytes(length)
    block = b"".join(struct.pack("<Q", {
        "small": lambda: r.randrange(1 << r.randrange(1, 20)) << r.choice((0, 32)),
        "ends": lambda: r.choice((0, 1, 0x7fffffff, 0xffffffff, 1 << 32, 1 << 63, (1 << 64) - 1)),
        "pairs": lambda: r.randrange(1 << 16) | r.randrange(1 << 16) << 32,
    }[kind]()) for _ in range(8192))
    return (block * (length // len(block) + 1))[:length]


def overwrite(pid, seed, kind):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for places in shared_of(pid).values():
            for start, end in places:
                memory.seek(start)
                memory.write(noise(seed + start, kind, end - start))


class Client:
    """A connection to the worker that lives: those that reach the other one are given up."""

    def __init__(self, w):
        self.w, self.sock = w, None

    def once(self, *what):
        try:
            if not self.sock:
                self.sock = connect(self.w.plain)
                self.sock.settimeout(0.3)
                answer = exchange(self.sock, *what)
                self.sock.settimeout(10)
            else:
                answer = exchange(self.sock, *what)
        except (OSError, AssertionError, ValueError):
            answer = None
        if not answer or (header(answer, "connection") or "").lower() == "close":
            self.sock.close()
            self.sock = None
        return answer

    def ask(self, path, method="GET", headers=(), body=b""):
        return wait_until(lambda: self.once(method, path, headers, body), 20)


def scrape(w):
    s = connect(w.status_port)
    s.settimeout(10)
    answer = exchange(s, "GET", "/metrics", [("Connection", "close")])
    s.close()
    return answer[2].decode()


def look_around(w):
    client = Client(w)
    for i in range(8):
        for path in ("/open/hello", f"/keyed/{i}", f"/crowd/{i}", "/login/x"):
            assert client.ask(path, headers=[("X-Key", f"key-{i}")])[0] in (200, 429)
    assert client.ask("/api/x", headers=[("Authorization", "Bearer " + w.issuer.token())])[0] == 200
    client.ask("/oauth/token", "POST", [("Content-Type", "application/x-www-form-urlencoded")], b"code=abc")
    w.origin.fail["/clusters/gone"] = 404
    for path in ("/clusters/hello", "/clusters/gone"):
        assert client.ask(path)[0] in (200, 404, 503)
    for line in scrape(w).splitlines():
        assert line.startswith("#") or METRIC.fullmatch(line), line
    for words in (("status", "-o", "json"), ("limits", "--show-keys"), ("issuer", "status"), ("guard",),
                  ("ledger", "-o", "json"), ("guard", "release")):
        done = run(BINARY, *words, "-c", w.proxy.file, env=w.proxy.env)
        assert done.returncode in (0, 1), (words, done.stderr)


def crew(status):
    return status["keeper"]["pid"], status["writer"]["pid"]


@pytest.mark.foreign
@pytest.mark.parametrize("kind", ["bytes", "small", "ends", "pairs"])
def test_whatever_a_worker_writes_into_shared_memory_only_it_dies(make_world, kind):
    w = make_world(workers=2, limits=LIMITS, routes=ROUTES)
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    look_around(w)
    before = w.proxy.status()
    victim, other = (p["pid"] for p in before["workers"])
    for round in range(3):
        os.kill(victim, signal.SIGSTOP)
        overwrite(victim, seed + round, kind)
        look_around(w)
        try:
            overwrite(victim, seed + 100 + round, kind)
            os.kill(victim, signal.SIGABRT)  # as a crash: whom it was working for is looked up
            os.kill(victim, signal.SIGCONT)
        except OSError:
            pass  # it stood still for so long that it has been ended
        wait_until(lambda: victim not in [p["pid"] for p in w.proxy.status()["workers"]])
        wait_until(lambda: len([p for p in w.proxy.status()["workers"] if p["state"] == "serving"]) == 2)
        now = w.proxy.status()
        pids = [p["pid"] for p in now["workers"]]
        assert crew(now) == crew(before) and other in pids, w.proxy.stderr
        victim = next(p for p in pids if p != other)
    done = w.proxy.reload()
    assert done.returncode == 0, done.stderr
    look_around(w)


def below(pid):
    children = [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [p for c in children for p in below(c)]


def holds(pid, value):
    """Does any byte of memory that this process has, hold it?"""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not m or "[v" in line or int(m[2], 16) - int(m[1], 16) > 1 << 30:
                continue
            memory.seek(int(m[1], 16))
            try:
                if value in memory.read(int(m[2], 16) - int(m[1], 16)):
                    return line
            except OSError:
                pass  # beyond the end of a file
    return None


def no_descriptor_of_the_keepers(status):
    """Nobody but the supervisor holds the keeper's memory files open; the keeper has closed them too."""
    keeper = status["keeper"]["pid"]
    for pid in [keeper, status["writer"]["pid"], *below(keeper), *(p["pid"] for p in status["workers"])]:
        found = [os.readlink(f) for f in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        assert not [f for f in found if "sallyport-machine" in f or "sallyport-configuration" in f], (pid, found)


def test_a_dead_resolver_is_replaced_with_a_keeper_that_starts_again(world):
    before = world.proxy.status()["keeper"]["pid"]
    resolver, = below(before)
    os.kill(resolver, signal.SIGKILL)
    world.proxy.wait_successor("keeper", before)
    wait_until(lambda: "the resolver died: the keeper ends and is started again with another one" in world.proxy.stderr)
    assert below(world.proxy.status()["keeper"]["pid"]) and resolver not in below(world.proxy.process.pid)


@pytest.mark.skipif(b"__asan_init" in pathlib.Path(BINARY).read_bytes(),
                    reason="the sanitizer keeps a copy of the environment of its own")
def test_neither_worker_nor_writer_knows_what_only_the_keeper_needs(make_world, tmp_path):
    """The fleet's secrets, by each way to write one; the client secret at an issuer; the keeper's password at Redis; the machine's secret."""
    made = {name: os.urandom(24).hex() for name in ("env", "file", "text", "client", "redis", "later")}
    (tmp_path / "fleet").write_text(made["file"] + "\n")
    (tmp_path / "client").write_text(made["client"] + "\n")
    more = ', audience_missing: refuse, opaque: {endpoint: "http://127.0.0.1:1/i", client_id: me, client_secret: "${file:%s/client}"}' % tmp_path
    secrets = '\nsecrets: {fleet: ["${env:FLEET}", "${file:%s/fleet}", "%s"]}\n' % (tmp_path, made["text"])
    (tmp_path / "redis").write_text(made["redis"] + "\n")
    (tmp_path / "workers").write_text("of-the-workers\n")
    secrets += 'redis: {servers: "redis://127.0.0.1:1", user: w, password: "${file:%s/workers}", ' \
               'keeper: {user: k, password: "${file:%s/redis}"}}\n' % (tmp_path, tmp_path)
    w = make_world(workers=1, issuer_more=more, routes=secrets, env={"FLEET": made["env"], "LATER": made["later"]})
    machine = next(pathlib.Path(w.where).glob("xdg/**/machine.key")).read_bytes()
    for round in range(2):
        status = w.proxy.status()
        for name, value in made.items():
            if name != "later" or round:
                assert holds(status["keeper"]["pid"], value.encode()), name  # so the search finds what is there
        for pid in [p["pid"] for p in status["workers"]] + [status["writer"]["pid"]]:
            for name, value in made.items():
                if name != "later" or round:
                    assert not holds(pid, value.encode()), (name, holds(pid, value.encode()))
            assert not holds(pid, machine)
        no_descriptor_of_the_keepers(status)
        for name, value in made.items():  # what a new worker inherits: it came by the environment, or not at all
            assert name in ("env", "later") or not holds(w.proxy.process.pid, value.encode()), name
        done = w.proxy.reload(w.config().replace("${env:FLEET}", "${env:LATER}"))
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(w.proxy.status()["workers"]) == 1)
        del made["env"]
        made["env"] = made["later"]


def test_every_process_below_the_supervisor_is_confined(world):
    status, top = world.proxy.status(), world.proxy.process.pid
    ours = [p["pid"] for p in status["workers"]] + [status["keeper"]["pid"], status["writer"]["pid"]]
    resolver = [p for p in below(status["keeper"]["pid"])]
    assert resolver and set(ours + resolver) <= set(below(top))
    for pid in ours + resolver:
        about = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Seccomp:\t2$", about, re.M) and re.search(r"^NoNewPrivs:\t1$", about, re.M), about
        assert re.search(r"^CapPrm:\t0+$", about, re.M), about
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert os.getsid(pid) != os.getsid(top)
    for pid in resolver:
        assert "memfd:sallyport " not in pathlib.Path(f"/proc/{pid}/maps").read_text()


def test_a_worker_can_write_what_the_list_says_and_nothing_else(world):
    for worker in world.proxy.status()["workers"]:
        found = shared_of(worker["pid"])
        assert set(found) == WRITABLE | {"seat"}
        assert all(len(places) == 1 for places in found.values())  # one seat: its own
