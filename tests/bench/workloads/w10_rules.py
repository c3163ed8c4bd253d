"""Rules that never match, so that each is tried; every other one looks for words of its own in the user agent."""
TITLE = "w10 sallyport with 0, 60 and 250 rules, none of which matches"
NOTE = "256 rules are the most that a set may have."


def text(count):
    out = [f'list words{i} : words "robot-{i}/", "agent-{i} "' for i in range(min(count // 2, 60))]
    for i in range(count):
        term = f"ua in words{i // 2}" if i % 2 and i // 2 < 60 else f'path "/nowhere/{i}/*" and method "PUT"'
        out.append(f"rule r{i} when {term} class declared")
    return "\n".join(out) + "\n"


def run(house):
    servers = []
    for count in (0, 60, 250):
        rules = house.where / f"{count}.rules"
        rules.write_text(text(count))
        servers.append(house.start("sallyport", "rules", title=f"{count} rules", RULES=rules))
    got = house.turns([(c, house.wrk()) for c in servers])
    return house.table(got, "request", ["0 rules"])
