import json, time
import pytest
from house import connect, exchange, header, wait_until


def get(world, path, token=None, headers=()):
    more = list(headers)
    if token:
        more.append(("Authorization", f"Bearer {token}"))
    return exchange(connect(world.port, world.ca), "GET", path, more)


def ready(world):
    wait_until(lambda: get(world, "/api/x", world.issuer.token())[0] == 200)


def test_a_valid_token_passes_and_its_identity_reaches_the_upstream(world):
    ready(world)
    a = get(world, "/api/x", world.issuer.token())
    got = {k.lower(): v for k, v in json.loads(a[2])["headers"]}
    assert a[0] == 200
    assert got["sallyport-subject"] == "user-1" and got["sallyport-tenant"] == "tenant-1"
    assert got["sallyport-client"] == "client-1" and got["sallyport-scope"] == "read"
    assert got["sallyport-verdict"] == "valid"


def test_no_token_and_invalid_ones_are_401(world):
    ready(world)
    a = get(world, "/api/x")
    assert a[0] == 401 and header(a, "www-authenticate").startswith("Bearer") and "error" not in header(a, "www-authenticate")
    i = world.issuer
    now = int(time.time())
    good = i.token()
    head, body, sig = good.split(".")
    cases = {
        "token-expired": i.token(exp=now - 120),
        "token-not-yet-valid": i.token(nbf=now + 600),
        "token-audience": i.token(aud="https://other"),
        "token-issuer": i.token(iss="https://evil.example/"),
        "token-signature": f"{head}.{body}.{sig[:-8]}AAAAAAAA"[:len(good)],
        "token-malformed": "a.b.c",
    }
    for reason, token in cases.items():
        a = get(world, "/api/x", token)
        assert a[0] == 401, (reason, a)
        assert header(a, "sallyport-reason") in (reason, "token-malformed", "token-signature"), (reason, header(a, "sallyport-reason"))
        assert 'error="invalid_token"' in header(a, "www-authenticate")
    for alg in ("none", "HS256"):
        assert get(world, "/api/x", i.token(alg=alg))[0] == 401


def test_a_valid_token_without_the_scope_is_403(world):
    ready(world)
    a = get(world, "/api/x", world.issuer.token(scope="write"))
    assert a[0] == 403 and header(a, "sallyport-reason") == "token-scope"
    assert 'error="insufficient_scope"' in header(a, "www-authenticate")


def test_two_credentials_are_400(world):
    t = world.issuer.token()
    a = get(world, "/api/x", t, [("Authorization", f"Bearer {t}")])
    assert a[0] == 400 and header(a, "sallyport-reason") == "two-credentials"


def test_a_new_key_is_fetched_when_a_token_names_it(world):
    ready(world)
    world.issuer.add_key("k2")
    wait_until(lambda: get(world, "/api/x", world.issuer.token(kid="k2"))[0] == 200, 40)


def test_no_keys_at_all_is_503_and_never_401(make_world):
    w = make_world(routes="", workers=1)
    w.issuer.mode = "normal"
    dead = make_world(workers=1, limits="", upstreams="")
    dead.close_issuer = True
    text = dead.config().replace(dead.issuer.url, "http://127.0.0.1:9/")
    assert dead.proxy.reload(text).returncode == 0
    token = dead.issuer.token(iss="http://127.0.0.1:9/")
    a = wait_until(lambda: (lambda x: x if x[0] == 503 else None)(get(dead, "/api/x", token)))
    assert header(a, "sallyport-reason") == "issuer-keys-missing" and header(a, "retry-after")


def test_a_limit_admits_its_burst_exactly_and_says_when_to_come_back(world):
    s = connect(world.port, world.ca)
    answers = [exchange(s, "GET", "/keyed/x", [("X-Key", "alice")]) for _ in range(12)]
    assert [a[0] for a in answers] == [200] * 5 + [429] * 7
    last = answers[-1]
    assert header(last, "sallyport-reason") == "limited"
    assert 1 <= int(header(last, "retry-after")) <= 75
    assert header(last, "ratelimit").startswith('"per-key";r=0;t=')
    assert header(last, "ratelimit-policy").startswith('"per-key";q=5;w=')
    assert header(answers[0], "ratelimit").startswith('"per-key";r=4')
    assert exchange(s, "GET", "/keyed/x", [("X-Key", "bob")])[0] == 200


def test_a_limit_is_shared_by_all_workers(world):
    got = [exchange(connect(world.port, world.ca), "GET", "/keyed/x", [("X-Key", "carol")])[0] for _ in range(20)]
    assert got.count(200) == 5 and got.count(429) == 15


def test_a_limit_by_subject_counts_the_verified_subject(world):
    ready(world)
    one, two = (world.issuer.token(sub=f"limited-{i}") for i in range(2))
    assert [get(world, "/mine/x", one)[0] for _ in range(5)] == [200] * 3 + [429] * 2
    assert get(world, "/mine/x", two)[0] == 200


def test_refused_attempts_do_not_keep_a_client_out_longer(make_world):
    w = make_world(limits="  quick: {key: [address], rate: 5/s, burst: 1}",
                   routes="  - {name: quick, path: /quick/*, upstream: app, anonymous: true, limits: [quick]}")
    s = connect(w.port, w.ca)
    end, ok = time.monotonic() + 2.0, 0
    while time.monotonic() < end:
        ok += exchange(s, "GET", "/quick/hello")[0] == 200
        time.sleep(0.001)     # a connection ends politely after 10,000 requests
    assert 9 <= ok <= 12      # 1 + 2 s x 5/s, whatever was refused between


def test_declared_automation_is_told_apart(world):
    a = get(world, "/open/x", headers=[("User-Agent", "python-requests/2.31")])
    got = {k.lower(): v for k, v in json.loads(a[2])["headers"]}
    assert got["sallyport-class"] == "declared"
    a = get(world, "/open/x", headers=[("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/121.0")])
    assert {k.lower(): v for k, v in json.loads(a[2])["headers"]}["sallyport-class"] == "human"
