TITLE = "w12 HTTP/2, small GET, load and origin on another core than the proxy: connections x streams"
NOTE = "More requests at once than an upstream pool keeps by default; what a proxy does at most is its requests per second."


def run(house):
    rows = []
    servers = house.starts(["sallyport", "nginx", "haproxy"])
    with house.apart():
        for connections, streams in ((32, 8), (8, 16)):
            got = house.turns([(c, house.h2load(connections, streams)) for c in servers])
            rows += house.table(got, "request", ["nginx", "HAProxy"], f"{connections} x {streams}: ", pace=["HAProxy"])
    return rows
