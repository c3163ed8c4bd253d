"""Each figure is of a server of its own: what an earlier crowd left behind would be counted as the next one's."""
import time
import load

TITLE = "w6 memory per idle TLS 1.3 connection that has been served once, KiB, private"
NOTE = "20,000, or as many as the descriptors of one process allow."


def run(house):
    rows = []
    for protocol in ("h1", "h2"):
        for count in house.crowds:
            for name in ("sallyport", "nginx", "haproxy"):
                c = house.start(name)
                before = c.memory()
                with load.Held(c, count, protocol) as crowd:
                    time.sleep(2)
                    rows.append({"contender": f"{protocol}, {crowd.held}: {c.title}", "unit": "connection",
                                 "kib": round((c.memory() - before) / crowd.held, 1)})
                house.stop_all()
    return rows
