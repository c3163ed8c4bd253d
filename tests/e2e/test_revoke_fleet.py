"""Revocations over a fleet of proxies that share a Redis."""
import json, os, signal, time
import pytest
from distance import Distance
from house import Sallyport, wait_until
from issuing import command, get, houses, metric, reason
from test_redis import FLEET as SECRETS, PASSWORDS, SECRET, USERS, guarded as redis  # noqa: F401

FLEET = dict(SECRETS, **PASSWORDS)
REVOKED = (401, "token-revoked")


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


def revoke(world, *words):
    return command(world, "revoke", *words, "--issuer", "local")


def test_what_one_machine_revokes_holds_on_all_and_over_a_redis_that_forgets(house, redis):
    share = share_of(redis.port)
    a = house(more=share, env=FLEET)
    b = house(more=share, env=FLEET, issuer=a.issuer)
    one, two = (a.issuer.token(jti=f"j-{i}") for i in (1, 2))
    for w in (a, b):
        wait_until(lambda: metric(w, "sallyport_redis_up{server=\"127.0.0.1:%d\"}" % redis.port) == 2, 20)
        assert get(w, one)[0] == get(w, two)[0] == 200
    done = revoke(a, "jti", "j-1")
    assert done.returncode == 0 and "confirmed by the fleet's machines" in done.stdout, done
    wait_until(lambda: reason(get(b, one)) == REVOKED, 5)
    assert b"j-1" not in redis.cli("zrange", "sallyport:dev:revoked", 0, -1).encode()
    redis.stop()
    done = revoke(a, "jti", "j-2")
    assert done.returncode == 1 and "Redis has not taken it yet" in done.stderr, done
    assert "machines" not in done.stdout
    assert reason(get(a, two)) == REVOKED and reason(get(a, one)) == reason(get(b, one)) == REVOKED
    assert get(b, two)[0] == 200 and metric(a, "sallyport_revocations_unshared") == 1
    redis.start()                                          # it has forgotten everything
    wait_until(lambda: reason(get(b, two)) == REVOKED, 10)
    wait_until(lambda: redis.cli("zcard", "sallyport:dev:revoked").strip() == "2", 10)
    assert metric(a, "sallyport_revocations_unshared") == 0
    done = revoke(b, "undo", "jti", "j-1")
    assert done.returncode == 0 and done.stdout.startswith("undone; confirmed by worker 0"), done
    wait_until(lambda: get(a, one)[0] == 200, 5)
    assert reason(get(a, two)) == reason(get(b, two)) == REVOKED
    redis.cli("zadd", "sallyport:dev:revoked", int(time.time() * 1000) + 60000, "forged kid k1")
    wait_until(lambda: (metric(b, "sallyport_revocations_foreign_total") or 0) > 0, 5)
    assert get(b, one)[0] == 200


def share_of(port, budget="500ms"):
    return f'redis: {{servers: "redis://127.0.0.1:{port}", {USERS}, budget: {budget}}}\n' + SECRET


def test_a_redis_farther_than_the_budget_of_limits_carries_revocations_all_the_same(house, redis):
    far = Distance(redis.port, 0.02)
    a, b = house(more=share_of(far.port, "10ms"), env=FLEET), None
    b = house(more=share_of(far.port, "10ms"), env=FLEET, issuer=a.issuer)
    token = a.issuer.token(jti="far")
    assert get(a, token)[0] == get(b, token)[0] == 200
    for w in (a, b):
        wait_until(lambda: metric(w, "sallyport_fleet_size") == 2, 20)
        wait_until(lambda: "later than redis.budget (10 ms)" in w.proxy.stderr, 20)
    done = revoke(a, "jti", "far")
    assert done.returncode == 0, done
    assert reason(get(a, token)) == reason(get(b, token)) == REVOKED
    far.close()


def test_revoke_names_the_machines_that_have_read_it_and_those_that_have_not(house, redis):
    way = Distance(redis.port, 0)
    a = house(more=share_of(redis.port), env=FLEET)
    b = house(more=share_of(way.port), env=FLEET, issuer=a.issuer)
    c = house(more=share_of(redis.port), env=FLEET, issuer=a.issuer)
    for w in (a, b, c):
        wait_until(lambda: metric(w, "sallyport_fleet_size") == 3, 20)

    def machines(done):
        told = json.loads(done.stdout)["machines"]
        return len(told["confirmed"]), len(told["unconfirmed"])
    for i in range(3):
        done = command(a, "revoke", "jti", f"all-{i}", "--issuer", "local", "-o", "json")
        assert done.returncode == 0 and machines(done) == (2, 0), done
    way.cut()                                              # b hears no more of Redis, and is not told so
    done = command(a, "revoke", "jti", "cut", "--issuer", "local", "-o", "json")
    assert done.returncode == 1 and machines(done) == (1, 1), done
    assert "last heard of" in done.stderr and "until they reach Redis" in done.stderr, done
    assert get(b, a.issuer.token(jti="cut"))[0] == 200 and reason(get(c, a.issuer.token(jti="cut"))) == REVOKED
    c.proxy.stop()                                         # who says goodbye is not waited for
    b.proxy.stop()                                         # this one cannot
    done = revoke(a, "jti", "left")
    assert done.returncode == 1 and done.stderr.count("last heard of") == 1, done
    way.close()


def test_a_machine_that_starts_again_counts_once(house, redis):
    a = house(more=share_of(redis.port), env=FLEET)
    before = wait_until(lambda: redis.cli("zrange", "sallyport:dev:fleet", 0, -1).strip(), 20)
    a.proxy.kill()
    a.proxy = Sallyport(a.where, a.proxy.file.read_text(), env=FLEET)
    a.proxy.wait_ready(a.status_port)
    wait_until(lambda: metric(a, "sallyport_fleet_size") == 1, 20)
    time.sleep(2)                                          # some heartbeats
    assert redis.cli("zrange", "sallyport:dev:fleet", 0, -1).strip() == before and metric(a, "sallyport_fleet_size") == 1
