TITLE = "w7 a flood of requests over the limit: CPU per refusal"
NOTE = "nginx: limit_req; HAProxy: a stick table. sallyport also tells the limit and when to come back, and logs."


def run(house):
    servers = house.starts(["sallyport", "nginx", "haproxy"], "flood")
    got = house.turns([(c, house.wrk(refused=True)) for c in servers])
    return house.table(got, "refusal", ["nginx", "HAProxy"])
