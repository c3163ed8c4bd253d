import os, signal, subprocess
import pytest
from house import BINARY, ROOT, connect, exchange, free_port, run, wait_until
from test_seen import ask


SECRET = 'secrets: {fleet: ["${env:FLEET_SECRET}"]}'
FLEET = {"FLEET_SECRET": "one secret for all machines of a fleet"}
# of the documented users, as guarded has them
PASSWORDS = {"REDIS_PASSWORD": "hunter2", "KEEPER_PASSWORD": "hunter2-TOO"}
USERS = ('user: sallyport, password: "${env:REDIS_PASSWORD}", '
         'keeper: {user: sallyport-keeper, password: "${env:KEEPER_PASSWORD}"}')


class Redis:
    def __init__(self, where, *more):
        self.where, self.port, self.more = where, free_port(), more
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--dir", str(self.where), *self.more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "PONG" in self.cli("ping"))

    def cli(self, *words):
        return run("redis-cli", "-p", self.port, *words).stdout

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis(tmp_path):
    r = Redis(tmp_path)
    yield r
    r.stop()


@pytest.fixture
def guarded(tmp_path):
    """One that lets the documented users in, who are refused nothing that they ask for."""
    acl = (ROOT / "conf/redis-users.acl").read_text().replace("CHANGE-ME", "hunter2").replace(":prod:", ":dev:")
    (tmp_path / "users.acl").write_text(acl)
    r = Redis(tmp_path, "--aclfile", str(tmp_path / "users.acl"))
    yield r
    refused = r.cli("acl", "log").strip() if r.process else ""
    r.stop()
    assert not refused, refused


def metric(world, name):
    text = ask(world.status_port, "/metrics")[1]
    found = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("sallyport_" + name)]
    return found[0] if found else None


def told(world):
    redis = world.proxy.status()["redis"]
    return redis["fleet"], redis["servers"]


def lines(world):
    return run(BINARY, "status", "-c", world.proxy.file, env=world.proxy.env).stdout.splitlines()


def test_workers_and_keeper_use_a_redis_by_name_and_do_without_it(make_world, redis):
    w = make_world(routes=f'redis: {{servers: "redis://localhost:{redis.port}", budget: 500ms}}\n' + SECRET, env=FLEET)
    up, down = (f'redis_{x}{{server="localhost:{redis.port}"}}' for x in ("up", "down"))
    wait_until(lambda: metric(w, up) == 3, 20)  # two workers and the keeper
    wait_until(lambda: redis.cli("exists", "sallyport:dev:fleet").strip() == "1")
    assert {k.split(":", 3)[2] for k in redis.cli("keys", "*").split()} <= {"fleet", "keys"}
    server = f"localhost:{redis.port}"
    assert told(w) == (1, [{"server": server, "state": "up", "used_by": 3, "unused_by": 0, "reason": None}])
    assert f"  {server} up, used by 3 of 3 processes" in lines(w)
    names = redis.cli("client", "list")
    assert "name=sallyport-worker-0" in names and "name=sallyport-worker-1" in names and "name=sallyport-keeper" in names
    assert 0 < int(redis.cli("pttl", "sallyport:dev:fleet")) <= 1200000
    redis.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: metric(w, down) == 3, 20)
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200
    redis.process.send_signal(signal.SIGCONT)
    wait_until(lambda: metric(w, up) == 3, 20)
    redis.stop()
    wait_until(lambda: metric(w, down) == 3, 20)
    wait_until(lambda: told(w)[1][0]["reason"] == "refused")
    assert f"  {server} down (refused), used by 0 of 3 processes" in lines(w)
    assert exchange(connect(w.port, w.ca), "GET", "/open/hello")[0] == 200
    redis.start()
    wait_until(lambda: metric(w, up) == 3, 20)
    assert metric(w, 'redis_replaced_total{what="run"}') == 3
    done = w.proxy.reload(w.config(workers=1))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: metric(w, up) == 2, 20)
    wait_until(lambda: metric(w, "fleet_size") == 1)


def checked(world):
    os.chmod(world.where, 0o755)  # the keeper's user keeps things there
    return run(BINARY, "check", "-c", world.proxy.file, env=world.proxy.env)


def test_workers_and_keeper_are_users_of_their_own(make_world, guarded):
    w = make_world(routes=f'redis: {{servers: "redis://127.0.0.1:{guarded.port}", {USERS}, budget: 500ms}}\n' + SECRET,
                   env=dict(FLEET, **PASSWORDS))
    wait_until(lambda: metric(w, "redis_up") == 3, 20)
    who = {dict(f.split("=", 1) for f in line.split())["name"]: dict(f.split("=", 1) for f in line.split())["user"]
           for line in guarded.cli("client", "list").splitlines()}
    assert {n: u for n, u in who.items() if n.startswith("sallyport-")} == {
        "sallyport-worker-0": "sallyport", "sallyport-worker-1": "sallyport", "sallyport-keeper": "sallyport-keeper"}
    assert "redis.keeper" not in w.proxy.stderr
    done = checked(w)
    assert done.returncode == 0 and "redis.keeper" not in done.stdout + done.stderr, done


def test_one_user_for_both_is_warned_of_by_check_and_once_at_a_start(make_world, redis):
    w = make_world(routes=f'redis: {{servers: "redis://127.0.0.1:{redis.port}", budget: 500ms}}\n' + SECRET, env=FLEET)
    wait_until(lambda: metric(w, "redis_up") == 3, 20)
    assert w.proxy.stderr.count("redis.keeper is missing") == 1
    done = checked(w)
    assert done.returncode == 0 and (done.stdout + done.stderr).count("warning: redis.keeper is missing") == 1, done


def test_a_redis_that_cannot_be_spoken_to_safely_refuses_the_reload(make_world, tmp_path):
    w = make_world(env=FLEET)
    assert w.proxy.status()["redis"] is None
    (tmp_path / "ca.pem").write_text("nothing")
    done = w.proxy.reload(w.config(routes=f'redis: {{servers: "rediss://127.0.0.1:1", tls: {{ca: {tmp_path}/ca.pem}}}}\n' + SECRET))
    assert done.returncode == 78 and "holds no certificate in PEM form" in done.stderr + done.stdout
    done = w.proxy.reload(w.config(routes='redis: {servers: "redis://127.0.0.1"}'))
    assert done.returncode == 78 and "its port is missing" in done.stderr + done.stdout
