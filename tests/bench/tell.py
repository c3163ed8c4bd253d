"""Results as tables for a terminal or a README."""


def cell(value):
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def table(result):
    rows = result["rows"]
    if "kib" in rows[0]:
        return markdown(["", "KiB per idle connection"], [[r["contender"], f"{r['kib']:.1f}"] for r in rows])
    if "failed" in rows[0]:
        return markdown(["", "requests", "failed"], [[r["contender"], r["requests"], r["failed"]] for r in rows])
    against = list(rows[0]["ratios"])
    pace = list(rows[0].get("pace", ()))
    heads = ["", f"CPU us per {rows[0]['unit']}, median [min, max]"] + [f"/ {a}" for a in against] + ["per second"]
    heads += [f"per second / {a}" for a in pace]
    return markdown(heads, [[r["contender"], f"{r['us']:.1f} [{r['us_min']:.1f}, {r['us_max']:.1f}]"] +
                            [r["ratios"].get(a) for a in against] + [r["per_second"]] + [r["pace"].get(a) for a in pace]
                            for r in rows])


def markdown(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(cell(c) for c in row) + " |" for row in rows])


def facts(machine):
    return (f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['congestion_control']}; "
            f"{machine['openssl']}; {machine['nginx']}; {machine['haproxy']}; {machine['sallyport']} ({machine['commit']}); "
            f"load before: {machine['load_before']:.1f}")
