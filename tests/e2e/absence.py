"""A fleet of real proxies on one Redis, one busy key, and who of those that ask for it is admitted when."""
import json, pathlib, subprocess, sys
from house import wait_until
from test_redis import FLEET, SECRET, metric

RATE = 200    # a second, and the burst
OFFERED = 800 # a second, over all proxies
LIMITS = f"\n  busy: {{key: [\"header:X-Key\"], rate: {RATE}/s, burst: {RATE}}}\n"
ROUTES = """
  - {name: busy, path: /busy/*, upstream: app, anonymous: true, limits: [busy]}
redis: {servers: "redis://127.0.0.1:PORT", fleet_floor: COUNT, budget: BUDGET}
"""


def fleet_of(make_world, redis, count, workers=1, budget="50ms"):
    routes = ROUTES.replace("PORT", str(redis.port)).replace("COUNT", str(count)).replace("BUDGET", budget)
    worlds = [make_world(workers=workers, limits=LIMITS, routes=routes + SECRET, env=FLEET) for _ in range(count)]
    for w in worlds:
        wait_until(lambda: metric(w, "redis_up") == workers + 1 and metric(w, "fleet_size") == count, 30)
    return worlds


def kill_one(redis, n):
    """The connection of one worker, of each in turn, is reset. False: there is none."""
    lines = sorted(line for line in redis.cli("client", "list").splitlines() if " name=sallyport-worker-" in line)
    ids = [dict(word.split("=", 1) for word in line.split())["id"] for line in lines]
    return bool(ids) and redis.cli("client", "kill", "id", ids[n % len(ids)]).strip() == "1"


class Crowd:
    """Asks all proxies for the one key, OFFERED times a second, until the block ends; a process of its own for each, so that
    what is measured here waits for nobody."""

    def __init__(self, worlds, offered=OFFERED):
        script = str(pathlib.Path(__file__).with_name("crowd.py"))
        self.command = [[sys.executable, script, str(w.plain), str(offered / len(worlds))] for w in worlds]
        self.admitted, self.asked = [], []

    def __enter__(self):
        self.clients = [subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for c in self.command]
        return self

    def __exit__(self, *_):
        for c in self.clients:
            c.stdin.close()
        for c in self.clients:
            told = json.loads(c.stdout.read())
            assert c.wait(20) == 0
            self.admitted += told["admitted"]
            self.asked += told["asked"]
        self.admitted.sort()

    def between(self, begin, end):
        return sum(begin <= t < end for t in self.admitted)

    def by_second(self, begin, seconds):
        return [self.between(begin + s, begin + s + 1) for s in range(seconds)]

    def offered(self, begin, end):
        return sum(begin <= t < end for t in self.asked)

    def over(self, rate=RATE, burst=RATE):
        """How many more than burst + rate * t were admitted, over whichever stretch of time that is most."""
        level, last, most = 0.0, 0.0, 0.0
        for t in self.admitted:
            level = max(0.0, level - (t - last) * rate) + 1
            most, last = max(most, level), t
        return round(most - burst, 1)
