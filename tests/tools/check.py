#!/usr/bin/python3
"""check.py BEGAN -- the stages of `make check`, each by its own make; a red one hides no other but those that need what it
builds. Ends with a table of what ran. BEGAN: when the packages were begun with, in seconds since 1970."""
import os, re, subprocess, sys, time

J = f"-j{len(os.sched_getaffinity(0))}"
CLANG = ["MODE=debug", "CC=clang", "B=build/clang"]
STAGES = [  # name, arguments of make, the stage that must have passed
    ("lint", ["lint"], None),
    ("build, debug", [J, "MODE=debug", "targets"], None),
    ("unit tests, debug", ["MODE=debug", "unit"], "build, debug"),
    ("scenes, debug", ["MODE=debug", "scene"], "build, debug"),
    ("fuzz corpora, debug", ["MODE=debug", "replay"], "build, debug"),
    ("generated files", ["MODE=debug", "check-generated"], "build, debug"),
    ("build, ASan + UBSan", [J, "MODE=asan", "targets"], None),
    ("unit tests, ASan", ["MODE=asan", "unit"], "build, ASan + UBSan"),
    ("scenes, ASan", ["MODE=asan", "scene"], "build, ASan + UBSan"),
    ("fuzz corpora, ASan", ["MODE=asan", "replay"], "build, ASan + UBSan"),
    ("build, clang", [J, *CLANG, "targets"], None),
    ("build, release", [J, "MODE=release", "build"], None),
    ("instructions counted", ["MODE=release", "count"], "build, release"),
    ("end to end, release", ["MODE=release", "e2e"], "build, release"),
    ("end to end, ASan", ["MODE=asan", "e2e", "E2E=-m foreign -k 'not gigabyte'"], "build, ASan + UBSan"),
]


def counts(said):
    """(passed, failed) of what a stage said: the last line that sums up; each input of a corpus and each scene is one."""
    sums = [line for line in said.splitlines() if re.search(r"\b\d+ (passed|failed|errors?)\b", line)]
    named = {word.rstrip("s"): int(n) for n, word in re.findall(r"\b(\d+) (passed|failed|errors?)\b", sums[-1] if sums else "")}
    others = sum(int(n) for n in re.findall(r"\b(\d+) (?:inputs replayed|scenes played)", said))
    return named.get("passed", 0) + others, named.get("failed", 0) + named.get("error", 0)


def run(arguments):
    """Runs make and shows what it says; (whether it ended well, all of what it said)."""
    said = []
    with subprocess.Popen(["make", "-s", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            said.append(line)
            print(line, end="", flush=True)
    return process.returncode == 0, "".join(said)


def main(began):
    rows, results = [("packages", "passed", 0, 0, time.time() - began)], {}
    for name, arguments, needs in STAGES:
        at = time.time()
        passed = failed = 0
        if results.get(needs, "passed") != "passed":
            result = f"not run: {needs}"
        else:
            print(f"== {name}", flush=True)
            ok, said = run(arguments)
            passed, failed = counts(said)
            result = "passed" if ok else "FAILED"
            failed = failed if ok else max(failed, 1)
        results[name] = result
        rows.append((name, result, passed, failed, time.time() - at))
    wide = max(len(row[1]) for row in rows)
    print(f"\n{'stage':<22} {'result':<{wide}} {'passed':>7} {'failed':>7} {'seconds':>8}")
    for name, result, passed, failed, seconds in rows:
        print(f"{name:<22} {result:<{wide}} {passed or '':>7} {failed or '':>7} {seconds:>8.0f}")
    passed, failed = (sum(row[i] for row in rows) for i in (2, 3))
    bad = [row for row in rows if row[1] != "passed"]
    print(f"make check: {passed} passed, {failed} failed, in {time.time() - began:.0f} s; "
          f"{len(rows) - len(bad)} of {len(rows)} stages passed")
    return 1 if bad or failed else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
