"""What the documents point at is there: files and headings that links name, files that stand in backquotes as
`proxy/...`, `tests/...`, `conf/...` or `docs/...`. CHANGELOG.md tells of what was there once."""
import glob
import pathlib
import re
import sys

DOCUMENTS = [p for p in sorted([*pathlib.Path(".").glob("*.md"), *pathlib.Path("conf").rglob("*.md")]) if p.name != "CHANGELOG.md"]


def anchors(path):
    """As the usual viewers make them of headings."""
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-")
            for h in re.findall(r"^#+ (.+)$", path.read_text(), re.M)}


def wrong(document):
    for number, line in enumerate(document.read_text().splitlines(), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = document.parent / name if name else document
            if not path.exists():
                yield f"{document}:{number}: {target}: no such file"
            elif anchor and path.suffix == ".md" and anchor not in anchors(path):
                yield f"{document}:{number}: {target}: no such heading"
        for name in re.findall(r"`((?:proxy|tests|conf|docs)/[\w./*-]*)`", line):
            if not glob.glob(name):
                yield f"{document}:{number}: {name}: no such file"


found = [w for d in DOCUMENTS for w in wrong(d)]
print("\n".join(found), end="\n" if found else "")
sys.exit(bool(found))
