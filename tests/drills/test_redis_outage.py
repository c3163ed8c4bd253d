"""Redis away from a fleet of four, at length and in several ways; prints who was admitted in each second after it."""
import signal, time
import pytest
from absence import RATE, Crowd, fleet_of
from conftest import authority, issuer, make_world  # noqa: F401
from test_redis import redis  # noqa: F401


def hang(redis, seconds):
    redis.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    redis.process.send_signal(signal.SIGCONT)


def fill(redis, seconds):
    redis.cli("config", "set", "maxmemory-policy", "noeviction")
    redis.cli("config", "set", "maxmemory", "1mb")
    time.sleep(seconds)
    redis.cli("config", "set", "maxmemory", "0")


def restart_empty(redis, seconds):
    redis.stop()
    time.sleep(seconds)
    redis.start()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("away, seconds", [(hang, 5), (hang, 20), (fill, 5), (restart_empty, 5)])
def test_a_busy_key_after_an_outage(make_world, redis, away, seconds, workers):
    worlds = fleet_of(make_world, redis, 4, workers)
    with Crowd(worlds) as crowd:
        time.sleep(2)
        away(redis, seconds)
        back = time.monotonic()
        time.sleep(7)
    after = crowd.by_second(back, 7)
    print(f"\n{away.__name__} for {seconds} s, {workers} worker(s) each, {crowd.offered(back, back + 7) / 7:.0f}/s asked for: during it "
          f"{crowd.between(back - seconds, back) / seconds:.0f}/s, in the seconds after it {after}, of {RATE}/s")
    assert crowd.offered(back, back + 7) > 7 * 3 * RATE
    assert min(after[1:6]) >= 0.9 * RATE
    assert sum(after[:6]) <= 6 * RATE + 1.1 * RATE
