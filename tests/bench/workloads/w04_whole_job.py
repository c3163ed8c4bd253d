TITLE = "w4 the whole job: TLS, a verified RS256 token, limits, classification, the log"
NOTE = ("HAProxy verifies each time, as it has no cache, and writes no log; nginx + Lua keeps verdicts and asks Redis for each "
        "request; sallyport keeps verdicts, and its buckets in memory. A run of tokens seen once ends with its tokens.")


def run(house):
    rows = []
    many, few = house.tokens, 1000
    house.start("sallyport", "whole")
    house.start("haproxy", "whole")
    house.start("nginx-lua-redis", "whole")
    reused = house.turns([(c, house.wrk(script="bearer.lua", FROM=0, COUNT=few)) for c in house.running])
    rows += house.table(reused, "request", ["HAProxy", "nginx + Lua + Redis"], f"{few} tokens reused: ")
    part = (many - few) // (house.rounds + 1)
    once = house.turns([(c, lambda n: house.wrk(script="bearer.lua", ONCE=1, COUNT=part, FROM=few + (n + 1) * part)(n))
                        for c in house.running], judged=False)
    return rows + house.table(once, "request", ["HAProxy", "nginx + Lua + Redis"], f"{part} tokens a round, seen once: ")
