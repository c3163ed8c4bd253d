"""March 2025 again: 50 reconcilers delete what they are told is not there, and the origin says so of all."""
import itertools, time
import pytest
from conftest import authority  # noqa: F401
from house import Sallyport, wait_until
from issuing import houses
from reconciling import ATTESTED, EMPTY, FULL, Fleet, GONE, ROUTES, THERE, guard, ledger, route


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


class Told:
    """What the reconcilers were told, phase by phase."""

    def __init__(self, fleet):
        self.fleet, self.ever = fleet, set()

    def phase(self, name, kind="clusters", seconds=5, told=404):
        end, seen, delivered = time.monotonic() + seconds, 0, []
        while time.monotonic() < end:
            statuses = self.fleet.round(kind)
            seen += len(statuses)
            delivered += [self.fleet.names[i] for i, s in enumerate(statuses) if s == told]
            assert set(statuses) <= {200, 404, 503}, statuses
            time.sleep(0.2)
        print(f"\n{name}: {seen} answers, {len(delivered)} of them \"not there\", to {len(set(delivered))} clients")
        return delivered


def test_a_misroute_a_plausible_loss_a_deletion_and_empty_lists(house):
    w = house(workers=2, routes=ROUTES)
    all = Fleet(w, 50)
    told = Told(all)
    assert not told.phase("all is there")
    all.round("lists")
    all.say_all(GONE)
    first = told.phase("a misroute: 404 to all", seconds=10)
    assert len(first) <= 2
    before = {n: (c["last_good"], c["first_absence"], c["delivered"]) for n, c in ledger(w).items()}
    assert set(before) == set(all.names) and {n for n, c in before.items() if c[2]} == set(first)
    w.proxy.stop()
    w.proxy = Sallyport(w.where, w.config()).wait_ready(w.status_port)
    assert not told.phase("the same after a restart", seconds=10)
    assert {n: (c["last_good"], c["first_absence"], c["delivered"]) for n, c in ledger(w).items()} == before
    w.proxy.kill()
    w.proxy = Sallyport(w.where, w.config()).wait_ready(w.status_port)
    assert not told.phase("the same after it was killed", seconds=10)
    all.say(3, ATTESTED)
    assert set(told.phase("one attested deletion meanwhile", seconds=3)) == {all.names[3]}
    all.say_all(THERE)
    began = time.monotonic()
    for _ in itertools.count():
        assert set(all.round()) == {200}
        if not route(w)["latched"]:
            break
        assert time.monotonic() - began < 120
        time.sleep(0.5)
    print(f"released by the share, {time.monotonic() - began:.0f} s after the origin was right again")
    all.say(9, GONE)
    lost = told.phase("a plausible 2 %", seconds=10)
    assert set(lost) == {all.names[9]} and not route(w)["latched"]
    all.say(4, ATTESTED)
    assert set(told.phase("one attested deletion", seconds=5)) == {all.names[4], all.names[9]}
    all.say_all(EMPTY, "lists")
    statuses = all.round("lists")
    assert statuses.count(200) <= 2
    assert not told.phase("empty lists", "lists", seconds=5, told=200)
    wait_until(lambda: route(w, "lists")["latched"])
    assert guard(w, "release")["routes"] and set(all.round("lists")) == {200}
