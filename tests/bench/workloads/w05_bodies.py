TITLE = "w5 bodies: answers of 16 KiB, 256 KiB and 1 MiB"
NOTE = ""


def run(house):
    rows = []
    servers = house.starts(["sallyport", "nginx", "haproxy"])
    for size, name, connections in ((16 << 10, "16 KiB", 64), (256 << 10, "256 KiB", 32), (1 << 20, "1 MiB", 16)):
        got = house.turns([(c, house.wrk(path=f"/{size}", connections=connections)) for c in servers])
        rows += house.table(got, "request", ["nginx", "HAProxy"], f"{name}: ")
    return rows
