"""March 2025 again: the issuer is away for longer than every soft age, and nobody who holds a valid token notices."""
import itertools, json, multiprocessing, secrets, time
import pytest
from conftest import authority  # noqa: F401
from house import Sallyport, b64, connect, exchange, wait_until
from issuing import Judge, Tokens, get, houses, reason, spray, told

OUTAGE_S = 20            # in each way to fail; keys are fresh for one


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


def lasts(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def show(name, judge):
    print(f"\n{name}: {judge.admitted} of {judge.good} valid tokens admitted, {judge.let_in} of {judge.bad} invalid ones, "
          f"p99 {judge.p99_ms():.2f} ms")


def test_every_way_to_be_away_and_a_restart_inside(house):
    w = house(workers=2)
    tokens = Tokens(w)
    normal = Judge(w, tokens)
    normal.run(lasts(5))
    show("normal", normal)
    for mode in ("away", "hang", "error", "empty", "garbage"):
        if mode == "away":
            w.issuer.stop()
        else:
            w.issuer.mode = mode
        judge = Judge(w, tokens)
        judge.run(lasts(OUTAGE_S))
        show(mode, judge)
        judge.check()
        assert told(w)["state"] == "stale"
        if mode == "away":
            w.proxy.stop()
            began = time.monotonic()
            w.proxy = Sallyport(w.where, w.config()).wait_ready(w.status_port)
            judge = Judge(w, tokens)
            judge.run(lasts(OUTAGE_S))
            show(f"restarted meanwhile, ready after {time.monotonic() - began - OUTAGE_S:.1f} s", judge)
            judge.check()
            w.issuer.start()
    w.issuer.mode = "normal"
    began = time.monotonic()
    wait_until(lambda: told(w)["state"] == "normal", 90)
    print(f"normal again after {time.monotonic() - began:.0f} s")


def test_a_hundred_thousand_random_kids(house):
    w = house(soft="1h", workers=2)
    good = w.issuer.token()
    seen, began = w.issuer.fetches, time.monotonic()
    outcomes = spray(w, 100_000, good)
    took = time.monotonic() - began
    allowed = 1 + int(took / 30) + 1
    print(f"\n{outcomes} in {took:.0f} s; the issuer saw {w.issuer.fetches - seen} fetches, at most {allowed} are allowed")
    assert w.issuer.fetches - seen <= allowed
    assert {k for k in outcomes if k[0] == "good"} == {("good", 200, "")}
    assert all(k[1] in (401, 503) for k in outcomes if k[0] == "random")


def strangers(w):
    """Tokens, each with a kid that nobody has."""
    now = int(time.time())
    claims = {"iss": w.issuer.url, "aud": "https://api.example.com", "sub": "eve", "iat": now, "exp": now + 600}
    rest = b64(json.dumps(claims).encode()) + "." + b64(b"\0" * 256)
    while True:
        yield b64(json.dumps({"alg": "RS256", "kid": secrets.token_hex(8)}).encode()) + "." + rest


def pour(w, count, tokens):
    for start in range(0, count, 5000):          # a connection ends politely after 10,000 requests
        sock = connect(w.port, w.ca)
        for token in itertools.islice(tokens, min(5000, count - start)):
            assert exchange(sock, "GET", "/api/x", [("Authorization", f"Bearer {token}")])[0] in (401, 503)
        sock.close()


def judged_beside(w, tokens, count, poured):
    """What becomes of honest tokens while another process pours refused ones."""
    child = multiprocessing.get_context("fork").Process(target=pour, args=(w, count, poured))
    judge = Judge(w, tokens)
    child.start()
    judge.run(lambda: not child.is_alive())
    child.join()
    assert child.exitcode == 0
    judge.check()
    return judge


def test_honest_tokens_beside_a_hundred_thousand_random_kids(house):
    w = house(soft="1h", workers=2)
    tokens = Tokens(w)
    seen, began = w.issuer.fetches, time.monotonic()
    show("beside 100,000 requests with one and the same refused token",
         judged_beside(w, tokens, 100_000, itertools.repeat(tokens.bad[0])))
    show("beside 100,000 random kids", judged_beside(w, tokens, 100_000, strangers(w)))
    assert w.issuer.fetches - seen <= 2 + int((time.monotonic() - began) / 30)


def test_rotation_in_order_and_out_of_order(house):
    w = house(soft="1s")
    old = w.issuer.token()
    w.issuer.add_key("k2")
    wait_until(lambda: get(w, w.issuer.token(kid="k2"))[0] == 200, 40)
    w.issuer.hidden.add("k1")
    began = time.monotonic()
    wait_until(lambda: reason(get(w, old)) == (401, "token-key-unknown"), 20)
    print(f"\na removed key is refused after {time.monotonic() - began:.1f} s: one refresh and one confirmation")
    w = house(soft="1h")
    w.issuer.hidden.add("k2")                      # signed with a key that is published a moment later
    w.issuer.add_key("k2")
    early = w.issuer.token(kid="k2")
    wait_until(lambda: w.issuer.fetches >= 2 or get(w, early)[0] == 401, 40)     # looked for in vain
    w.issuer.hidden.clear()
    began = time.monotonic()
    fresh = w.issuer.token(kid="k2", iat=int(time.time()) + 1)
    wait_until(lambda: get(w, fresh)[0] == 200, 40)
    print(f"a key published late is known after {time.monotonic() - began:.0f} s")


def test_past_the_hard_bound_nobody_can_know(house):
    w = house(more="", hard="1m")
    token = w.issuer.token(exp=int(time.time()) + 7200)
    w.issuer.mode = "error"
    assert get(w, token)[0] == 200
    wait_until(lambda: get(w, token)[0] != 200, 90)
    answers = {reason(get(w, token)) for _ in range(50)}
    assert answers == {(503, "issuer-keys-missing")} and told(w)["state"] == "blind"
    w.issuer.mode = "normal"
    wait_until(lambda: get(w, token)[0] == 200, 90)
