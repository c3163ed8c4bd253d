"""Limits by what a login's body says."""
import json
import re
import pytest
from house import BINARY, connect, exchange, header, read_answer, run, wait_until
from test_http2 import Client
from test_seen import ask

LIMITS = """
  per-name: {key: ["form:username"], rate: 1/h, burst: 3}
  by-address: {key: ["form:username"], rate: 1/h, burst: 3, unreadable: address}
  per-json: {key: ["json:user.name"], rate: 1/h, burst: 3}
"""
ROUTES = """
  - {name: form, path: /form/*, upstream: app, anonymous: true, limits: [per-name]}
  - {name: by-address, path: /by-address/*, upstream: app, anonymous: true, limits: [by-address]}
  - {name: json, path: /json/*, upstream: app, anonymous: true, limits: [per-json]}
"""


@pytest.fixture(scope="module")
def logins(authority, issuer):
    import shutil, tempfile
    from conftest import World
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, limits=LIMITS, routes=ROUTES)
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def post(world, path, body, headers=()):
    return exchange(connect(world.port, world.ca), "POST", path, headers, body)


def bodies(world, path):
    return [r[3] for r in world.origin.requests if r[1] == path]


def test_one_name_has_one_bucket_over_both_protocols_and_the_body_arrives_whole(logins):
    assert post(logins, "/form/a", b"username=alice&password=1")[0] == 200
    client = Client(logins)
    stream = client.request("/form/a", "POST", [("content-type", "application/x-www-form-urlencoded")], end=False)
    client.c.send_data(stream, b"password=2&user")
    client.flush()
    client.c.send_data(stream, b"name=ALICE%20", end_stream=True)
    client.flush()
    assert client.answer(stream)[0] == 200
    assert post(logins, "/form/a", b"username=+alice")[0] == 200
    refused = post(logins, "/form/a", b"username=alice")
    assert refused[0] == 429 and header(refused, "sallyport-reason") == "limited"
    assert "ratelimit" not in {k.lower() for k, v in refused[1]}
    assert post(logins, "/form/a", b"username=bob")[0] == 200
    assert bodies(logins, "/form/a") == [b"username=alice&password=1", b"password=2&username=ALICE%20",
                                         b"username=+alice", b"username=bob"]


def test_a_client_that_asks_first_is_told_to_go_on(logins):
    for status in (200, 200, 200, 429):
        s = connect(logins.port, logins.ca)
        s.sendall(b"POST /json/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 25\r\n\r\n")
        assert read_answer(s)[0] == 100
        s.sendall(b'{"user":{"name":"carol"}}')
        assert read_answer(s)[0] == status


def test_of_a_long_body_the_beginning_counts_and_all_of_it_arrives(logins):
    long = b"username=dave&x=" + b"y" * 100000
    chunked = b"%x\r\n" % len(long) + long + b"\r\n0\r\n\r\n"
    assert post(logins, "/form/long", long)[0] == 200
    s = connect(logins.port, logins.ca)
    s.sendall(b"POST /form/long HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked)
    assert read_answer(s)[0] == 200
    assert post(logins, "/form/long", long)[0] == 200
    assert bodies(logins, "/form/long") == [long] * 3
    assert post(logins, "/form/long", b"username=dave")[0] == 429
    assert post(logins, "/form/long", long.replace(b"dave", b"erin"))[0] == 200


FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")
UNREADABLE = [("/form/odd", b"username=henry&username=iris", FORM), ("/form/odd?username=iris", b"username=henry", FORM),
              ("/form/odd", b"username=%ff", FORM), ("/form/odd", b"x=" + b"y" * 20000 + b"&username=henry", FORM),
              ("/form/odd", b"username=henry", ("Content-Encoding", "gzip")),
              ("/form/odd", b"username=henry", ("Content-Type", "text/plain; charset=utf-16")),
              ("/form/odd", b"--b\r\nusername=henry", MULTIPART),
              ("/json/odd", b'{"user":{"name":"henry"}', ("Content-Type", "application/json")),
              ("/json/odd", b'{"user":{"name":"henry"},"user":{"name":"iris"}}', ("Content-Type", "application/json"))]


def test_a_field_that_can_be_read_in_two_ways_never_reaches_the_upstream(logins):
    for path, body, field in UNREADABLE:
        for _ in range(5):
            a = post(logins, path, body, [field])
            assert a[0] == 400 and header(a, "sallyport-reason") == "field-unreadable", (path, body)
        client = Client(logins)
        stream = client.request(path, "POST", [(field[0].lower(), field[1])], end=False)
        client.c.send_data(stream, body[:16000], end_stream=len(body) < 16000)
        client.flush()
        if len(body) >= 16000:
            client.c.send_data(stream, body[16000:16384])
            client.flush()
        assert client.answer(stream)[0] == 400
    assert bodies(logins, "/form/odd") == [] and bodies(logins, "/json/odd") == []


def test_one_name_in_other_letters_or_in_a_multipart_form_is_one_key(logins):
    part = b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\n%s\r\n--b--\r\n'
    for path, body, field in [("/form/letters", "username=\uff4aulia".encode(), FORM),
                              ("/form/letters", part % "JU\u00adLIA".encode(), MULTIPART),
                              ("/form/letters?username=julia", b"", FORM)]:
        assert post(logins, path, body, [field])[0] == 200
    assert post(logins, "/form/letters", b"username=julia", [FORM])[0] == 429


def test_a_limit_may_count_what_it_cannot_read_by_its_address(logins):
    for status in (200, 200, 200, 429):
        assert post(logins, "/by-address/x", b"username=kim&username=lea")[0] == status
    assert post(logins, "/by-address/x", b"username=kim")[0] == 200


def limits(world, *words):
    done = run(BINARY, "limits", *words, "-c", world.proxy.file, "-o", "json", env=world.proxy.env)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_an_operator_sees_the_busiest_keys_and_lets_one_begin_anew(logins):
    for _ in range(9):
        post(logins, "/form/busy", b"username=Frank")
    status, told = limits(logins)
    busiest = told["keys"][0]
    assert status == 0 and busiest["limit"] == "per-name" and busiest["key"].startswith("#")
    assert (busiest["remaining"], busiest["burst"], busiest["by"]) == (0, 3, "memory")
    assert busiest["decisions"] >= busiest["refused"] >= 4 and busiest["retry_after_s"] > 0
    assert not any("value" in k for k in told["keys"])
    assert limits(logins, "--show-keys")[1]["keys"][0]["value"] == "frank"
    for key in (busiest["key"], "FRANK"):
        assert post(logins, "/form/busy", b"username=frank")[0] == 429
        status, told = limits(logins, "reset", "per-name", key)
        assert status == 0 and told["reset"] is True and told["remaining"] == 0
        assert [post(logins, "/form/busy", b"username=frank")[0] for _ in range(4)] == [200, 200, 200, 429]
    assert limits(logins, "reset", "per-name", "nobody")[1]["reset"] is False
    assert limits(logins, "reset", "no-such-limit", "frank")[0] == 1
    people = run(BINARY, "limits", "--show-keys", "-c", logins.proxy.file, env=logins.proxy.env)
    assert people.returncode == 0 and people.stdout.splitlines()[0].startswith("LIMIT")
    assert any("per-name" in line and line.endswith("frank") for line in people.stdout.splitlines())


def test_hot_keys_are_counted_over_all_workers_and_outlive_a_reload(logins):
    for _ in range(20):
        post(logins, "/form/many", b"username=grace")
    key = next(k for k in limits(logins, "--show-keys")[1]["keys"] if k["value"] == "grace")
    assert key["decisions"] >= 5 and key["remaining"] == 0
    assert logins.proxy.reload(logins.config()).returncode == 0
    assert post(logins, "/form/many", b"username=grace")[0] == 429
    key = next(k for k in limits(logins, "--show-keys")[1]["keys"] if k.get("value") == "grace")
    assert key["remaining"] == 0


def test_the_metrics_say_how_full_the_table_is(logins):
    def used():
        text = ask(logins.status_port, "/metrics")[1]
        return int(re.search(r"^sallyport_limit_table_used (\d+)$", text, re.M).group(1))
    before = used()
    for n in range(20):
        assert post(logins, "/form/table", b"username=table-%d" % n)[0] == 200
    wait_until(lambda: used() >= before + 20)
