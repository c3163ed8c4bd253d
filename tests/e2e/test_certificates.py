"""What client certificates decide: which hosts ask for them, which routes demand them."""
import base64, hashlib, json, shutil, socket, ssl, tempfile
import pytest
from house import connect, exchange, free_port, header, must, tls_context, wait_until

ROUTES = """
  - {name: partners, host: "*.partners.example.com", path: /*, upstream: app, anonymous: true}
  - {name: certified, path: /certified/*, upstream: app, anonymous: true, certificate: required,
     cors: {origins: ["https://ui.example.com"]}}
  - {name: moved, path: /moved/*, redirect: {to: "/certified/x"}, certificate: required}
  - {name: tokens, path: /tokens/*, upstream: app, verify: {issuer: local}}
  - {name: ask-caddy, path: /check/caddy, check: caddy}
  - {name: told, path: /told/*, decide: true, anonymous: true}
trusted_proxies: [127.0.0.2/32]
"""


@pytest.fixture(scope="module")
def gate(authority, issuer):
    from conftest import World
    authority.issue("wide", ["DNS:localhost", "DNS:*.partners.example.com", "DNS:*.b.partners.example.com", "DNS:*.example.com"])
    authority.issue("partner", [], "clientAuth")
    nobody(authority)
    where = tempfile.mkdtemp(prefix="sp-")
    demanding, asking = free_port(), free_port()
    server = f"certificates: [{{chain: {authority.where}/wide.pem, key: {authority.where}/wide.key}}]"
    w = World(where, authority, issuer, workers=1, routes=ROUTES, listeners=f"""
  - address: 127.0.0.1:{demanding}
    tls: {{{server}, client_ca: {authority.ca}, client_certificate: required, client_hosts: ["*.partners.example.com"]}}
  - address: 127.0.0.1:{asking}
    tls: {{{server}, client_ca: {authority.ca}, client_certificate: optional}}
""")
    w.demanding, w.asking = demanding, asking
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def nobody(authority):
    """A certificate whose subject is empty."""
    name = [authority.where / f"nobody.{e}" for e in ("pem", "key", "csr", "ext")]
    name[3].write_text("subjectAltName=critical,URI:spiffe://example.com/worker\nextendedKeyUsage=clientAuth\n")
    must("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/",
         "-keyout", name[1], "-out", name[2])
    must("openssl", "x509", "-req", "-in", name[2], "-CA", authority.ca, "-CAkey", authority.key, "-CAcreateserial",
         "-days", "30", "-extfile", name[3], "-out", name[0])


def over(w, port, name="localhost", certificate=None, source=None):
    context = tls_context(w.ca)
    if certificate:
        context.load_cert_chain(w.authority.where / f"{certificate}.pem", w.authority.where / f"{certificate}.key")
    raw = socket.create_connection(("127.0.0.1", port), 5, source_address=source)
    raw.settimeout(5)
    return context.wrap_socket(raw, server_hostname=name)


@pytest.mark.parametrize("host", ["a.partners.example.com", "a.b.partners.example.com"])
def test_a_wildcard_asks_for_certificates_wherever_its_routes_reach(gate, host):
    with pytest.raises((OSError, ssl.SSLError, AssertionError, TypeError)):
        assert exchange(over(gate, gate.demanding, host), "GET", "/x", host=host)[0] == 200
    a = exchange(over(gate, gate.demanding, "localhost"), "GET", "/x", host=host)
    assert a[0] == 421
    assert exchange(over(gate, gate.demanding, host, "partner"), "GET", "/x", host=host)[0] == 200


def test_a_route_demands_a_certificate_whatever_the_listener_does(gate):
    for connection in (over(gate, gate.asking), connect(gate.port, gate.ca), connect(gate.plain)):
        a = exchange(connection, "GET", "/certified/x")
        assert a[0] == 403 and header(a, "sallyport-reason") == "certificate-missing"
    assert exchange(over(gate, gate.asking), "GET", "/moved/x")[0] == 403
    assert exchange(over(gate, gate.asking, certificate="partner"), "GET", "/certified/x")[0] == 200
    assert exchange(over(gate, gate.asking, certificate="partner"), "GET", "/moved/x")[0] == 308
    assert exchange(over(gate, gate.asking), "GET", "/open/x")[0] == 200


def test_a_certificate_that_names_nobody_is_one_all_the_same(gate):
    a = exchange(over(gate, gate.asking, certificate="nobody"), "GET", "/certified/x")
    assert a[0] == 200 and ("sallyport-certificate", "partner") not in json.loads(a[2])["headers"]


def test_a_resumed_session_has_the_certificate_of_its_first(gate):
    context = tls_context(gate.ca)
    context.load_cert_chain(gate.authority.where / "partner.pem", gate.authority.where / "partner.key")
    session = None
    for resumed in (False, True):
        raw = socket.create_connection(("127.0.0.1", gate.asking), 5)
        s = context.wrap_socket(raw, server_hostname="localhost", session=session)
        assert exchange(s, "GET", "/certified/x")[0] == 200 and s.session_reused == resumed
        session = s.session
        s.close()


def test_a_preflight_is_answered_without_one(gate):
    ask = [("Origin", "https://ui.example.com"), ("Access-Control-Request-Method", "GET")]
    assert exchange(over(gate, gate.asking), "OPTIONS", "/certified/x", ask)[0] == 204


@pytest.mark.parametrize("certificate", [None, "partner"])
def test_who_is_asked_about_has_no_certificate_whatever_the_asker_shows(gate, certificate):
    def ask(uri, method="GET", more=()):
        s = over(gate, gate.asking, "localhost", certificate, ("127.0.0.2", 0))
        return exchange(s, "GET", "/check/caddy", [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri),
                                                   ("X-Forwarded-Host", "localhost"), *more])
    a = ask("/certified/x")
    assert a[0] == 403 and header(a, "sallyport-reason") == "certificate-missing"
    a = ask("/certified/x", "OPTIONS", [("Origin", "https://ui.example.com"), ("Access-Control-Request-Method", "GET")])
    assert a[0] == 403
    a = ask("/told/x")
    assert a[0] == 200 and header(a, "sallyport-certificate") == ""


def test_a_token_bound_to_a_certificate_is_worth_nothing_without_it(gate):
    der = ssl.PEM_cert_to_DER_cert((gate.authority.where / "partner.pem").read_text())
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    bound = [("Authorization", "Bearer " + gate.issuer.token(cnf={"x5t#S256": thumbprint}))]
    wait_until(lambda: exchange(connect(gate.plain), "GET", "/tokens/x",
                                [("Authorization", "Bearer " + gate.issuer.token())])[0] == 200)
    assert exchange(over(gate, gate.asking, certificate="partner"), "GET", "/tokens/x", bound)[0] == 200
    for connection in (over(gate, gate.asking), over(gate, gate.asking, certificate="nobody"), connect(gate.plain)):
        a = exchange(connection, "GET", "/tokens/x", bound)
        assert a[0] == 401 and header(a, "sallyport-reason") == "token-bound"
        assert "invalid_token" in header(a, "www-authenticate")
