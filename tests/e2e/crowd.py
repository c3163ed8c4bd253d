"""crowd.py PORT RATE -- asks a proxy for one key, RATE times a second over a few connections, until its input ends; then says
when it asked, and when it was admitted (monotonic, as the request went out)."""
import json, sys, threading, time
from house import connect, exchange

CONNECTIONS = 4
port, rate = int(sys.argv[1]), float(sys.argv[2])
stop = threading.Event()
asked, admitted = [], []


def ask(number):
    sock, step = connect(port), CONNECTIONS / rate
    due = time.monotonic() + step * number / CONNECTIONS
    while not stop.wait(max(0.0, due - time.monotonic())):
        begun = time.monotonic()
        due = max(due + step, begun - 10 * step)  # what a busy machine made it miss is caught up with, within reason
        asked.append(begun)
        if exchange(sock, "GET", "/busy/x", [("X-Key", "one")])[0] == 200:
            admitted.append(begun)


threads = [threading.Thread(target=ask, args=(n,)) for n in range(CONNECTIONS)]
for t in threads:
    t.start()
sys.stdin.read()
stop.set()
for t in threads:
    t.join()
json.dump({"asked": asked, "admitted": admitted}, sys.stdout)
