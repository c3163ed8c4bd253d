"""Load: what was done, and what failed. A figure of a run with failures is no figure."""
import os, pathlib, re, subprocess
import machine

SCRIPTS = pathlib.Path(__file__).resolve().parent / "tools"


class Failed(Exception):
    pass


def run(args, **more):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **more)
    if done.returncode:
        raise Failed(f"{args[0]} ended with status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def wrk(contender, seconds, path="/x", connections=64, scheme="https", script=None, refused=False, loud=False, **env):
    """Requests done. refused: other answers than 2xx are what is asked for. loud: failures are returned, not raised."""
    script = ["-s", SCRIPTS / script] if script else []
    out = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *script,
               f"{scheme}://127.0.0.1:{contender.port}{path}"],
              env=dict(os.environ, **{k: str(v) for k, v in env.items()}))
    done = int(re.search(r"(\d+) requests in", out).group(1))
    other = int((re.search(r"Non-2xx or 3xx responses: (\d+)", out) or [0, 0])[1])
    errors = sum(int(x) for x in (re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out) or
                                  re.match("()", "")).groups() if x)
    if loud:
        return {"done": done, "other": other, "errors": errors}
    if errors or done == 0 or (other < 0.9 * done if refused else other):
        raise Failed(f"{contender.title}:\n{out}")
    return done


def h2load(contender, seconds, connections, streams, path="/x"):
    out = run(["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds}", "--warm-up-time=0",
               f"https://127.0.0.1:{contender.port}{path}"])
    total, done, failed, errored, timed_out = (int(re.search(rf"(\d+) {what}", out).group(1)) for what in
                                               ("total", "succeeded", "failed", "errored", "timeout"))
    ok = int(re.search(r"(\d+) 2xx", out).group(1))
    if failed or errored or timed_out or not done or ok < done or "h2" not in out:
        raise Failed(f"{contender.title}:\n{out}")
    return done


def connect(contender, seconds, resume=False):
    out = run([machine.BUILT / "tests/bench/visit", "connect", contender.port, seconds] + (["resume"] if resume else []))
    done, resumed, failed = (int(x) for x in re.findall(r"\d+", out))
    if failed or not done or resumed < (done - 8 if resume else 0) or (not resume and resumed):
        raise Failed(f"{contender.title}: {out}")
    return done


class Held:
    """Idle connections, until the block ends."""

    def __init__(self, contender, count, protocol):
        self.title = contender.title
        self.process = subprocess.Popen([str(machine.BUILT / "tests/bench/visit"), "hold", str(contender.port), str(count),
                                         protocol], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.held = int((self.process.stdout.readline().split() or [0, 0])[1])
        if self.held < count:
            self.end()
            raise Failed(f"{contender.title} took {self.held} of {count} connections")

    def __enter__(self):
        return self

    def end(self):
        self.process.stdin.close()
        return self.process.wait()

    def __exit__(self, kind, *_):
        if self.end() and not kind:
            raise Failed(f"{self.title} has closed some of {self.held} idle connections")
