"""A token endpoint behind the proxy: each code and refresh token is used by one request at a time."""
import json, threading, time
import pytest
from house import connect, exchange, header, wait_until

ROUTES = """
  - {name: token, path: /token/*, upstream: app, anonymous: true, exchange: true, header_timeout: 20s}
"""


@pytest.fixture(scope="module")
def house(authority, issuer):
    import shutil, tempfile
    from conftest import World
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, workers=2, routes=ROUTES)
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def post(w, body, path="/token/now"):
    return exchange(connect(w.port, w.ca), "POST", path, [("Content-Type", "application/x-www-form-urlencoded")],
                    body.encode())


def test_twins_of_an_exchange_under_way_are_told_to_come_back_on_every_worker(house):
    code = "grant_type=authorization_code&code=one-time"
    first = {}
    t = threading.Thread(target=lambda: first.update(answer=post(house, code, "/token/slow?s=2")))
    t.start()
    wait_until(lambda: any(r[1].startswith("/token/slow") for r in house.origin.requests))
    for _ in range(12):  # new connections: both workers
        a = post(house, code)
        assert a[0] == 503 and header(a, "sallyport-reason") == "exchange-in-flight", a
        assert int(header(a, "retry-after")) >= 1
    assert post(house, "grant_type=authorization_code&code=another")[0] == 200
    assert post(house, "grant_type=client_credentials&client_id=a&client_secret=b")[0] == 200
    assert len([r for r in house.origin.requests if b"one-time" in r[3]]) == 1
    t.join(15)
    assert first["answer"][0] == 200
    for _ in range(6):  # who obeyed Retry-After: the code is used up, and the issuer hears nothing of twins
        a = post(house, code)
        assert a[0] == 409 and header(a, "sallyport-reason") == "exchange-used" and header(a, "retry-after") is None, a
    assert len([r for r in house.origin.requests if b"one-time" in r[3]]) == 1


def test_tabs_that_renew_at_once_leave_the_session_alive(house):
    """An issuer that rotates refresh tokens, and ends the session of one that comes twice."""
    for n in range(5):
        token = f"grant_type=refresh_token&refresh_token=tabs-{n}"
        spelt = [token, token.replace("refresh_token=", "%72efresh_token=").replace("tabs", "%74abs"),
                 json.dumps({"grant_type": "refresh_token", "refresh_token": f"tabs-{n}"})]
        got = []
        tabs = [threading.Thread(target=lambda b=b: got.append(post(house, b, "/token/slow?s=0.2")[0])) for b in spelt]
        for t in tabs:
            t.start()
            time.sleep(0.01)
        for t in tabs:
            t.join(15)
        assert sorted(got) == [200, 503, 503], got
        assert post(house, spelt[1])[0] == 409
        assert len([r for r in house.origin.requests if b"abs-%d" % n in r[3]]) == 1


def test_what_the_issuer_refused_may_be_tried_again(house):
    house.origin.fail["/token/refused"] = 400
    for _ in range(2):
        assert post(house, "grant_type=refresh_token&refresh_token=refused", "/token/refused")[0] == 400


def test_a_client_that_leaves_gives_its_claim_back(house):
    body = b"grant_type=refresh_token&refresh_token=left"
    s = connect(house.port, house.ca)
    s.sendall(b"POST /token/slow?s=30 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    wait_until(lambda: any(b"left" in r[3] for r in house.origin.requests))
    assert post(house, body.decode())[0] == 503
    s.close()
    wait_until(lambda: post(house, body.decode())[0] == 200)
