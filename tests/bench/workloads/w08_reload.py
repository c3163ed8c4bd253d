"""Failed requests in five reloads under load."""
import threading, time
import load

TITLE = "w8 requests that failed in 5 reloads under load (32 connections)"
NOTE = ""


def run(house):
    rows = []
    for name in ("sallyport", "nginx", "haproxy"):
        c = house.start(name)
        got = {}
        worker = threading.Thread(target=lambda: got.update(load.wrk(c, 12, connections=32, loud=True)))
        worker.start()
        for _ in range(5):
            time.sleep(2)
            c.reload()
        worker.join()
        rows.append({"contender": c.title, "unit": "reload", "requests": got["done"], "failed": got["other"] + got["errors"]})
        house.stop_all()
    return rows
