#!/usr/bin/python3
"""Instructions of our own code for fixed inputs, by callgrind, against the figures in count/figures.

usage: count.py PROGRAM [--store]
Time on a shared machine says little; instructions are the same everywhere that has the same compiler. What libraries and the
kernel do is not counted. A growth of over 5 % fails; --store writes the new figures, in a commit that says why."""
import pathlib, re, subprocess, sys, tempfile

FIGURES = pathlib.Path(__file__).resolve().parent / "count/figures"
MOST = 1.05


def parts(program, where):
    """{case: instructions of ours in one run of it}"""
    out = where / "count.out"
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program], capture_output=True,
                          text=True)
    if done.returncode:
        sys.exit(f"valgrind ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    times = dict(line.split() for line in done.stdout.splitlines())
    found = {}
    for part in where.glob("count.out.*"):
        name = re.search(r"^desc: Trigger: Client Request: (\S+)", part.read_text(), re.M)
        if name:
            found[name[1]] = round(ours(part, program) / int(times[name[1]]))
    return {name: found[name] for name in times}


def ours(part, program):
    """The self cost of functions in the program itself (the format: Callgrind Format Specification, valgrind.org)."""
    total, objects, inside, call = 0, {}, False, False
    for line in part.open():
        if line.startswith("ob="):
            number, _, name = line[3:].strip().partition(" ")
            objects.setdefault(number, name)
            inside = objects[number] == program
        elif line.startswith("cob="):
            number, _, name = line[4:].strip().partition(" ")
            objects.setdefault(number, name)
        elif line.startswith("calls="):
            call = True
        elif line[:1] in "+-*0123456789" and line.strip():
            if not call and inside:
                total += int(line.split()[1])
            call = False
    return total


def compiler(program):
    notes = subprocess.run(["readelf", "-p", ".comment", program], capture_output=True, text=True).stdout
    return (re.search(r"\]\s+(GCC:.*|.*clang.*)", notes) or [0, "unknown"])[1].strip()


def read():
    lines = [line.split("#")[0].strip() for line in FIGURES.read_text().splitlines()] if FIGURES.exists() else []
    head = next((line[len("compiler "):] for line in lines if line.startswith("compiler ")), "")
    return head, {name: int(n) for name, n in (line.split() for line in lines if line and not line.startswith("compiler "))}


def store(by, figures):
    text = ("# Instructions of ours for one decision (tests/bench/count/cases.c says of what). make check fails where one has\n"
            "# grown by over 5 %. make count-store writes them: the commit that changes them says why.\n"
            f"compiler {by}\n")
    FIGURES.write_text(text + "".join(f"{name:20} {n}\n" for name, n in figures.items()))


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    by, (stored_by, stored) = compiler(program), read()
    if "--store" not in sys.argv and by != stored_by:
        print(f"count: the figures are of {stored_by}, this is {by}: nothing to compare")
        return
    with tempfile.TemporaryDirectory() as where:
        now = parts(program, pathlib.Path(where))
    if "--store" in sys.argv:
        store(by, now)
    bad = []
    for name, n in now.items():
        was = stored.get(name)
        change = f"{(n - was) / was:+.1%}" if was else "new"
        print(f"{name:20} {n:8} {change:>8}")
        if was is None or n > was * MOST:
            bad.append(name)
    gone = sorted(set(stored) - set(now))
    if "--store" not in sys.argv and (bad or gone):
        sys.exit(f"count: over 5 % more instructions than {FIGURES.name} says, or not there: {', '.join(bad + gone)}")


main()
