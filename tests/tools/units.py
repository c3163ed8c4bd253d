#!/usr/bin/python3
"""units.py PROGRAM... -- runs unit tests, as many at a time as there are cores; a line for each, and all that a red one said.
The last line is the sum: N passed, N failed."""
import concurrent.futures, os, re, subprocess, sys, time

LONGEST_S = 600


def run(program):
    began = time.monotonic()
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=LONGEST_S)
        said, ended = done.stdout, done.returncode
    except subprocess.TimeoutExpired as e:
        said, ended = (e.stdout or b"").decode(errors="replace"), f"no end within {LONGEST_S} s"
    passed = len(re.findall(r"^\[ +OK \]", said, re.M))
    failed = max(len(re.findall(r"^\[  FAILED  \] \w+$", said, re.M)) // 2, 1 if ended != 0 else 0)
    return program, said, ended, passed, failed, time.monotonic() - began


def main(programs):
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as at_once:
        for program, said, ended, good, bad, seconds in at_once.map(run, programs):
            passed, failed = passed + good, failed + bad
            name = program.partition("tests/unit/")[2]
            print(f"{name}: {good} passed, {bad} failed in {seconds:.1f} s" if bad else f"{name}: {good} in {seconds:.1f} s", flush=True)
            if bad:
                print(f"{said}\n{program} ended with {ended}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
