"""Rows of tables that the program does not use.

A metric is counted or set somewhere, a fault ends some request (to compare with it is not enough), a header id is
looked at, and an option is read outside the table that fills it in. Argument: the compiler, which tells who reads an
option: every field of the configuration is marked for it."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROWS = [("proxy/metrics/counters.def", "METRIC", "a metric that nothing counts or sets"),
        ("proxy/request/faults.def", "FAULT", "a fault that ends no request"),
        ("proxy/base/headers.def", "HEADER", "a header id that nothing looks at, nor its kind")]
NO_KIND = "END"                     # of a header: rules of its kind do not speak of it
OPTIONS = "proxy/config/options.def"
FILLED_IN = "proxy/config/table.c"  # by offsets of every option
BY_NAME = "proxy/config/include.c"     # reads the file before there are fields


def code_of(path):
    """Without comments and texts."""
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", " ", path.read_text(), flags=re.S)


def rows_of(table, macro):
    for number, line in enumerate(pathlib.Path(table).read_text().splitlines(), 1):
        match = re.match(macro + r"\((\w+),", line)
        if match:
            yield number, match.group(1)


def of_a_kind(table):
    return set(re.findall(r'^HEADER\((\w+), "[^"]+", (?!%s\))' % NO_KIND, pathlib.Path(table).read_text(), re.M))


def unused_rows(code):
    used = set()
    for text in code.values():
        text = re.sub(r"[=!]=\s*FAULT_\w+|case FAULT_\w+:", "", text)
        used.update(re.findall(r"\b(?:METRIC|FAULT|HEADER)_\w+", text))
    for table, macro, what in ROWS:
        by_kind = of_a_kind(table)
        for number, name in rows_of(table, macro):
            if f"{macro}_{name}" not in used and name not in by_kind:
                yield f"{table}:{number}: {name}: {what}"


def marked(compiler, path):
    """Lines of the table of options whose fields this file reads."""
    told = subprocess.run([*compiler, "-fsyntax-only", "-std=c11", "-D_GNU_SOURCE", "-Iproxy",
                           "-Wdeprecated-declarations", '-DSALLYPORT_VERSION=""',
                           "-DCONFIG_MARK=__attribute__((deprecated))", str(path)],
                          capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if told.returncode:
        sys.exit(told.stderr)
    return {int(n) for n in re.findall(r"options\.def:(\d+):\d+: note", told.stderr)}


def unread_options(compiler, code):
    sources = [p for p in code if p.suffix == ".c" and str(p) != FILLED_IN]
    named = set(re.findall(r'S\("(\w+)"\)', pathlib.Path(BY_NAME).read_text()))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        read = set().union(*pool.map(lambda p: marked(compiler, p), sources))
    for number, name in [*rows_of(OPTIONS, "OPTION"), *rows_of(OPTIONS, "WORDS")]:
        if number not in read and name not in named:
            yield f"{OPTIONS}:{number}: {name}: an option that nothing reads"


def main():
    code = {p: code_of(p) for p in sorted(pathlib.Path("proxy").rglob("*.[ch]"))}
    found = [*unused_rows(code), *unread_options(sys.argv[1:], code)]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))


main()
