"""An issuer that is away, with real processes: briefly here, at length in tests/drills."""
import os, signal
import pytest
from house import Sallyport, wait_until
from issuing import Judge, Tokens, get, houses, reason, spray, told


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


FAILURES = {"away": "connect", "hang": "no answer|time", "error": "status 500", "empty": "empty", "garbage": "JSON"}


@pytest.mark.parametrize("mode", ["hang", "empty", "garbage"])
def test_valid_tokens_pass_and_invalid_ones_do_not_while_the_issuer_is_away(house, mode):
    w = house(workers=2)
    judge = Judge(w, Tokens(w))
    w.issuer.mode = mode
    judge.run(lambda: told(w)["state"] == "stale")
    judge.check()
    w.issuer.mode = "normal"
    wait_until(lambda: told(w)["state"] == "normal", 30)


def test_a_start_inside_an_outage_waits_for_nothing_and_admits_every_valid_token(house):
    w = house(workers=2)
    tokens = Tokens(w)
    w.issuer.mode = "hang"
    w.proxy.stop()
    w.proxy = Sallyport(w.where, w.config()).wait_ready(w.status_port, 20)
    judge = Judge(w, tokens)
    for _ in range(10):
        judge.round()
    judge.check()
    assert told(w)["state"] in ("normal", "stale")


def test_a_spray_of_kids_reaches_the_issuer_once_in_a_cooldown(house):
    w = house(soft="1h")
    seen = w.issuer.fetches
    outcomes = spray(w, 2000, w.issuer.token())
    assert w.issuer.fetches - seen <= 2, w.issuer.fetches       # 30 s apart
    assert {k for k in outcomes if k[0] == "good"} == {("good", 200, "")}
    assert {k[1:] for k in outcomes if k[0] == "random"} <= {(401, "token-key-unknown"),
                                                             (503, "issuer-keys-missing")}
