"""Machine clients that delete what they are told is not there, and an origin that can be made to say so."""
import json, threading
from house import BINARY, connect, exchange, header, run

ROUTES = """  - {name: clusters, path: /clusters/*, upstream: app, verify: {issuer: local}, reconcile: true}
  - {name: lists, path: /lists/*, upstream: app, verify: {issuer: local}, reconcile: true, watch_empty: true}
"""
THERE = ("200 OK", b'{"there": true}', ["Content-Type: application/json"])
GONE = ("404 Not Found", b"{}", ["Content-Type: application/json"])
ATTESTED = ("404 Not Found", b"{}", ["Sallyport-Attest: dev"])
STAGING = ("404 Not Found", b"{}", ["Sallyport-Attest: staging"])
FULL = ("200 OK", b'{"items": [{"name": "a"}], "total": 1}', ["Content-Type: application/json"])
EMPTY = ("200 OK", b'{"items": [], "total": 0}', ["Content-Type: application/json"])


class Fleet:
    """Reconcilers, each with its own token, path and connection."""

    def __init__(self, world, count):
        self.w = world
        self.names = [f"harmony-{i}" for i in range(count)]
        self.tokens = [world.issuer.token(sub=name, azp=name) for name in self.names]
        self.socks = {}
        for i in range(count):
            self.say(i, THERE)
            self.say(i, FULL, "lists")

    def path(self, i, kind="clusters"):
        return f"/{kind}/{self.names[i]}"

    def say(self, i, what, kind="clusters"):
        self.w.origin.fail[self.path(i, kind)] = what

    def say_all(self, what, kind="clusters"):
        for i in range(len(self.names)):
            self.say(i, what, kind)

    def poll(self, i, kind="clusters", world=None, method="GET"):
        w = world or self.w
        at = (i, w.port)
        for again in (True, False):
            try:
                if at not in self.socks:
                    self.socks[at] = connect(w.port, w.ca)
                answer = exchange(self.socks[at], method, self.path(i, kind), [("Authorization", "Bearer " + self.tokens[i])])
                assert answer, "closed"
                if (header(answer, "connection") or "").lower() == "close":
                    self.socks.pop(at).close()
                return answer
            except (OSError, AssertionError):
                self.socks.pop(at).close() if at in self.socks else None
                if not again:
                    raise

    def round(self, kind="clusters", world=None, threads=8):
        """Everybody polls once, several at a time: their statuses."""
        found, lock, left = {}, threading.Lock(), list(range(len(self.names)))

        def work():
            while True:
                with lock:
                    if not left:
                        return
                    i = left.pop(0)
                found[i] = self.poll(i, kind, world)[0]
        crew = [threading.Thread(target=work) for _ in range(threads)]
        for t in crew:
            t.start()
        for t in crew:
            t.join()
        return [found[i] for i in range(len(self.names))]


def guard(world, *words):
    done = run(BINARY, "guard", *words, "-c", world.proxy.file, "-o", "json", env=world.proxy.env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def route(world, name="clusters"):
    return next(r for r in guard(world)["routes"] if r["route"] == name)


def ledger(world, *words):
    done = run(BINARY, "ledger", *words, "-c", world.proxy.file, "-o", "json", env=world.proxy.env)
    assert done.returncode == 0, done.stderr
    return {c["subject"]: c for c in json.loads(done.stdout)["clients"]}
