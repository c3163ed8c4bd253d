"""Revocations over a fleet of proxies that share a Redis."""
import time
import pytest
from house import wait_until
from issuing import command, get, houses, metric, reason
from test_redis import FLEET, SECRET, redis  # noqa: F401

REVOKED = (401, "token-revoked")


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


def revoke(world, *words):
    return command(world, "revoke", *words, "--issuer", "local")


def test_what_one_machine_revokes_holds_on_all_and_over_a_redis_that_forgets(house, redis):
    share = f'redis: {{servers: "redis://127.0.0.1:{redis.port}", budget: 500ms}}\n' + SECRET
    a = house(more=share, env=FLEET)
    b = house(more=share, env=FLEET, issuer=a.issuer)
    one, two = (a.issuer.token(jti=f"j-{i}") for i in (1, 2))
    for w in (a, b):
        wait_until(lambda: metric(w, "sallyport_redis_up{server=\"127.0.0.1:%d\"}" % redis.port) == 2, 20)
        assert get(w, one)[0] == get(w, two)[0] == 200
    done = revoke(a, "jti", "j-1")
    assert done.returncode == 0 and "the fleet is told" in done.stdout, done
    wait_until(lambda: reason(get(b, one)) == REVOKED, 5)
    assert b"j-1" not in redis.cli("zrange", "sallyport:dev:revoked", 0, -1).encode()
    redis.stop()
    done = revoke(a, "jti", "j-2")
    assert done.returncode == 1 and "Redis has not taken it yet" in done.stderr, done
    assert reason(get(a, two)) == REVOKED and reason(get(a, one)) == reason(get(b, one)) == REVOKED
    assert get(b, two)[0] == 200 and metric(a, "sallyport_revocations_unshared") == 1
    redis.start()                                          # it has forgotten everything
    wait_until(lambda: reason(get(b, two)) == REVOKED, 10)
    wait_until(lambda: redis.cli("zcard", "sallyport:dev:revoked").strip() == "2", 10)
    assert metric(a, "sallyport_revocations_unshared") == 0
    assert revoke(b, "undo", "jti", "j-1").returncode == 0
    wait_until(lambda: get(a, one)[0] == 200, 5)
    assert reason(get(a, two)) == reason(get(b, two)) == REVOKED
    redis.cli("zadd", "sallyport:dev:revoked", int(time.time() * 1000) + 60000, "forged kid k1")
    wait_until(lambda: (metric(b, "sallyport_revocations_foreign_total") or 0) > 0, 5)
    assert get(b, one)[0] == 200
