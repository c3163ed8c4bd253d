TITLE = "w9 one worker and two, unpinned: load, origin and contender share all cores"
NOTE = ("On two cores two workers compete with the load that they serve: read it together with the cores of the machine. "
        "Idle time is left to others, so what they took is told in the results, and no run is done again.")


def run(house):
    rows = []
    for workers in (1, 2):
        servers = [house.start(n, pinned=False, WORKERS=workers) for n in ("sallyport", "nginx", "haproxy")]
        with house.spread():
            got = house.turns([(c, house.wrk()) for c in servers], judged=False)
        rows += house.table(got, "request", ["nginx", "HAProxy"], f"{workers} worker{'s' * (workers > 1)}: ")
        house.stop_all()
    return rows
