"""Ports for tests and benches, so that no two of them anywhere on this machine ever draw the same.

They lie below the range that outgoing connections take theirs from. A process claims blocks of them, each by an abstract
Unix socket that nobody else can bind meanwhile and that the kernel gives back when the process ends, however it ends; like
ports these names belong to the network namespace, so that containers and chroots see what the host has claimed. From its
own blocks it draws each port once. tests/unit/ports.h does the same in C."""
import os, random, socket

FIRST, BLOCK, BLOCKS = 12000, 20, 500  # a port plus 10,000 belongs to who has the port
claims, drawn = [], []                 # sockets that hold the blocks; what is left of the newest one
owner = None                           # a forked child claims blocks of its own


def claim():
    """The ports of a block that nobody else has."""
    for block in random.sample(range(BLOCKS), BLOCKS):
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0sallyport-test-ports-{block}")
        except OSError:
            held.close()
            continue
        claims.append(held)
        first = FIRST + block * BLOCK
        return list(range(first, first + BLOCK))
    raise RuntimeError("all ports from 12000 to 21999 are claimed by tests that run")


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:  # something else than tests uses it
            return False


def free_port(row=1):
    """The first of `row` free ports in a row; never one that was drawn before."""
    global drawn, owner
    if owner != os.getpid():
        owner, drawn = os.getpid(), []
        claims.clear()  # closes our copies, the parent has its own
    while True:
        while len(drawn) < row:
            drawn = claim()
        ports, drawn = drawn[:row], drawn[row:]
        if all(is_free(p) for p in ports):
            return ports[0]
