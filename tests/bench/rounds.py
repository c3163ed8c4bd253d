"""The method: contenders take turns, a figure is the median of the rounds with its range, and a run of which others took
over 15 % of the core is done again."""
import statistics, sys, time
import load, machine

FOREIGN_MOST, ATTEMPTS = 0.15, 10


def once(house, contender, make_load):
    """CPU us per piece of work, pieces per second, and the share of the core that went neither to us nor to idleness."""
    def ours():
        return contender.cpu() + machine.cpu_seconds(house.origin.pid) + machine.ended_children_seconds()
    contender.empty_logs()
    before, own, busy, at = contender.cpu(), ours(), machine.core_busy_seconds(), time.monotonic()
    done = make_load(contender)
    took = time.monotonic() - at
    spent = contender.cpu() - before
    foreign = (machine.core_busy_seconds() - busy - (ours() - own)) / took / len(machine.watched)
    return {"us": spent / done * 1e6, "per_second": done / took, "foreign": round(foreign, 3)}


def undisturbed(house, contender, make_load, judged):
    for _ in range(ATTEMPTS):
        got = once(house, contender, make_load)
        if got["foreign"] <= FOREIGN_MOST or not judged:
            return got
        print(f"  {contender.title}: done again, since others had {got['foreign']:.0%} of the core", file=sys.stderr)
    raise SystemExit("this machine is too busy to measure on")


def interleaved(house, pairs, rounds, judged=True):
    """pairs: (contender, its load). Each is warmed once, then all take turns. judged=False: of a load that leaves the core
    idle, in which others may have it: what they took is told, and nothing is done again."""
    rows = {c.title: [] for c, _ in pairs}
    for c, make_load in pairs:
        load_once = make_load(-1)
        load_once(c)
    for n in range(rounds):
        for c, make_load in pairs:
            rows[c.title].append(undisturbed(house, c, make_load(n), judged))
    return [summary(title, runs) for title, runs in rows.items()]


def summary(title, runs):
    us = [r["us"] for r in runs]
    return {"contender": title, "us": round(statistics.median(us), 2), "us_min": round(min(us), 2),
            "us_max": round(max(us), 2), "per_second": round(statistics.median(r["per_second"] for r in runs)),
            "foreign": max(r["foreign"] for r in runs), "runs": [round(x, 2) for x in us],
            "rates": [round(r["per_second"]) for r in runs]}


def ratio(row, rows, of, what="runs"):
    """The median of the ratios of the same round: what slowed the machine in a round slowed both."""
    other = next((r for r in rows if r["contender"] == of), None)
    if not other or len(other[what]) != len(row[what]):
        return None
    return round(statistics.median(a / b for a, b in zip(row[what], other[what])), 3)
