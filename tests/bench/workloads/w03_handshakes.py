TITLE = "w3 new connections: handshake, one GET, close"
NOTE = "resumed: by a ticket of the last visit; the run asserts that it was taken."


def run(house):
    rows = []
    for title, options, resume in (("P-256: ", {}, False), ("RSA-2048: ", house.rsa, False), ("P-256 resumed: ", {}, True)):
        servers = house.starts(["sallyport", "nginx", "haproxy"], **options)
        got = house.turns([(c, house.connect(resume)) for c in servers])
        rows += house.table(got, "connection", ["nginx", "HAProxy"], title)
        house.stop_all()
    return rows
