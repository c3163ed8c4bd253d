"""Issuers' keys that the machines of a fleet leave for each other in Redis."""
import hashlib, hmac, json, os, shutil, time
import pytest
from house import Sallyport, wait_until
from issuing import Judge, Tokens, command, get, houses, metric, reason, told
from test_redis import FLEET, PASSWORDS, SECRET, USERS, guarded as redis  # noqa: F401

MISSING = (503, "issuer-keys-missing")


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


def share(redis):
    return dict(env=dict(FLEET, **PASSWORDS), more=f'redis: {{servers: "redis://127.0.0.1:{redis.port}", '
                f'{USERS}, budget: 500ms}}\n{SECRET}')


def key_of(redis):
    return redis.cli("--scan", "--pattern", "sallyport:dev:keys:*").strip()


def left_by(house, redis):
    """A machine has left its keys in Redis and is gone, and so is the issuer: it, its key and the copy."""
    a = house(**share(redis))
    key = wait_until(lambda: key_of(redis), 20)
    a.tokens = Tokens(a)
    a.proxy.stop()
    a.issuer.stop()
    return a, key, redis.cli("get", key).rstrip("\n")


def resigned(copy, **change):
    """What only a holder of the fleet's secret can make."""
    body = json.dumps(dict(json.loads(copy.split(" ", 1)[1]), **change))
    root = hmac.digest(bytes(32), FLEET["FLEET_SECRET"].encode(), "sha256")
    key = hmac.digest(root, b"sallyport shared keys 1\ndev\x01", "sha256")
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest() + " " + body


def refused(world, why):
    return metric(world, f'sallyport_snapshots_refused_total{{reason="{why}",where="redis"}}')


def restart(world):
    world.proxy = Sallyport(world.where, world.config(), world.parts["env"]).wait_ready(world.status_port)


@pytest.mark.parametrize("mode", ["away", "hang"])
def test_a_new_machine_that_starts_inside_an_outage_admits_every_valid_token(house, redis, mode):
    a, key, _ = left_by(house, redis)
    a.issuer.mode = mode
    if mode == "hang":
        a.issuer.start()
    b = house(workers=2, issuer=a.issuer, wait=False, **share(redis))
    judge = Judge(b, a.tokens)
    for _ in range(10):
        judge.round()                                      # from its first request on
    judge.check()
    assert told(b)["keys_from"] == "redis" and ", from redis, " in command(b, "issuer", "status").stdout
    wait_until(lambda: metric(b, 'sallyport_issuer_keys_from{issuer="local",from="redis"}') == 1)
    assert 0 < int(redis.cli("pttl", key)) <= 24 * 3600 * 1000
    b.proxy.stop()
    redis.stop()
    restart(b)                                             # what it took lies on its disk
    judge = Judge(b, a.tokens)
    judge.round()
    judge.check()
    assert told(b)["keys_from"] == "disk"


def test_what_the_documented_users_are_asked_for_they_may_do(house, redis):
    a = house(**share(redis))
    wait_until(lambda: key_of(redis), 20)
    assert redis.cli("acl", "log").strip() == ""
    redis.cli("acl", "setuser", "sallyport-keeper", "-get")  # and one that may not hinders nothing
    wait_until(lambda: "stays untold: NOPERM" in a.proxy.stderr, 20)
    assert metric(a, 'sallyport_redis_up{server="127.0.0.1:%d"}' % redis.port) == 2
    assert get(a, a.issuer.token())[0] == 200 and told(a)["failures"] == 0
    a.proxy.stop()
    redis.cli("acl", "log", "reset")


def test_a_changed_or_older_copy_admits_nobody_and_is_said(house, redis):
    a, key, good = left_by(house, redis)
    token, fetched = a.tokens.good[0], json.loads(good.split(" ", 1)[1])["fetched"]
    redis.cli("set", key, good.replace('"RS256"', '"RS384"'))
    b = house(issuer=a.issuer, wait=False, **share(redis))
    wait_until(lambda: "the copy of its keys in Redis is not believed: it was changed" in b.proxy.stderr, 20)
    assert reason(get(b, token)) == MISSING and refused(b, "changed") == 1
    redis.cli("set", key, good)
    wait_until(lambda: get(b, token)[0] == 200, 20)
    old = resigned(good, fetched=fetched - 3600)
    redis.cli("set", key, old)
    wait_until(lambda: "not believed: a newer one had been written" in b.proxy.stderr, 20)
    assert get(b, token)[0] == 200 and refused(b, "older") == 1
    wait_until(lambda: json.loads(redis.cli("get", key).split(" ", 1)[1])["fetched"] == fetched)
    b.proxy.stop()
    shutil.rmtree(os.path.join(b.where, "state", "keys"))  # it knows no more than when it had fetched last
    redis.cli("set", key, old)
    restart(b)
    wait_until(lambda: refused(b, "older") == 1, 20)
    assert reason(get(b, token)) == MISSING


def test_the_hard_bound_counts_from_the_fetch_and_past_it_a_copy_is_503(house, redis):
    a, key, good = left_by(house, redis)
    redis.cli("set", key, resigned(good, fetched=int(time.time()) - 1800))
    b = house(hard="1h", issuer=a.issuer, wait=False, **share(redis))
    assert get(b, a.tokens.good[0])[0] == 200              # signed by the fleet, and not too old yet
    assert 1700 < told(b)["trusted_for_s"] <= 1800 <= told(b)["age_s"]
    b.proxy.stop()
    redis.cli("set", key, resigned(good, fetched=int(time.time()) - 3601))
    c = house(hard="1h", issuer=a.issuer, wait=False, **share(redis))
    wait_until(lambda: "not believed: it is older than verification.keys_hard" in c.proxy.stderr, 20)
    assert reason(get(c, a.tokens.good[0])) == MISSING and refused(c, "expired") == 1
