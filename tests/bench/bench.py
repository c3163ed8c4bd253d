#!/usr/bin/python3
"""The side-by-side bench: every workload, or those that are named.

usage: bench.py [--quick] [--rounds N] [--seconds N] [--to DIRECTORY] [w1 w4 ...]
Writes results.json and report.html; prints a table for each workload."""
import argparse, importlib, json, pathlib, shutil, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "workloads")]
import contender, house, load, machine, page, tell

QUICK = ["w1", "w4", "w7"]


def names():
    return sorted(p.stem for p in (HERE / "workloads").glob("w*.py"))


def short(name):
    return "w" + str(int(name[1:3]))


def arguments():
    known = [short(n) for n in names()]
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="of " + " ".join(known))
    p.add_argument("--quick", action="store_true", help="w1, w4 and w7 in under a minute")
    p.add_argument("--rounds", type=int, help="default 7; quick 2")
    p.add_argument("--seconds", type=int, default=1, help="of each run")
    p.add_argument("--to", type=pathlib.Path, default=machine.ROOT / "build/bench")
    a = p.parse_args()
    unknown = set(a.workloads) - set(known)
    if unknown:
        p.error(f"there is no workload {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    a.workloads = a.workloads or (QUICK if a.quick else known)
    a.rounds = a.rounds or (2 if a.quick else 7)
    return a


def measure(h, name):
    workload = importlib.import_module(name)
    try:
        rows = workload.run(h)
    except load.Failed as why:
        raise SystemExit(f"{name}: a run had failures, so there is no figure: {why}")
    finally:
        h.stop_all()
    alone = not any(t in r["contender"] for r in rows for t in contender.TITLES.values() if t != "sallyport")
    result = {"name": name, "title": workload.TITLE, "note": workload.NOTE, "rows": rows, "alone": alone}
    print(f"\n{workload.TITLE}\n\n{tell.table(result)}\n", flush=True)
    if workload.NOTE:
        print(workload.NOTE, flush=True)
    return result


def main():
    a = arguments()
    gone = machine.missing(["nginx", "haproxy", "redis-server", "wrk", "h2load", "ss", "openssl"])
    if gone:
        sys.exit(f"missing: {', '.join(gone)}; make bench-deps installs them")
    results = {"rounds": a.rounds, "seconds": a.seconds, "machine": machine.facts(), "workloads": []}
    print(tell.facts(results["machine"]), flush=True)
    machine.settle_here()
    crowd = min(20000, int(machine.descriptors() * 0.85))
    h = house.House(a.rounds, a.seconds, 3000 if a.quick else 101000, (500,) if a.quick else (2000, crowd))
    try:
        for name in names():
            if short(name) in a.workloads:
                results["workloads"].append(measure(h, name))
    finally:
        h.stop_all()
        h.origin.kill()
        shutil.rmtree(h.where, ignore_errors=True)
    a.to.mkdir(parents=True, exist_ok=True)
    (a.to / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (a.to / "report.html").write_text(page.page(results))
    print(f"\n{a.to}/results.json: the figures of every round; {a.to}/report.html: the same as charts")


if __name__ == "__main__":
    main()
