"""Fields by which servers take another target, method or client address than the request's come from trusted proxies alone."""
import json
import pytest
from house import connect, must, read_answer, run
from issuing import metric
from test_http2 import Client

FIELDS = ["X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Original-Host", "X-HTTP-Method-Override", "X-HTTP-Method",
          "X-Method-Override", "True-Client-IP", "Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP",
          "Fastly-Client-IP"]
ODD = ["X_Original_URL", "x.rewrite_url", "X-HTTP_Method-Override", "TRUE_CLIENT_IP"]
ROUTES = """
  - {name: passed, path: /passed/*, upstream: app, anonymous: true,
     request_headers: {pass: [x-original-url, X-HTTP-Method-Override]}}
  - {name: closed, path: /closed/*, upstream: app, anonymous: true}
"""


def names(seen):
    return {n.lower() for n, _ in seen["headers"]} & {n.lower() for n in FIELDS + ODD}


def over_1(world, path):
    with connect(world.plain) as s:
        lines = "".join(f"{n}: claimed-value\r\n" for n in FIELDS + ODD)
        s.sendall((f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{lines}\r\n"
                   f"2\r\nok\r\n0\r\nX-Mine: kept\r\n{lines}\r\n").encode())
        return json.loads(read_answer(s)[2])


def over_2(world, path):
    c = Client(world)
    claims = [(n.lower(), "claimed-value") for n in ODD + FIELDS]
    stream = c.request(path, "POST", claims, end=False)
    c.c.send_data(stream, b"ok")
    c.c.send_headers(stream, [("x-mine", "kept"), *claims[:15]], end_stream=True) # 16 trailers are allowed
    c.flush()
    status, headers, body = c.answer(stream)
    assert status == 200, (status, headers)
    return json.loads(body)


def removed(world, field):
    return int(metric(world, f'sallyport_fields_removed_total{{field="{field}"}}') or 0)


@pytest.mark.parametrize("ask", [over_1, over_2])
def test_a_clients_claims_end_here_unless_the_route_passes_them(make_world, ask):
    w = make_world(routes=ROUTES)
    seen = ask(w, "/closed/x")
    assert "claimed-value" not in str(seen) and [t.lower() for t in seen["trailers"]] == ["x-mine: kept"]
    counts = {"x-original-url": 4, "x-rewrite-url": 4, "x-http-method-override": 4, "true-client-ip": 4, "client-ip": 2}
    assert {f: removed(w, f) for f in counts} == counts
    seen = ask(w, "/passed/x")
    assert names(seen) == {"x-original-url", "x-http-method-override"}
    assert [t.lower() for t in seen["trailers"]] == ["x-mine: kept"]
    assert removed(w, "x-original-url") == 7 and removed(w, "true-client-ip") == 8


@pytest.mark.parametrize("ask", [over_1, over_2])
def test_trusted_proxies_claims_go_on_as_they_are_spelled_and_not_as_trailers(make_world, ask):
    w = make_world(routes=ROUTES + "trusted_proxies: [127.0.0.1]\n")
    seen = ask(w, "/closed/x")
    assert names(seen) == {n.lower() for n in FIELDS}
    assert [t.lower() for t in seen["trailers"]] == ["x-mine: kept"]
