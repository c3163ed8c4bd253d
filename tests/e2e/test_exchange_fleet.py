"""A token endpoint behind two proxies that share a Redis: a code or refresh token is used by one request of both."""
import signal, threading
import pytest
from house import connect, exchange, header, wait_until
from test_issuer_fleet import redis, share  # noqa: F401
from test_redis import metric

ROUTES = "  - {name: token, path: /token/*, upstream: app, anonymous: true, exchange: true, header_timeout: 20s}\n"


def grant(token):
    return f"grant_type=refresh_token&refresh_token={token}"


def post(w, token, path="/token/now"):
    a = exchange(connect(w.port, w.ca), "POST", path, [("Content-Type", "application/x-www-form-urlencoded")], grant(token).encode())
    return a[0], header(a, "sallyport-reason")


def heard(w, token):
    return len([r for r in w.origin.requests if grant(token).encode() == r[3]])


def claims(redis):
    keys = redis.cli("--scan", "--pattern", "sallyport:dev:ex:*").split()
    return [redis.cli("get", k).strip() for k in keys]


USED, BUSY = (409, "exchange-used"), (503, "exchange-in-flight")


@pytest.fixture
def two(make_world, redis):
    part = share(redis)
    made = [make_world(workers=1, routes=ROUTES + part["more"], env=part["env"]) for _ in range(2)]
    for w in made:
        wait_until(lambda: metric(w, "redis_up") == 2, 20)
    return made


def begin(w, token):
    first = {}
    t = threading.Thread(target=lambda: first.update(answer=post(w, token, "/token/slow?s=2")))
    t.start()
    wait_until(lambda: heard(w, token))
    return t, first


def test_twins_through_another_proxy_wait_and_then_are_refused(two, redis):
    a, b = two
    t, first = begin(a, "one-time")
    for w in (b, b, a):
        assert post(w, "one-time") == BUSY
    [text] = claims(redis)
    assert text.startswith("f") and "one-time" not in redis.cli("keys", "*")
    assert post(b, "another") == (200, None)
    t.join(15)
    assert first["answer"] == (200, None)
    for w in (b, a, b):
        assert post(w, "one-time") == USED
    assert claims(redis) == ["u", "u"]
    assert all(0 < int(redis.cli("pttl", k)) <= 30000 for k in redis.cli("--scan", "--pattern", "sallyport:dev:ex:*").split())
    assert heard(a, "one-time") == 1 and heard(b, "one-time") == 0


def test_what_the_issuer_refused_is_free_on_all_machines(two, redis):
    for w in two:
        w.origin.fail["/token/refused"] = 400
    for w in (*two, *two):
        wait_until(lambda: claims(redis) == [])  # the word of the last one's end has arrived
        assert post(w, "refused", "/token/refused") == (400, None)
    wait_until(lambda: claims(redis) == [])


def test_without_redis_each_machine_claims_alone(two, redis):
    a, b = two
    redis.stop()
    for w in two:
        wait_until(lambda: metric(w, "redis_down") == 2, 20)
    t, first = begin(a, "alone")
    assert post(a, "alone") == BUSY
    assert post(b, "alone") == (200, None)
    t.join(15)
    assert first["answer"] == (200, None) and post(a, "alone") == USED


def test_a_redis_that_hangs_holds_up_nobody_and_hears_of_the_end_later(two, redis):
    a, b = two
    redis.process.send_signal(signal.SIGSTOP)
    a.origin.fail["/token/refused"] = 400
    assert post(a, "hung", "/token/refused") == (400, None)  # its budget passed, and it went on
    assert heard(a, "hung") == 1
    redis.process.send_signal(signal.SIGCONT)
    for w in two:
        wait_until(lambda: metric(w, "redis_up") == 2, 20)
    assert post(a, "hung", "/token/refused") == (400, None)  # what is left there is its own
    wait_until(lambda: claims(redis) == [])
    assert post(b, "hung") == (200, None)
