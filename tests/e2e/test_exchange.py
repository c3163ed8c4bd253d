"""A token endpoint behind the proxy: each code and refresh token is used by one request at a time."""
import threading
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
    assert post(house, code)[0] == 200  # from here on it is the issuer's word


def test_a_client_that_leaves_gives_its_claim_back(house):
    body = b"grant_type=refresh_token&refresh_token=left"
    s = connect(house.port, house.ca)
    s.sendall(b"POST /token/slow?s=30 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    wait_until(lambda: any(b"left" in r[3] for r in house.origin.requests))
    assert post(house, body.decode())[0] == 503
    s.close()
    wait_until(lambda: post(house, body.decode())[0] == 200)
