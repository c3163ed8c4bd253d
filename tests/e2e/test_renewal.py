"""Certificates, keys, CAs and secrets are taken as they change, with the configuration's text that is in force."""
import os, shutil, ssl, subprocess, time
import pytest
from house import Authority, connect, exchange, free_port, must, run, wait_until


def names(w, port=None):
    with connect(port or w.port, w.ca) as s:
        return [name for kind, name in s.getpeercert()["subjectAltName"] if kind == "DNS"]


def put(where, authority, name):
    """As an ACME client does: each file is written beside and renamed."""
    for end in ("pem", "key"):
        shutil.copy(authority.where / f"{name}.{end}", where / f"tls.{end}.new")
        os.rename(where / f"tls.{end}.new", where / f"tls.{end}")


@pytest.fixture(scope="module")
def pairs(authority):
    for name in ("before", "after"):
        authority.issue(name, ["DNS:localhost", f"DNS:{name}.test"])
    csr = authority.where / "old.csr"
    must("openssl", "req", "-new", "-key", authority.where / "after.key", "-subj", "/CN=old", "-out", csr)
    ext = authority.where / "old.ext"
    ext.write_text("subjectAltName=DNS:localhost,DNS:old.test\n")
    # valid until a minute ago, by a CA's own word for dates
    must("openssl", "ca", "-batch", "-config", ca_config(authority), "-in", csr, "-out", authority.where / "old.pem", "-notext",
         "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", ext)
    return authority


def ca_config(authority):
    where = authority.where
    config = where / "ca.cnf"
    if not config.exists():
        (where / "index.txt").write_text("")
        (where / "serial").write_text("1000\n")
        (where / "crlnumber").write_text("1000\n")
        config.write_text(f"""[ca]
default_ca = it
[it]
database = {where}/index.txt
serial = {where}/serial
crlnumber = {where}/crlnumber
new_certs_dir = {where}
certificate = {authority.ca}
private_key = {authority.key}
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
""")
    return config


@pytest.fixture
def renewing(make_world, pairs, place):
    put(place, pairs, "before")
    port = free_port()
    w = make_world(workers=1, listeners=f"""
  - address: 127.0.0.1:{port}
    tls: {{certificates: [{{chain: {place}/tls.pem, key: {place}/tls.key}}]}}
""")
    w.renewed, w.place = port, place
    assert "before.test" in names(w, port)
    return w


def test_a_new_certificate_is_served_with_the_text_that_is_in_force(renewing, pairs):
    w = renewing
    w.proxy.file.write_text(w.config(routes="  - {name: later, path: /later/*, deny: 429}"))  # edited, not loaded
    held = connect(w.port, w.ca)
    put(w.place, pairs, "after")
    wait_until(lambda: "after.test" in names(w, w.renewed), 20)
    assert exchange(connect(w.plain), "GET", "/later/x")[0] == 503  # no such route
    assert exchange(held, "GET", "/open/hello")[0] == 200
    wait_until(lambda: "audit: " in w.proxy.stderr)
    said = w.proxy.stderr.splitlines()
    assert len([x for x in said if "re-read, since they have changed: " in x and f"{w.place}/tls.pem" in x and "tls.key" in x]) == 1
    assert len([x for x in said if "audit: " in x and f"{w.place}/tls.pem" in x and "generation 2" in x]) == 1
    assert "sallyport.yaml" not in "".join(x for x in said if "re-read" in x)
    assert w.proxy.status()["generation"] == 2
    # at most one generation a minute: the next change waits
    put(w.place, pairs, "before")
    time.sleep(4)
    assert "after.test" in names(w, w.renewed) and w.proxy.status()["generation"] == 2
    # and a reload does not
    assert w.proxy.reload().returncode == 0
    assert "before.test" in names(w, w.renewed) and exchange(connect(w.plain), "GET", "/later/x")[0] == 429


def test_a_link_that_is_swapped_as_kubernetes_does_is_seen(make_world, pairs, place):
    for version in ("before", "after"):
        (place / f"..{version}").mkdir()
        put(place / f"..{version}", pairs, version)
    os.symlink("..before", place / "..data")
    for end in ("pem", "key"):
        os.symlink(f"..data/tls.{end}", place / f"tls.{end}")
    port = free_port()
    w = make_world(workers=1, listeners=f"""
  - address: 127.0.0.1:{port}
    tls: {{certificates: [{{chain: {place}/tls.pem, key: {place}/tls.key}}]}}
""")
    assert "before.test" in names(w, port)
    os.symlink("..after", place / "..data_tmp")
    os.rename(place / "..data_tmp", place / "..data")
    wait_until(lambda: "after.test" in names(w, port), 20)


def test_a_pair_that_does_not_fit_yet_is_tried_again_and_nothing_is_said(renewing, pairs):
    w = renewing
    shutil.copy(pairs.where / "after.pem", w.place / "tls.pem")  # written in place; its key comes later
    time.sleep(5)
    assert "before.test" in names(w, w.renewed)
    said = w.proxy.stderr
    assert "refused" not in said and "belong" not in said and "changed" not in said, said
    shutil.copy(pairs.where / "after.key", w.place / "tls.key")
    wait_until(lambda: "after.test" in names(w, w.renewed), 20)
    assert "belong" not in w.proxy.stderr


@pytest.mark.parametrize("kind", ["expired", "nonsense", "gone"])
def test_what_cannot_serve_is_not_taken(renewing, pairs, kind):
    w = renewing
    if kind == "expired":
        shutil.copy(pairs.where / "after.key", w.place / "tls.key")
        shutil.copy(pairs.where / "old.pem", w.place / "tls.pem")
    elif kind == "nonsense":
        (w.place / "tls.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    else:
        os.unlink(w.place / "tls.pem")
    time.sleep(5)
    assert "before.test" in names(w, w.renewed) and w.proxy.status()["generation"] == 1


def test_a_touched_file_makes_no_generation(renewing):
    w = renewing
    for _ in range(2):
        os.utime(w.place / "tls.pem")
        time.sleep(3)
    assert w.proxy.status()["generation"] == 1


def revoke(authority, out, *chains):
    for chain in chains:
        must("openssl", "ca", "-config", ca_config(authority), "-revoke", chain)
    must("openssl", "ca", "-config", ca_config(authority), "-gencrl", "-out", f"{out}.new")
    os.rename(f"{out}.new", out)


def test_a_list_of_revoked_client_certificates_is_asked_and_renewed(make_world, authority, place):
    own = Authority(place / "clients", "clients' CA")
    good, bad = own.issue("good", [], "clientAuth"), own.issue("bad", [], "clientAuth")
    other = Authority(place / "others", "another CA")
    stranger = other.issue("stranger", [], "clientAuth")
    both = place / "cas.pem"
    both.write_text(own.ca.read_text() + other.ca.read_text())
    revoke(own, place / "crl.pem")
    port = free_port()
    w = make_world(workers=1, listeners=f"""
  - address: 127.0.0.1:{port}
    tls:
      certificates: [{{chain: {authority.where}/server.pem, key: {authority.where}/server.key}}]
      client_ca: {both}
      crl: {place}/crl.pem
      client_certificate: required
""")

    def may(pair, session=None):
        context = ssl.create_default_context(cafile=str(w.ca))
        context.load_cert_chain(*pair)
        import socket
        try:
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname="localhost") as s:
                return exchange(s, "GET", "/open/hello")[0] == 200
        except (ssl.SSLError, ConnectionError, TypeError):
            return False
    assert may(good) and may(bad)
    assert not may(stranger)  # its CA has no list
    revoke(own, place / "crl.pem", bad[0])
    wait_until(lambda: not may(bad), 20)
    assert may(good)
    wait_until(lambda: f"{place}/crl.pem" in w.proxy.stderr)


def test_secrets_client_authorities_and_upstreams_are_renewed_too(make_world, authority, place):
    (place / "fleet").write_text("0123456789abcdef0123456789abcdef-one\n")
    shutil.copy(authority.ca, place / "up.pem")
    shutil.copy(authority.ca, place / "clients.pem")
    shutil.copy(authority.ca, place / "issuer.pem")
    port = free_port()
    w = make_world(workers=1, issuer_more=f", ca: {place}/issuer.pem", limits=f"""
secrets: {{fleet: ["${{file:{place}/fleet}}"]}}
""", upstreams=f"  far: {{endpoints: ['https://127.0.0.1:{free_port()}'], tls: {{ca: {place}/up.pem}}}}\n", listeners=f"""
  - address: 127.0.0.1:{port}
    tls:
      certificates: [{{chain: {authority.where}/server.pem, key: {authority.where}/server.key}}]
      client_ca: {place}/clients.pem
      client_certificate: optional
""")
    for name in ("up.pem", "clients.pem", "issuer.pem"):
        with open(place / name, "a") as f:
            f.write("\n")
    (place / "fleet").write_text("0123456789abcdef0123456789abcdef-two\n")
    wait_until(lambda: "re-read, since they have changed: " in w.proxy.stderr, 20)
    said = [x for x in w.proxy.stderr.splitlines() if "re-read, since" in x]
    assert len(said) == 1 and all(f"{place}/{name}" in said[0] for name in ("up.pem", "clients.pem", "issuer.pem", "fleet")), said
    assert "abcdef" not in w.proxy.stderr


def test_the_end_of_each_certificate_is_a_metric(renewing):
    import urllib.request
    w = renewing
    text = urllib.request.urlopen(f"http://127.0.0.1:{w.status_port}/metrics", timeout=10).read().decode()
    told = [x for x in text.splitlines() if x.startswith("sallyport_certificate_not_after_seconds{") and f"{w.place}/tls.pem" in x]
    assert len(told) == 1
    end = must("openssl", "x509", "-in", w.place / "tls.pem", "-noout", "-enddate", "-dateopt", "iso_8601").split("=")[1].strip()
    import calendar
    assert float(told[0].split()[-1]) == calendar.timegm(time.strptime(end, "%Y-%m-%d %H:%M:%SZ"))
