"""Other proxies ask before they forward: the real nginx and the real Caddy, and the forms that Envoy and Traefik send."""
import json, pathlib, shutil, socket, subprocess, tempfile
import pytest
from house import ROOT, connect, exchange, free_port, header, logged, wait_until
from origin import Origin

ROUTES = """
  - {name: ask-nginx, path: /check/nginx, check: nginx}
  - {name: ask-envoy, path: /check/envoy/*, check: envoy}
  - {name: ask-traefik, path: /check/traefik, check: traefik}
  - {name: ask-caddy, path: /check/caddy, check: caddy}
  - {name: guarded, path: /guarded/*, decide: true, verify: {issuer: local, scopes: [read]}}
  - {name: few, path: /few/*, decide: true, verify: {issuer: local}, limits: [per-subject]}
  - {name: shared, host: apps.example.com, path: /shared/*, decide: true, anonymous: true,
     cors: {origins: ["https://ui.example.com"]}}
  - {name: posts, path: /posts/*, decide: true, anonymous: true, methods: [POST]}
  - {name: open-to-itself, host: app.example.com, path: /*, upstream: app, anonymous: true}
  - {name: open-to-many, host: "*.apps.example.com", path: /*, upstream: app, anonymous: true}
  - {name: closed-below, host: app.example.com, path: /guarded/*, decide: true, verify: {issuer: local}}
  - {name: closed-below-many, host: "*.apps.example.com", path: /guarded/*, decide: true, verify: {issuer: local}}
trusted_proxies: [127.0.0.1]
"""
IDENTITY = ["sallyport-" + n for n in ("subject", "client", "tenant", "scope", "certificate", "verdict", "class")]


@pytest.fixture(scope="module")
def house(authority, issuer):
    from conftest import World
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, routes=ROUTES)
    wait_until(lambda: ask(w, "caddy", "GET", "/guarded/x", issuer.token())[0] == 200)
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def ask(w, kind, method, uri, token=None, host="localhost", more=(), source=None):
    sock = connect(w.plain, source=source)
    headers = [("Authorization", f"Bearer {token}")] if token else []
    if kind == "envoy":
        return exchange(sock, method, "/check/envoy" + uri, [*headers, *more], host=host)
    if kind == "nginx":
        headers += [("X-Original-Method", method), ("X-Original-URI", uri)]
        return exchange(sock, "GET", "/check/nginx", [*headers, *more], host=host)
    headers += [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri), ("X-Forwarded-Host", host)]
    return exchange(sock, "GET", f"/check/{kind}", [*headers, *more], host="asked.internal")


KINDS = ["nginx", "envoy", "traefik", "caddy"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_pass_is_200_with_every_field_of_the_identity(house, kind):
    a = ask(house, kind, "GET", "/guarded/x?y=1", house.issuer.token())
    got = {k.lower(): v for k, v in a[1]}
    assert a[0] == 200 and a[2] == b""
    assert set(IDENTITY) <= set(got)
    assert got["sallyport-subject"] == "user-1" and got["sallyport-verdict"] == "valid"
    assert got["sallyport-certificate"] == "" and got["sallyport-status"] == "200"
    assert house.origin.requests == []


@pytest.mark.parametrize("kind,unknown,limited,wrong_method", [
    ("nginx", 403, 403, 403), ("envoy", 429, 429, 405), ("traefik", 503, 429, 405), ("caddy", 503, 429, 405)])
def test_what_may_not_pass_says_so_in_the_askers_words(house, kind, unknown, limited, wrong_method):
    a = ask(house, kind, "GET", "/guarded/x")
    assert a[0] == 401 and header(a, "www-authenticate").startswith("Bearer")
    a = ask(house, kind, "GET", "/guarded/x", house.issuer.token(scope="write"))
    assert a[0] == 403 and header(a, "sallyport-reason") == "token-scope" and header(a, "sallyport-subject") is None
    a = ask(house, kind, "GET", "/nowhere")
    assert a[0] == unknown and header(a, "sallyport-status") == "503" and header(a, "retry-after")
    a = ask(house, kind, "GET", "/posts/x")
    assert a[0] == wrong_method and header(a, "sallyport-status") == "405" and header(a, "allow") == "POST"
    assert ask(house, kind, "POST", "/posts/x")[0] == 200
    token = house.issuer.token(sub=f"few-{kind}")
    assert [ask(house, kind, "GET", "/few/x", token)[0] for _ in range(3)] == [200] * 3
    a = ask(house, kind, "GET", "/few/x", token)
    assert a[0] == limited and header(a, "sallyport-status") == "429" and int(header(a, "retry-after")) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_described_request_is_read_as_strictly_as_one_that_came_itself(house, kind):
    token = house.issuer.token()
    assert ask(house, kind, "GET", "/x/../guarded/%78", token)[0] == 200
    for uri in ("/guarded/..%2fopen", "/guarded/%00", "/guarded/\\x", "/../x", "guarded", "http://localhost/guarded/x"):
        a = ask(house, kind, "GET", uri, token)
        assert a[0] >= 400 and header(a, "sallyport-subject") is None, (uri, a)
    assert ask(house, kind, "GET", "/shared/x", host="apps.example.com")[0] == 200
    assert header(ask(house, kind, "GET", "/shared/x", host="other.example.com"), "sallyport-status") == "503"


def test_a_description_that_is_missing_or_repeated_allows_nothing(house):
    assert exchange(connect(house.plain), "GET", "/check/traefik")[0] == 400
    assert exchange(connect(house.plain), "GET", "/check/nginx")[0] == 403
    a = ask(house, "caddy", "GET", "/guarded/x", house.issuer.token(), more=[("X-Forwarded-Uri", "/open/x")])
    assert a[0] == 400 and header(a, "sallyport-reason") == "description-missing"


def ask_url(house, url, token, more=(), uri=None):
    fields = [("Authorization", f"Bearer {token}"), ("X-Original-Method", "GET"), *more]
    fields += [("X-Original-URL", url)] if url else []
    fields += [("X-Original-URI", uri)] if uri else []
    return exchange(connect(house.plain), "GET", "/check/nginx", fields, host="authorizer.internal")


def test_the_absolute_url_of_the_ingress_controller_is_a_description(house):
    token = house.issuer.token()
    for url in ("https://localhost/guarded/x?y=1", "http://localhost:8443/guarded/x", "HTTPS://LOCALHOST/x/../guarded/x"):
        assert ask_url(house, url, token)[0] == 200, url
    assert ask_url(house, "https://apps.example.com/shared/x", token)[0] == 200
    assert ask_url(house, "https://other.example.com/shared/x", token)[0] == 403
    for url in ("/guarded/x", "ftp://localhost/guarded/x", "https:///guarded/x", "https://a@localhost/guarded/x",
                "https://localhost/../guarded/x", "https://localhost:0/guarded/x", "https://local host/guarded/x",
                "https://localhost/guarded/x#y", "//localhost/guarded/x", "https://localhost/guarded/..%2fx"):
        a = ask_url(house, url, token)
        assert a[0] == 403 and header(a, "sallyport-status") == "400", (url, a)
    assert header(ask_url(house, "https://localhost", token), "sallyport-status") == "503" # "/" has no route


def test_two_descriptions_are_none(house):
    token, url = house.issuer.token(), "https://localhost/guarded/x"
    for a in (ask_url(house, url, token, uri="/guarded/x"), ask_url(house, url, token, [("X-Original-URL", url)]),
              ask_url(house, None, token), ask_url(house, None, token, [("X-Original-URI", "/guarded/x")], "/guarded/x"),
              ask_url(house, url, token, [("X-Original-URI", "")])):
        assert a[0] == 403 and header(a, "sallyport-status") == "400"
        assert header(a, "sallyport-reason") == "description-missing"


def test_a_list_of_hosts_is_read_as_far_as_trusted_proxies_wrote_it(house):
    token = house.issuer.token()
    def asked(hosts, addresses):
        return exchange(connect(house.plain), "GET", "/check/traefik", [
            ("Authorization", f"Bearer {token}"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/shared/x"),
            ("X-Forwarded-Host", hosts), ("X-Forwarded-For", addresses)], host="authorizer.internal")[0]
    assert asked("apps.example.com, inside.example", "192.0.2.1, 127.0.0.1") == 200
    assert asked("apps.example.com, inside.example", "192.0.2.1") == 503
    assert asked("inside.example,apps.example.com", "192.0.2.1") == 200


def test_a_client_of_no_known_address_is_asked_about_all_the_same(house):
    for unknown in ("unix:", "unknown", "unix:/run/front.sock", "_hidden"):
        a = ask(house, "nginx", "GET", "/guarded/x", house.issuer.token(), more=[("X-Forwarded-For", unknown)])
        assert a[0] == 200, unknown


def test_a_door_does_not_open_onto_a_door(house):
    a = ask(house, "caddy", "GET", "/check/envoy/open/x")
    assert a[0] == 503 and header(a, "sallyport-reason") == "no-route"


HOSTS = ["localhost", "app.example.com", "a.apps.example.com", "a.b.apps.example.com"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_question_is_one_whatever_its_host_and_method(house, kind, host):
    token = house.issuer.token()
    assert ask(house, kind, "GET", "/guarded/x", token, host=host)[0] == 200
    a = ask(house, kind, "GET", "/guarded/x", host=host)
    assert a[0] == 401 and header(a, "sallyport-status") == "401"
    for method in ("DELETE", "PUT", "OPTIONS", "BREW"):
        assert header(ask(house, kind, method, "/guarded/x", host=host), "sallyport-status") == "401"
    path = "/check/envoy/guarded/x" if kind == "envoy" else f"/check/{kind}"
    for spelled in (path, path.replace("check", "%63heck"), "/x/.." + path, "/" + path, f"http://{host}{path}"):
        a = exchange(connect(house.plain, source=("127.0.0.2", 0)), "GET", spelled, host=host)
        assert a[0] == 403 and header(a, "sallyport-reason") == "asker-untrusted", spelled
    assert house.origin.requests == []


CLIMBS = ["/../guarded/x", "/..", "/%2e%2e/guarded/x", "/.%2E/app", "/a/../../guarded/x", "/./..//app", "/..;/app",
          "/..%2fapp", "/%zz", "/a\\..\\b", "/../../check/envoy/guarded/x", "/..%5capp"]


@pytest.mark.parametrize("host", HOSTS[:3])
def test_a_described_path_does_not_climb_out_of_the_question(house, host):
    token = house.issuer.token()
    for climb in CLIMBS:
        a = ask(house, "envoy", "GET", climb, token, host=host)
        assert a[0] == 400 and header(a, "sallyport-status") == "400", (climb, a)
    assert ask(house, "envoy", "GET", "/x/../guarded/x", token, host=host)[0] == 200
    assert house.origin.requests == []


def raw(house, data):
    sock = connect(house.plain)
    sock.sendall(data)
    sock.settimeout(5)
    got = b""
    while True:
        more = sock.recv(65536)
        if not more:
            return got
        got += more


@pytest.mark.parametrize("path", ["/check/envoy/x", "/check/envoy/../x", "/check/envoy", "/check/envoy*", "/%63heck/envoy/x"])
def test_whatever_is_wrong_with_a_question_is_no_failure_of_ours_to_envoy(house, path):
    p = path.encode()
    for question in (b"GET %s HTTP/3.0\r\nHost: a\r\n\r\n", b"CONNECT %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                     b"GET %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                     b"GET %s HTTP/1.1\r\nHost: b c\r\n\r\n", b"GET %s HTTP/1.1\r\n\r\n",
                     b"GET %s HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n",
                     b"OPTIONS %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                     b"GET %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"):
        a = raw(house, question % p)
        assert a.startswith((b"HTTP/1.1 4",)) and b"Sallyport-Status: " in a, (question, a)


def test_nginx_and_envoy_hear_of_an_overload_in_their_words(authority, issuer):
    from conftest import World
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, workers=1, routes=ROUTES + "http: {requests_in_flight_max: 16}\n")
    held = []
    try:
        for _ in range(16):
            held.append(connect(w.plain))
            held[-1].sendall(b"POST /open/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        for kind, status in (("envoy", b"429"), ("nginx", b"403"), ("caddy", b"503")):
            target = b"/check/envoy/x" if kind == "envoy" else b"/check/" + kind.encode()

            def overloaded():
                sock = connect(w.plain)
                sock.sendall(b"GET " + target[:8])
                sock.sendall(target[8:] + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                got = b""
                while more := sock.recv(65536):
                    got += more
                return got if b"overloaded" in got else None
            a = wait_until(overloaded)
            assert a.startswith(b"HTTP/1.1 " + status), a
            assert (b"Sallyport-Status: 503" in a) == (kind != "caddy")
            a = subprocess.run(["curl", "-sik", "--http2", f"https://localhost:{w.port}{target.decode()}"],
                               capture_output=True, timeout=20).stdout
            assert a.startswith(b"HTTP/2 " + status) and b"sallyport-reason: overloaded" in a
            assert (b"sallyport-status: 503" in a) == (kind != "caddy")
    finally:
        for sock in held:
            sock.close()
        w.close()
        shutil.rmtree(where, ignore_errors=True)


def test_only_trusted_peers_may_ask_and_decided_routes_are_not_reached_directly(house):
    a = ask(house, "caddy", "GET", "/open/x", source=("127.0.0.2", 0))
    assert a[0] == 403 and header(a, "sallyport-reason") == "asker-untrusted"
    a = exchange(connect(house.plain), "GET", "/guarded/x", [("Authorization", f"Bearer {house.issuer.token()}")])
    assert a[0] == 503 and header(a, "sallyport-reason") == "no-route"


def test_head_is_answered_without_a_body_only_where_it_brought_the_question(house):
    sock = connect(house.plain)
    for _ in range(2):
        a = exchange(sock, "GET", "/check/caddy", [("X-Forwarded-Method", "HEAD"), ("X-Forwarded-Uri", "/guarded/x"),
                                                   ("X-Forwarded-Host", "localhost")])
        assert a[0] == 401 and len(a[2]) == int(header(a, "content-length")) > 0
    sock.sendall(b"HEAD /check/envoy/guarded/x HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
    data = b""
    while data.count(b"\r\n\r\n") < 2:
        data += sock.recv(65536)
    assert data.count(b"HTTP/1.1 401") == 2 and data.endswith(b"\r\n\r\n")


def test_a_preflight_passes_where_its_origin_may_ask(house):
    def preflight(origin, uri="/shared/x"):
        return ask(house, "traefik", "OPTIONS", uri, host="apps.example.com",
                   more=[("Origin", origin), ("Access-Control-Request-Method", "PUT")])
    assert preflight("https://ui.example.com")[0] == 200
    assert preflight("https://evil.example")[0] == 403
    assert preflight("https://ui.example.com", "/guarded/x")[0] == 401


def test_the_log_line_is_that_of_the_described_request(house):
    ask(house, "envoy", "PUT", "/guarded/logged", house.issuer.token())

    def line():
        for one in (house.where / "access.jsonl").read_text().split("\n")[:-1]:
            if "/guarded/logged" in one:
                return json.loads(one)
    got = wait_until(line)
    for kind, uri, meant in (("nginx", "/nowhere/logged-1", 503), ("envoy", "/nowhere/logged-2", 503), ("nginx", "/posts/logged-3", 405)):
        assert ask(house, kind, "GET", uri)[0] != meant   # they know other words for it
        found = wait_until(lambda: [x for x in logged(house.where) if uri in json.dumps(x)])
        assert found[0]["http.response.status_code"] == meant
    assert got["http.request.method"] == "PUT" and got["sallyport.route"] == "guarded"
    assert got["sallyport.asker"] == "envoy" and got["sallyport.reason"] == "allowed"


class Front:
    """A real proxy in front of an application, which asks about each request."""

    def __init__(self, args, port, where):
        self.port = port
        self.log = pathlib.Path(where) / "front.log"
        self.process = subprocess.Popen(args, cwd=where, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT,
                                        env={"HOME": str(where), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        wait_until(self.is_up, 20)

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def get(self, path, token=None, more=(), host="localhost", method="GET"):
        headers = [("Authorization", f"Bearer {token}")] if token else []
        return exchange(connect(self.port), method, path, [*headers, *more], host=host)

    def close(self):
        self.process.terminate()
        self.process.wait(20)


NGINX = """
daemon off; pid {where}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {where}/t1; proxy_temp_path {where}/t2; fastcgi_temp_path {where}/t3;
    uwsgi_temp_path {where}/t4; scgi_temp_path {where}/t5;
    upstream sallyport {{ server 127.0.0.1:{plain}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        include {conf}/nginx-server.conf;
        location / {{
            include {conf}/nginx-location.conf;
            proxy_pass {origin};
        }}
    }}
}}
"""
CADDY = """
{{
	admin off
	auto_https off
}}
import {conf}/Caddyfile
http://localhost:{port}, http://app.example.com:{port}, http://*.apps.example.com:{port} {{
	bind 127.0.0.1
	import sallyport 127.0.0.1:{plain}
	reverse_proxy {origin}
}}
"""


@pytest.fixture(params=["nginx", "caddy"])
def front(request, house):
    if not shutil.which(request.param, path="/usr/sbin:/usr/bin:/sbin:/bin"):
        pytest.skip(f"this distribution has no package of {request.param}")
    where = tempfile.mkdtemp(prefix="sp-front-")
    origin, port = Origin(), free_port()
    text = {"nginx": NGINX, "caddy": CADDY}[request.param].format(
        where=where, port=port, plain=house.plain, origin=origin.url, conf=ROOT / "conf/decision")
    file = pathlib.Path(where) / "front.conf"
    file.write_text(text)
    args = {"nginx": ["nginx", "-p", where, "-e", "stderr", "-c", str(file)],
            "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]}[request.param]
    f = Front(args, port, where)
    f.origin, f.kind = origin, request.param
    yield f
    f.close()
    origin.close()
    shutil.rmtree(where, ignore_errors=True)


def test_behind_a_real_proxy_the_upstream_gets_the_identity_and_nothing_of_the_clients_own(front, house):
    a = front.get("/guarded/x?y=1", house.issuer.token(), [("Sallyport-Subject", "root"), ("Sallyport-Certificate", "CN=root")])
    assert a[0] == 200
    got = [(k.lower(), v) for k, v in json.loads(a[2])["headers"]]
    assert [v for k, v in got if k == "sallyport-subject"] == ["user-1"]
    assert not [v for k, v in got if k == "sallyport-certificate" and v]
    assert not [v for k, v in got if "root" in v]
    assert front.origin.requests[-1][1] == "/guarded/x?y=1"


@pytest.mark.parametrize("host", HOSTS[1:3])
def test_behind_a_real_proxy_routes_with_hosts_judge_and_none_takes_the_question(front, house, host):
    token = house.issuer.token()
    assert front.get("/guarded/x", token, host=host)[0] == 200
    for method in ("GET", "POST", "DELETE"):
        assert front.get("/guarded/x", host=host, method=method)[0] == 401
        assert front.get("/x/../guarded/y", host=host, method=method)[0] == 401
    assert front.get("/anything", host=host)[0] == 200 # by the route that is open to everybody
    assert [r[1] for r in front.origin.requests] == ["/guarded/x", "/anything"]
    assert house.origin.requests == []


def test_behind_a_real_proxy_a_client_describes_nothing(front, house):
    own = [("X-Original-URL", "https://localhost/open/x"), ("X-Original-URI", "/open/x"), ("X-Original-Method", "PUT"),
           ("X-Forwarded-Uri", "/open/x"), ("X-Forwarded-Host", "app.example.com"), ("X-Forwarded-Method", "PUT")]
    assert front.get("/guarded/x", more=own)[0] == 401
    assert front.get("/guarded/x", house.issuer.token(), more=own)[0] == 200
    assert [r[:2] for r in front.origin.requests] == [("GET", "/guarded/x")]


def test_behind_a_real_proxy_every_refusal_arrives_as_it_was_meant(front, house):
    assert front.get("/guarded/x")[0] == 401
    assert front.get("/guarded/x", house.issuer.token(scope="write"))[0] == 403
    a = front.get("/nowhere")
    assert a[0] == 503 and header(a, "sallyport-reason") == "no-route" and int(header(a, "retry-after")) > 0
    token = house.issuer.token(sub=f"real-{front.kind}")
    assert [front.get("/few/x", token)[0] for _ in range(3)] == [200] * 3
    a = front.get("/few/x", token)
    assert a[0] == 429 and int(header(a, "retry-after")) > 0
    assert len(front.origin.requests) == 3


def test_where_nobody_can_be_asked_nginx_says_so_and_lets_nobody_in(tmp_path):
    port, gone = free_port(), free_port()
    (tmp_path / "front.conf").write_text(NGINX.format(where=tmp_path, port=port, plain=gone, origin="http://127.0.0.1:1",
                                                      conf=ROOT / "conf/decision"))
    f = Front(["nginx", "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "front.conf")], port, tmp_path)
    try:
        a = f.get("/guarded/x")
        assert a[0] == 503 and header(a, "retry-after") == "5"
    finally:
        f.close()
