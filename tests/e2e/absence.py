"""A fleet of real proxies on one Redis, one busy key, and a second-by-second count of who is admitted."""
import threading, time
from house import connect, exchange, wait_until
from test_redis import FLEET, SECRET, metric

RATE = 100  # a second, and the burst
LIMITS = f"\n  busy: {{key: [\"header:X-Key\"], rate: {RATE}/s, burst: {RATE}}}\n"
ROUTES = """
  - {name: busy, path: /busy/*, upstream: app, anonymous: true, limits: [busy]}
redis: {servers: "redis://127.0.0.1:PORT", fleet_floor: COUNT, budget: 50ms}
"""


def fleet_of(make_world, redis, count, workers=1):
    routes = ROUTES.replace("PORT", str(redis.port)).replace("COUNT", str(count))
    worlds = [make_world(workers=workers, limits=LIMITS, routes=routes + SECRET, env=FLEET) for _ in range(count)]
    for w in worlds:
        wait_until(lambda: metric(w, "redis_up") == workers + 1 and metric(w, "fleet_size") == count, 30)
    return worlds


class Crowd:
    """Asks all proxies for the one key, more often than it may, until the block ends."""

    def __init__(self, worlds, each=2, pause=0.004):
        self.admitted, self.stop = [], threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(w, pause)) for w in worlds for _ in range(each)]

    def ask(self, world, pause):
        sock = connect(world.port, world.ca)
        while not self.stop.is_set():
            if exchange(sock, "GET", "/busy/x", [("X-Key", "one")])[0] == 200:
                self.admitted.append(time.monotonic())
            time.sleep(pause)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def between(self, begin, end):
        return sum(begin <= t < end for t in self.admitted)

    def by_second(self, begin, seconds):
        return [self.between(begin + s, begin + s + 1) for s in range(seconds)]
