"""Redis was away from a fleet of four; at length in tests/drills."""
import signal, time
from absence import RATE, Crowd, fleet_of, kill_one
from test_redis import redis  # noqa: F401


def test_a_busy_key_has_its_rate_again_from_the_second_second_after_redis_hung(make_world, redis):
    worlds = fleet_of(make_world, redis, 4)
    with Crowd(worlds) as crowd:
        time.sleep(1.5)
        redis.process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        redis.process.send_signal(signal.SIGCONT)
        back = time.monotonic()
        time.sleep(3.5)
    second, third = crowd.by_second(back + 1, 2)
    assert crowd.offered(back - 3, back + 3) > 2 * 6 * RATE  # the machine was able to ask for more than there is
    assert min(second, third) >= 0.9 * RATE, crowd.by_second(back, 3)
    assert crowd.between(back, back + 3) <= RATE * 3 + RATE * 1.1


def test_connections_that_are_reset_give_a_busy_key_nothing(make_world, redis):
    worlds = fleet_of(make_world, redis, 4)
    with Crowd(worlds) as crowd:
        time.sleep(1.5)
        for n in range(10):
            assert kill_one(redis, n)
            time.sleep(0.09)
        time.sleep(0.7)
    assert crowd.over() <= RATE / 10, crowd.by_second(crowd.admitted[0], 3)
