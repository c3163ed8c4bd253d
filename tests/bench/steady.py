#!/usr/bin/python3
"""Memory under steady load: the resident memory of each of sallyport's processes, every ten seconds.

usage: steady.py [--minutes N]   (default 10)
Fails where a worker's memory in the last quarter is over 2 % (and 1 MiB) above that of the second quarter."""
import json, pathlib, shutil, statistics, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import house, load, machine

EVERY = 10


def rss(pid):
    """{process: KiB}"""
    found = {}
    for p in machine.family(pid):
        try:
            text = pathlib.Path(f"/proc/{p}/status").read_text()
            found[p] = int(text.split("VmRSS:")[1].split()[0])
        except (OSError, IndexError):
            pass
    return found


def drive(h, c, until, failures):
    """Tokens known and new, keys of many clients, bodies small and large; every minute another mixture."""
    loads = [h.wrk(seconds=10, script="bearer.lua", FROM=0, COUNT=1000), h.wrk(seconds=10, script="bearer.lua", FROM=0,
             COUNT=20000), h.wrk(seconds=10, script="bearer.lua", FROM=0, COUNT=5000, path="/16384"),
             h.wrk(seconds=10, script="bearer.lua", FROM=0, COUNT=5000, path="/262144", connections=16)]
    n = 0
    while time.monotonic() < until:
        try:
            c.empty_logs()
            loads[n % len(loads)](0)(c)
        except load.Failed as why:
            failures.append(str(why))
            return
        n += 1


def main():
    minutes = float(sys.argv[sys.argv.index("--minutes") + 1]) if "--minutes" in sys.argv else 10
    machine.settle_here(before_others=False)
    h = house.House(1, 1, 20000, ())
    series, failures = [], []
    try:
        c = h.start("sallyport", "whole")
        began, until = time.monotonic(), time.monotonic() + minutes * 60
        worker = threading.Thread(target=drive, args=(h, c, until, failures))
        worker.start()
        while worker.is_alive():
            time.sleep(EVERY)
            series.append({"s": round(time.monotonic() - began), "kib": rss(c.process.pid)})
            print(f"{series[-1]['s']:5} s  " + "  ".join(f"{k} KiB" for k in series[-1]["kib"].values()), flush=True)
        worker.join()
    finally:
        h.stop_all()
        h.origin.kill()
        shutil.rmtree(h.where, ignore_errors=True)
    to = machine.ROOT / "build/bench"
    to.mkdir(parents=True, exist_ok=True)
    (to / "steady.json").write_text(json.dumps({"machine": machine.facts(), "series": series}, indent=1) + "\n")
    judge(series, failures)


def judge(series, failures):
    if failures:
        sys.exit(failures[0])
    quarter = max(len(series) // 4, 1)
    for pid in series[0]["kib"]:
        values = [s["kib"].get(pid, 0) for s in series]
        early, late = (statistics.mean(values[i * quarter:(i + 1) * quarter]) for i in (1, 3))
        print(f"process {pid}: {early:.0f} KiB in the second quarter, {late:.0f} in the last")
        if late > early * 1.02 and late > early + 1024:
            sys.exit("memory grows under steady load")


main()
