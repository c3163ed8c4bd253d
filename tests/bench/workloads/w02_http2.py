TITLE = "w2 HTTP/2, small GET: connections x streams"
NOTE = ""


def run(house):
    rows = []
    servers = house.starts(["sallyport", "nginx", "haproxy"])
    for connections, streams in ((8, 8), (4, 32), (32, 1)):
        got = house.turns([(c, house.h2load(connections, streams)) for c in servers])
        rows += house.table(got, "request", ["nginx", "HAProxy"], f"{connections} x {streams}: ")
    return rows
