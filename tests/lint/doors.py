"""A public header, and each header of its folder that it includes, declares at most a dozen functions.

Usage: doors.py [--print]"""
import pathlib
import re
import sys

MOST = 12
ROOT = pathlib.Path("proxy")
CODE = re.compile(r"/\*.*?\*/|//[^\n]*|^#[^\n]*(?:\\\n[^\n]*)*", re.S | re.M)


def without_bodies(text):
    """Top level only: what stands in braces is left out."""
    depth, kept = 0, []
    for c in text:
        depth -= c == "}"
        if not depth:
            kept.append(";" if c == "}" else c)
        depth += c == "{"
    return "".join(kept)


def functions(header):
    for part in without_bodies(CODE.sub(" ", header.read_text())).split(";"):
        match = re.match(r"\s*(?!typedef|extern|_Static_assert|_Alignas)[\w\s*]*?\b(\w+)\s*\(", part)
        if match and match.group(1) != "__attribute__":
            yield match.group(1)


def parts(header):
    """The header and those of its folder that it includes, and so on."""
    found, left = [], [header]
    while left:
        one = left.pop()
        if one not in found:
            found.append(one)
            names = re.findall(r'#include "(\w+)/(\w+\.h)"', one.read_text())
            left += [ROOT / room / name for room, name in names if room == header.parent.name]
    return sorted(found)


def main():
    bad = False
    for room in sorted(p for p in ROOT.iterdir() if p.is_dir()):
        door = room / f"{room.name}.h"
        for header in parts(door) if door.exists() else []:
            names = list(functions(header))
            if "--print" in sys.argv:
                print(f"{header}: {len(names)}")
            if len(names) > MOST:
                print(f"{header}:1: {len(names)} functions; a public header has at most {MOST}")
                bad = True
    sys.exit(bad)


main()
