TITLE = "w11 sallyport with buckets of 10^3, 10^6 and 10^7 keys, drawn evenly"
NOTE = "16 bytes a bucket, in a table with room for twice the keys; the keys are the client's own words."


def run(house):
    servers = [(house.start("sallyport", "keys", title=f"10^{power} keys", SLOTS=max(65536, 2 * 10 ** power)), 10 ** power)
               for power in (3, 6, 7)]
    got = house.turns([(c, house.wrk(script="keys.lua", KEYS=keys)) for c, keys in servers])
    return house.table(got, "request", ["10^3 keys"])
