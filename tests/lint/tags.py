"""A tag (of a struct, union or enum) is defined once in the whole program, so that a name says which one is meant,
wherever it stands; an enum of words is made by its row of options.def. Arguments: the sources and that table."""
import collections
import pathlib
import re
import sys


def defined(path):
    text = re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"", lambda m: re.sub(r"[^\n]", " ", m[0]), pathlib.Path(path).read_text(),
                  flags=re.S)
    for match in re.finditer(r"\b(?:struct|union|enum)\s+(\w+)\s*\{|^WORDS\(\w+, (\w+),", text, re.M):
        yield match[1] or match[2], f"{path}:{text.count(chr(10), 0, match.start()) + 1}"


def main():
    places = collections.defaultdict(list)
    for path in sorted(sys.argv[1:]):
        for tag, place in defined(path):
            places[tag].append(place)
    doubles = [f"{there[-1]}: {tag} is defined at {there[0]} too" for tag, there in places.items() if len(there) > 1]
    print("\n".join(doubles), end="\n" if doubles else "")
    sys.exit(bool(doubles))


main()
