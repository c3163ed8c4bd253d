"""What routes demand of tokens: whose, with which claims, and where they come from."""
import asyncio, json, time
import pytest
import websockets
from house import Issuer, connect, exchange, header, read_answer, tls_context, wait_until, websocket

ROUTES = """
  - {{name: both, path: /both/*, upstream: app, verify: {{issuers: [local, second]}}}}
  - {{name: acme, path: /acme/*, upstream: app, verify: {{issuer: local, claims: {{org_id: [acme, beta], email_verified: true}}}}}}
  - {{name: mixed, path: /mixed/*, upstream: app, verify: {{issuer: local, from: [bearer, "cookie:session", "header:X-Token"], optional: true}}}}
  - {{name: kept, path: /kept/*, upstream: app, verify: {{issuer: local, from: [bearer, "cookie:session"], forward: false}}}}
  - name: tunnel
    path: /tunnel/*
    upstream: app
    websocket: true
    verify: {{issuer: local, from: [bearer, "cookie:session", "header:X-Token"]}}
"""


@pytest.fixture(scope="module")
def places(authority, issuer, tmp_path_factory):
    import shutil, tempfile
    from conftest import World
    second = Issuer(tmp_path_factory.mktemp("second"))
    where = tempfile.mkdtemp(prefix="sp-")

    class Both(World):
        def config(self, **change):
            text = super().config(**change)
            both = f'issuers:\n  second: {{issuer: "{second.url}", audiences: ["https://api.example.com"], ' \
                   'tenant_claim: team, client_claim: app}\n'
            return text.replace("issuers:\n", both, 1)

    w = Both(where, authority, issuer, routes=ROUTES.format())
    w.second = second
    wait_until(lambda: get(w, "/both/x", bearer(issuer.token()))[0] == 200)
    wait_until(lambda: get(w, "/both/x", bearer(second.token()))[0] == 200)
    yield w
    w.close()
    second.stop()
    shutil.rmtree(where, ignore_errors=True)


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def get(world, path, headers=()):
    return exchange(connect(world.port, world.ca), "GET", path, headers)


def seen(answer):
    return {k.lower(): v for k, v in json.loads(answer[2])["headers"]}


def test_the_iss_picks_among_the_issuers_of_a_route(places):
    got = seen(get(places, "/both/x", bearer(places.second.token(team="red", app="cli"))))
    assert got["sallyport-tenant"] == "red" and got["sallyport-client"] == "cli"
    got = seen(get(places, "/both/x", bearer(places.issuer.token(team="red"))))
    assert got["sallyport-tenant"] == "tenant-1" and got["sallyport-client"] == "client-1"
    a = get(places, "/api/x", bearer(places.second.token()))
    assert a[0] == 401 and header(a, "sallyport-reason") == "token-issuer"


def test_conditions_on_claims_are_403(places):
    for claims, reason in (({"org_id": "acme", "email_verified": True}, None),
                           ({"org_id": ["x", "beta"], "email_verified": True}, None),
                           ({"org_id": "acme", "email_verified": False}, "token-claim"),
                           ({"org_id": "other", "email_verified": True}, "token-claim"),
                           ({"org_id": None, "email_verified": True}, "token-claim")):
        for _ in range(2):
            a = get(places, "/acme/x", bearer(places.issuer.token(**claims)))
            assert (a[0], header(a, "sallyport-reason")) == ((403, reason) if reason else (200, None)), claims
    assert 'error="insufficient_scope"' in header(a, "www-authenticate")


def test_the_credential_comes_by_bearer_cookie_or_field_but_once(places):
    t = places.issuer.token()
    for headers in (bearer(t), [("Cookie", f"a=1; session={t}")], [("X-Token", t)]):
        a = get(places, "/mixed/x", headers)
        assert a[0] == 200 and seen(a)["sallyport-verdict"] == "valid" and seen(a)["sallyport-subject"] == "user-1"
    for headers in (bearer(t) + [("X-Token", t)], [("Cookie", f"session={t}; session={t}")], [("X-Token", t)] * 2):
        a = get(places, "/mixed/x", headers)
        assert a[0] == 400 and header(a, "sallyport-reason") == "two-credentials"


def test_without_a_credential_an_optional_route_tells_the_upstream_so(places):
    a = get(places, "/mixed/x", [("X_Token", "forged"), ("Sallyport-Subject", "root"), ("sallyport_verdict", "valid")])
    got = seen(a)
    assert a[0] == 200 and got["sallyport-verdict"] == "none"
    assert not {"sallyport_verdict", "x_token"} & set(got) and got["sallyport-subject"] == ""
    a = get(places, "/mixed/x", [("X-Token", "a.b.c")])
    assert a[0] == 401 and header(a, "sallyport-reason") == "token-malformed"
    assert get(places, "/mixed/x", bearer(places.issuer.token(exp=int(time.time()) - 120)))[0] == 401
    assert get(places, "/mixed/x", [("Authorization", "Basic eDp5")])[0] == 401


def test_a_stale_cookie_beside_a_bearer_token_neither_counts_nor_goes_on(places):
    good, stale = places.issuer.token(), places.issuer.token(exp=int(time.time()) - 300)
    a = get(places, "/mixed/x", bearer(good) + [("Cookie", f"session={stale}; a=1; my.x=2; Session=e")])
    got = seen(a)
    assert a[0] == 200 and got["sallyport-verdict"] == "valid" and got["cookie"] == "a=1; my.x=2"
    assert get(places, "/mixed/x", bearer(stale) + [("Cookie", f"session={good}")])[0] == 401  # no second chance
    a = get(places, "/mixed/x", [("Authorization", "Basic eDp5"), ("Cookie", f'session="{good}"; %73ession=evil')])
    got = seen(a)
    assert a[0] == 200 and "authorization" not in got and got["cookie"] == f'session="{good}"'


def test_trailers_named_like_a_carrier_stay_behind(places):
    s = connect(places.port, places.ca)
    for name in ("X-Token", "x_token", "X.TOKEN"):
        s.sendall(f"POST /mixed/echo HTTP/1.1\r\nHost: localhost\r\nX-Token: {places.issuer.token()}\r\n"
                  f"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{name}: evil\r\nX-T: 1\r\n\r\n".encode())
        a = read_answer(s)
        assert a[0] == 200 and json.loads(a[2])["trailers"] == ["X-T: 1"], (name, a)


def test_a_kept_credential_does_not_reach_the_upstream(places):
    t = places.issuer.token()
    got = seen(get(places, "/kept/x", bearer(t)))
    assert "authorization" not in got and got["sallyport-subject"] == "user-1"
    got = seen(get(places, "/kept/x", [("Cookie", f"a=1; session={t}; b=2")]))
    assert got["cookie"] == "a=1; b=2" and got["sallyport-subject"] == "user-1"
    assert t not in json.dumps(got)


@pytest.mark.parametrize("carry", [lambda t: ("Authorization", f"Bearer {t}"), lambda t: ("Cookie", f"session={t}"),
                                   lambda t: ("X-Token", t)], ids=["bearer", "cookie", "field"])
def test_a_tunnel_ends_when_its_token_expires_however_it_came(places, carry):
    def ended():
        return (places.where / "access.jsonl").read_text().count('"tunnel-expired"')

    before = ended()

    async def talk():
        token = places.issuer.token(exp=int(time.time()) + 2)
        name, value = carry(token)
        uri = f"wss://localhost:{places.port}/tunnel/ws"
        async with websocket(uri, ssl=tls_context(places.ca), headers={name: value}) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(ws.recv(), 30)
    asyncio.run(talk())
    wait_until(lambda: ended() == before + 1)
