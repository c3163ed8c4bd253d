#!/usr/bin/python3
"""Where the time goes: user space and kernel of each contender under the load of w1 (or, with the word whole, of w4), then
perf on sallyport's processes.

usage: profile.py [plain|whole] [--seconds N]
Writes build/bench/profile.txt (functions by share) and build/bench/flame.svg."""
import os, pathlib, shutil, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import contender, house, load, machine


def words(h, setup):
    return dict(script="bearer.lua", FROM=0, COUNT=1000, TOKENS=h.where / "tokens") if setup == "whole" else {}


def halves(h, setup, seconds):
    print("| CPU us per request | user space | kernel |\n|---|---|---|")
    for name in ("sallyport", "nginx", "haproxy", "relay"):
        if not contender.has(name, setup) or not contender.can_run(name):
            continue
        c = h.start(name, setup)
        more = dict(words(h, setup), scheme="http" if name == "relay" else "https")
        load.wrk(c, 1, **more)
        before = machine.user_and_kernel(c.process.pid)
        done = load.wrk(c, seconds, **more)
        user, kernel = ((b - a) / done * 1e6 for a, b in zip(before, machine.user_and_kernel(c.process.pid)))
        print(f"| {c.title} | {user:.1f} | {kernel:.1f} |", flush=True)
        h.stop_all()


def record(h, c, setup, seconds, data):
    script = words(h, setup)
    load.wrk(c, 1, **script)
    pids = ",".join(str(p) for p in machine.family(c.process.pid))
    perf = subprocess.Popen(["perf", "record", "-q", "-F", "1999", "--call-graph", "dwarf,8192", "-o", data, "-p", pids],
                            stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, set(machine.CORES)))
    load.wrk(c, seconds, **script)
    perf.terminate()
    perf.wait()


def main():
    setup = "whole" if "whole" in sys.argv else "plain"
    seconds = int(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 4
    if not shutil.which("perf"):
        sys.exit("perf is missing: apt-get install linux-perf")
    to = machine.ROOT / "build/bench"
    to.mkdir(parents=True, exist_ok=True)
    machine.settle_here()
    h = house.House(1, 1, 2000, ())
    data = str(h.where / "perf.data")
    try:
        halves(h, setup, seconds)
        record(h, h.start("sallyport", setup), setup, seconds, data)
        report = subprocess.run(["perf", "report", "-i", data, "--no-children", "-g", "none", "--percent-limit", "0.2",
                                 "--stdio", "--sort", "dso,symbol"], capture_output=True, text=True).stdout
        script = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], capture_output=True, text=True).stdout
    finally:
        h.stop_all()
        h.origin.kill()
        shutil.rmtree(h.where, ignore_errors=True)
    (to / "profile.txt").write_text(report)
    svg = subprocess.run([sys.executable, str(HERE / "flame.py")], input=script, capture_output=True, text=True, check=True)
    (to / "flame.svg").write_text(svg.stdout)
    lines = [l for l in report.splitlines() if l.strip() and not l.startswith("#")]
    print("\n" + "\n".join(lines[:40]) + f"\n\n{to}/profile.txt: all of them; {to}/flame.svg: the flame graph")


main()
