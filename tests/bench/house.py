"""What all workloads share: certificates, tokens, the origin, the contenders that run, and the words for what to measure."""
import contextlib, os, pathlib, subprocess, tempfile
import contender, load, machine, rounds


class House:
    def __init__(self, rounds, seconds, tokens, crowds):
        self.rounds, self.seconds, self.tokens, self.crowds = rounds, seconds, tokens, crowds
        self.where = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-bench-"))
        os.chmod(self.where, 0o755)
        self.running, self.minted = [], False
        port = contender.free_port()
        self.origin = subprocess.Popen([str(machine.BUILT / "tests/bench/origin"), str(port)])
        contender.wait_for(port, self.origin, "the origin")
        self.options = {"ORIGIN": port, "TOKENS": self.where, **self.certificate("ec", "-pkeyopt", "ec_paramgen_curve:P-256")}
        self.rsa = self.certificate("rsa:2048")

    def certificate(self, kind, *more):
        key, chain, both = (self.where / f"{kind[:3]}-{what}.pem" for what in ("key", "chain", "both"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", kind, *more, "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", chain],
                       check=True, capture_output=True)
        both.write_text(chain.read_text() + key.read_text())
        return {"CHAIN": chain, "KEY": key, "BOTH": both}

    def mint(self):
        if not self.minted:
            subprocess.run([str(machine.BUILT / "tests/bench/mint"), str(self.tokens), str(self.where)], check=True)
            (self.where / "keys.json").chmod(0o644)
        self.minted = True

    # ---- contenders ----

    def start(self, name, setup="plain", **options):
        if setup == "whole":
            self.mint()
        if not contender.can_run(name):
            raise SystemExit(f"{name} is not installed: make bench-deps does it")
        self.running.append(contender.Contender(self, name, setup, **options))
        return self.running[-1]

    def starts(self, names, setup="plain", **options):
        return [self.start(name, setup, **options) for name in names]

    def stop_all(self):
        while self.running:
            self.running.pop().stop()

    @contextlib.contextmanager
    def spread(self):
        """Load and origin on all cores, for contenders that are there as well."""
        pids, cores = (0, self.origin.pid), set(machine.CORES)
        for pid in pids:
            os.sched_setaffinity(pid, cores)
        machine.watched = cores
        yield
        for pid in pids:
            os.sched_setaffinity(pid, {machine.CORE})
        machine.watched = {machine.CORE}

    @contextlib.contextmanager
    def apart(self):
        """Load and origin on another core than the contenders: what they do at most is told by the requests per second."""
        pids, other = (0, self.origin.pid), machine.CORES[0]
        for pid in pids:
            os.sched_setaffinity(pid, {other})
        machine.watched = {other, machine.CORE}
        yield
        for pid in pids:
            os.sched_setaffinity(pid, {machine.CORE})
        machine.watched = {machine.CORE}

    # ---- loads: of a round's number and a contender ----

    def wrk(self, seconds=None, **args):
        if "script" in args:
            args["TOKENS"] = self.where / "tokens"
        return lambda n: lambda c: load.wrk(c, seconds or self.seconds, **args)

    def h2load(self, connections, streams):
        return lambda n: lambda c: load.h2load(c, self.seconds, connections, streams)

    def connect(self, resume):
        return lambda n: lambda c: load.connect(c, self.seconds, resume)

    # ---- figures ----

    def turns(self, pairs, judged=True):
        return rounds.interleaved(self, pairs, self.rounds, judged)

    def table(self, rows, unit, against, prefix="", pace=()):
        """pace: whom the requests per second are compared with, too."""
        for row in rows:
            row["unit"] = unit
            row["ratios"] = {of: rounds.ratio(row, rows, of) for of in against}
            row["pace"] = {of: rounds.ratio(row, rows, of, "rates") for of in pace}
        for row in rows:
            row["contender"] = prefix + row["contender"]
        return rows
