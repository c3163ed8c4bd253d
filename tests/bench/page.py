"""One HTML file, complete in itself: a chart for each workload, and the tables behind them."""
import html
import tell

BAR, GAP, LEFT, WIDE = 18, 8, 330, 520
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2.2rem 0 .3rem}p{margin:.3rem 0;color:#4a5668}
table{border-collapse:collapse;margin:.6rem 0;font-size:13px}
td,th{padding:.15rem .7rem;border-bottom:1px solid #dde3ea;text-align:right}
td:first-child,th:first-child{text-align:left}svg{display:block;margin:.6rem 0}
svg text{font:13px system-ui,sans-serif;fill:#1c2430}
.ours{fill:#1f7a5c}.theirs{fill:#9fb0c3}.range{stroke:#1c2430;stroke-width:1.5}
@media(prefers-color-scheme:dark){body{background:#151a21;color:#dfe6ee}p{color:#9aa8b8}
svg text{fill:#dfe6ee}.range{stroke:#dfe6ee}td,th{border-color:#2c3542}.theirs{fill:#56677c}.ours{fill:#3fae87}}"""


def figure(row):
    for key in ("us", "kib", "failed"):
        if key in row:
            return key, row[key]


def words(row):
    key, value = figure(row)
    return {"us": f"{value:.1f} us", "kib": f"{value:.1f} KiB", "failed": f"{value} failed"}[key]


def chart(result):
    rows = result["rows"]
    most = max(max(figure(r)[1], r.get("us_max", 0)) for r in rows) or 1
    high = len(rows) * (BAR + GAP) + GAP
    out = [f'<svg width="{LEFT + WIDE + 90}" height="{high}" role="img" aria-label="{html.escape(result["title"])}">']
    for i, row in enumerate(rows):
        y, (_, value) = GAP + i * (BAR + GAP), figure(row)
        ours = "sallyport" in row["contender"] or result["alone"]
        out.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{html.escape(row["contender"])}</text>')
        out.append(f'<rect class="{"ours" if ours else "theirs"}" x="{LEFT}" y="{y}" width="{value / most * WIDE:.1f}" '
                   f'height="{BAR}" rx="2"/>')
        end = max(value, row.get("us_max", 0)) / most * WIDE
        if "us_min" in row:
            a, b = (LEFT + row[k] / most * WIDE for k in ("us_min", "us_max"))
            out.append(f'<line class="range" x1="{a:.1f}" x2="{b:.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}"/>')
        out.append(f'<text x="{LEFT + end + 8:.1f}" y="{y + 14}">{words(row)}</text>')
    return "\n".join(out + ["</svg>"])


def table(result):
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in tell.table(result).splitlines()]
    rows = [lines[0]] + lines[2:]
    return "<table>" + "".join("<tr>" + "".join(f"<{t}>{html.escape(c)}</{t}>" for c in row) + "</tr>"
                               for row, t in zip(rows, ["th"] + ["td"] * len(rows))) + "</table>"


def page(results):
    parts = [f"<h2>{html.escape(r['title'])}</h2><p>{html.escape(r['note'])}</p>{chart(r)}{table(r)}"
             for r in results["workloads"]]
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Sallyport: measured</title><style>{STYLE}</style>'
            f"<h1>Sallyport beside its peers</h1><p>{html.escape(tell.facts(results['machine']))}</p>"
            f"<p>CPU time of all of a contender's processes, divided by what it did; contender, origin and load share one "
            f"core; {results['rounds']} rounds of {results['seconds']} s, in turns. Bars are medians, lines reach from the "
            f"least to the most; ratios are medians of the ratios of the same round. Compare the ratios, not the "
            f"microseconds.</p>"
            + "".join(parts) + "</html>\n")
