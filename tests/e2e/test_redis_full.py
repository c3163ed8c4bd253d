"""A Redis that answers, but takes no writes."""
import shutil, time
import pytest
from house import connect, exchange, wait_until
from test_redis import FLEET, SECRET, Redis, metric, redis  # noqa: F401

LIMITS = """
  each: {key: ["header:X-Key"], rate: 100/s, burst: 20}
"""
ROUTES = """
  - {name: each, path: /each/*, upstream: app, anonymous: true, limits: [each]}
redis: {servers: "redis://127.0.0.1:PORT", budget: 200ms}
"""


def fill(redis):
    redis.cli("config", "set", "maxmemory-policy", "noeviction")
    redis.cli("config", "set", "maxmemory", "1")  # byte: how much a new server takes differs by release
    yield
    redis.cli("config", "set", "maxmemory", "0")


def lose_replicas(redis):
    redis.cli("config", "set", "min-replicas-to-write", "1")
    yield
    redis.cli("config", "set", "min-replicas-to-write", "0")


def demote(redis):
    (redis.where / "other").mkdir()
    other = Redis(redis.where / "other")
    redis.cli("replicaof", "127.0.0.1", other.port)
    yield
    redis.cli("replicaof", "no", "one")
    other.stop()


def lose_the_disk(redis):
    shutil.rmtree(redis.where)
    redis.cli("config", "set", "save", "3600 1")  # or nobody minds that it cannot save
    redis.cli("bgsave")
    wait_until(lambda: "rdb_last_bgsave_status:err" in redis.cli("info", "persistence"), 20)
    yield
    redis.cli("config", "set", "stop-writes-on-bgsave-error", "no")


@pytest.mark.parametrize("trouble", [fill, lose_replicas, demote, lose_the_disk])
def test_a_redis_that_takes_no_writes_is_said_once_and_stays_unused_until_it_does(make_world, redis, trouble):
    w = make_world(workers=1, limits=LIMITS, routes=ROUTES.replace("PORT", str(redis.port)) + SECRET, env=FLEET)
    wait_until(lambda: metric(w, "redis_up") == 2, 20)
    said = lambda what: w.proxy.stderr.count(f"redis 127.0.0.1:{redis.port} {what}")
    wait_until(lambda: said("is used") == 2)  # the worker's line and the keeper's
    sock = connect(w.port, w.ca)

    def ask(n):
        assert exchange(sock, "GET", "/each/x", [("X-Key", f"key-{n}")])[0] == 200

    course = trouble(redis)
    next(course)
    tries = iter(range(1000000))
    wait_until(lambda: ask(next(tries)) or metric(w, "redis_down") == 2, 30)
    for _ in range(25):  # a breaker that heals by PING closes and opens twice
        ask(next(tries))
        time.sleep(0.1)
    assert metric(w, "redis_down") == 2
    assert said("is not used") == 2 and said("is used") == 2
    next(course, None)
    wait_until(lambda: metric(w, "redis_up") == 2, 20)
    for _ in range(10):
        ask(next(tries))
    wait_until(lambda: said("is used") == 4)
    assert said("is not used") == 2
    assert not [k for k in redis.cli("keys", "*").split() if int(redis.cli("pttl", k)) == -1]  # -2: it has ended meanwhile
