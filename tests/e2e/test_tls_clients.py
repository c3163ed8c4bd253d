"""TLS as real clients speak it: versions, ciphers, names, certificates, tickets, odd packets."""
import json, re, socket, ssl, subprocess, time
import pytest
from house import Authority, connect, exchange, free_port, header, must, read_answer, run, tls_context, wait_until


@pytest.fixture(scope="module")
def gate(authority, issuer, tmp_path_factory):
    import shutil, tempfile
    from conftest import World
    for name, sans in (("wild", ["DNS:*.wild.test"]), ("exact", ["DNS:exact.wild.test"]), ("secure", ["DNS:secure.test"])):
        authority.issue(name, sans)
    authority.issue("robot", [], "clientAuth")
    where = tempfile.mkdtemp(prefix="sp-")
    port = free_port()
    pairs = "\n".join(f"        - {{chain: {authority.where}/{n}.pem, key: {authority.where}/{n}.key}}"
                      for n in ("server", "wild", "exact", "secure"))
    w = World(where, authority, issuer, workers=2, listeners=f"""
  - address: 127.0.0.1:{port}
    tls:
      certificates:
{pairs}
      client_ca: {authority.ca}
      client_certificate: required
      client_hosts: [secure.test]
""")
    w.several = port
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def s_client(port, *options, text=b""):
    """What openssl s_client says; it sends `text` and ends."""
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], input=text,
                          capture_output=True, timeout=30).stdout.decode(errors="replace")


@pytest.mark.parametrize("options,word", [
    (["-tls1_2"], "TLSv1.2"), (["-tls1_3"], "TLSv1.3"), (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], "CHACHA20"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], "AES256-GCM")])
def test_what_is_sound_is_spoken(gate, options, word):
    assert word in re.search(r"New, .*", s_client(gate.port, *options)).group(0)


@pytest.mark.parametrize("group,word", [("X25519", "X25519"), ("P-256", "prime256v1"), ("P-384", "secp384r1"), ("X25519:P-384", "X25519")])
def test_groups_of_key_exchange_are_agreed_on(gate, group, word):
    assert word in re.search(r"(Server|Peer) Temp Key: .*", s_client(gate.port, "-groups", group)).group(0)


def test_which_groups_are_in_force_is_told_once(gate):
    told = [line for line in gate.proxy.stderr.splitlines() if "TLS key exchange: " in line]
    assert len(told) == 1 and "X25519:P-256:P-384" in told[0], told


@pytest.mark.parametrize("options", [
    ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:@SECLEVEL=0"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]])
def test_what_is_weak_is_refused_with_an_alert(gate, options):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", *options], input=b"",
                          capture_output=True, timeout=30)
    assert b"Cipher is (NONE)" in done.stdout and b"alert" in done.stderr


@pytest.mark.parametrize("name,expect", [
    ("exact.wild.test", "exact.wild.test"), ("other.wild.test", "*.wild.test"), ("EXACT.Wild.Test", "exact.wild.test"),
    ("a.b.wild.test", "localhost"), ("wild.test", "localhost"), ("unknown.test", "localhost"), (None, "localhost")])
def test_the_certificate_follows_the_name(gate, name, expect):
    asked = ["-servername", name] if name else ["-noservername"]
    pem = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", s_client(gate.several, *asked), re.S).group(0)
    told = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=pem, capture_output=True, text=True).stdout
    assert f"DNS:{expect}" in told


def ask_securely(gate, chain, key):
    """The status that secure.test answers a client with this certificate; None where the handshake is refused."""
    context = tls_context(gate.ca)
    context.load_cert_chain(chain, key)
    try:
        with socket.create_connection(("127.0.0.1", gate.several), 10) as raw:
            s = context.wrap_socket(raw, server_hostname="secure.test")
            return exchange(s, "GET", "/open/hello", host="secure.test")
    except (OSError, ssl.SSLError):
        return None


def test_client_certificates_are_verified_through_their_whole_chain(gate, authority, tmp_path):
    assert ask_securely(gate, authority.where / "robot.pem", authority.where / "robot.key")[0] == 200
    other = Authority(tmp_path / "other", "another CA")
    assert ask_securely(gate, *other.issue("stranger", [], "clientAuth")) is None
    between = Authority(tmp_path / "between", "intermediate CA")
    leaf, key = between.issue("deep", [], "clientAuth")
    csr, ext, cross = (tmp_path / n for n in ("cross.csr", "cross.ext", "cross.pem"))
    must("openssl", "req", "-new", "-key", between.key, "-subj", "/CN=intermediate CA", "-out", csr)
    ext.write_text("basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n")
    must("openssl", "x509", "-req", "-in", csr, "-CA", authority.ca, "-CAkey", authority.key, "-CAcreateserial", "-days", "30",
         "-extfile", ext, "-out", cross)
    assert ask_securely(gate, leaf, key) is None  # the intermediate is missing
    chain = tmp_path / "chain.pem"
    chain.write_text(leaf.read_text() + cross.read_text())
    assert ask_securely(gate, chain, key)[0] == 200


def test_resumption_outlives_a_reload(gate):
    context = tls_context(gate.ca)
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", gate.port)), server_hostname="localhost")
    assert exchange(s, "GET", "/open/hello")[0] == 200 and not s.session_reused
    session = s.session
    assert gate.proxy.reload().returncode == 0
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", gate.port)), server_hostname="localhost", session=session)
    assert exchange(s, "GET", "/open/hello")[0] == 200 and s.session_reused


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_ticket_with_a_broken_seal_is_a_full_handshake(gate, tmp_path, version):
    session = tmp_path / "session.pem"
    request = b"GET /open/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    port = ["-connect", f"127.0.0.1:{gate.port}", version, "-ign_eof"]
    subprocess.run(["openssl", "s_client", *port, "-sess_out", session], input=request, capture_output=True, timeout=30)
    good = subprocess.run(["openssl", "s_client", *port, "-sess_in", session], input=request, capture_output=True, timeout=30)
    assert b"Reused, " in good.stdout and b"hello" in good.stdout
    der = bytearray(subprocess.run(["openssl", "sess_id", "-in", session, "-outform", "DER"], capture_output=True).stdout)
    told = must("openssl", "sess_id", "-in", session, "-noout", "-text")
    ticket = bytes.fromhex("".join(re.sub(r"[^0-9a-f ]", " ", re.search(r"- (.{48})", line).group(1)).replace(" ", "")
                                   for line in told.split("TLS session ticket:\n")[1].splitlines() if re.match(r"\s+[0-9a-f]{4} - ", line)))
    at = bytes(der).find(ticket)
    assert at > 0
    der[at + len(ticket) - 1] ^= 1
    (tmp_path / "bad.der").write_bytes(der)
    must("openssl", "sess_id", "-inform", "DER", "-in", tmp_path / "bad.der", "-out", session)
    bad = subprocess.run(["openssl", "s_client", *port, "-sess_in", session], input=request, capture_output=True, timeout=30)
    assert b"New, " in bad.stdout and b"Reused, " not in bad.stdout and b"hello" in bad.stdout


def test_no_early_data_is_offered(gate, tmp_path):
    session = tmp_path / "session.pem"
    request = b"GET /open/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", "-tls1_3", "-ign_eof", "-sess_out", session],
                   input=request, capture_output=True, timeout=30)
    assert "Max Early Data: 0" in must("openssl", "sess_id", "-in", session, "-noout", "-text") or \
        "Early Data" not in must("openssl", "sess_id", "-in", session, "-noout", "-text")


def client_hello(name=None, alpn=("http/1.1",)):
    """The bytes of the first flight, and what is needed to go on."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(alpn))
    o = context.wrap_bio(incoming, outgoing, server_hostname=name or "localhost")
    with pytest.raises(ssl.SSLWantReadError):
        o.do_handshake()
    return outgoing.read()


def answer_to(port, *pieces):
    """The first bytes that come back after these pieces, sent one packet each."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                s.sendall(piece)
                time.sleep(0.005)
            return s.recv(5)
        except ConnectionError:
            return b""


def records(message, size):
    """A handshake message in several TLS records."""
    return [b"\x16\x03\x01" + len(message[i:i + size]).to_bytes(2, "big") + message[i:i + size]
            for i in range(0, len(message), size)]


def test_a_hello_may_come_in_many_records_and_packets(gate):
    hello = client_hello()
    assert answer_to(gate.port, hello)[:1] == b"\x16"
    assert answer_to(gate.port, *[hello[i:i + 7] for i in range(0, len(hello), 7)])[:1] == b"\x16"
    assert answer_to(gate.port, *records(hello[5:], 100))[:1] == b"\x16"
    assert answer_to(gate.port, b"".join(records(hello[5:], 50)))[:1] == b"\x16"


def test_an_endless_hello_is_cut_with_an_alert(gate):
    message = b"\x01\x03\xff\xff" + b"\0" * 262143
    assert answer_to(gate.port, *records(message, 16384)[:3])[:1] == b"\x15"
    assert exchange(connect(gate.port, gate.ca), "GET", "/open/hello")[0] == 200


def test_the_fingerprint_is_logged_as_published(gate):
    """curl's parts of JA4 that can be told from its command line: version, name, protocols."""
    must("curl", "-sS", "--http1.1", "--cacert", gate.ca, f"https://localhost:{gate.port}/open/fingerprint-1")
    must("curl", "-sS", "--http2", "--tls-max", "1.2", "--cacert", gate.ca, f"https://localhost:{gate.port}/open/fingerprint-2")

    def logged(path):
        for line in (gate.where / "access.jsonl").read_text().split("\n")[:-1]:
            if path in line:
                return json.loads(line)
    one = wait_until(lambda: logged("fingerprint-1"))
    two = wait_until(lambda: logged("fingerprint-2"))
    ja4 = [v for k, v in one.items() if "ja4" in k][0]
    assert re.fullmatch(r"t13d\d{4}h1_[0-9a-f]{12}_[0-9a-f]{12}", ja4), ja4
    ja4 = [v for k, v in two.items() if "ja4" in k][0]
    assert re.fullmatch(r"t12d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}", ja4), ja4


def early(gate, session, data, place):
    """What s_client says, which sends `data` as early data and a request behind it."""
    (place / "early").write_bytes(data)
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", "-servername", "localhost", "-sess_in", session,
                           "-early_data", place / "early", "-ign_eof"], capture_output=True, timeout=30,
                          input=b"GET /open/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.fixture
def foreign_session(authority, place):
    """Of another server of the same name, which takes early data."""
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", authority.where / "server.pem", "-key",
                               authority.where / "server.key", "-early_data", "-max_early_data", "1000000", "-quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def take():
        subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-sess_out", place / "session"],
                       input=b"hello\n", capture_output=True, timeout=10)
        return (place / "session").exists()
    wait_until(take)
    server.kill()
    server.wait()
    return place / "session"


@pytest.mark.parametrize("size", [1, 100, 5000, 16384, 40000])
def test_early_data_under_another_servers_ticket_is_skipped(gate, foreign_session, place, size):
    told = early(gate, foreign_session, b"x" * size, place)
    assert "Early data was rejected" in told and "HTTP/1.1 200" in told, told[-2000:]


def test_early_data_without_end_is_not_skipped_for_ever(gate, foreign_session, place):
    told = early(gate, foreign_session, b"x" * 500000, place)
    assert "HTTP/1.1 200" not in told and gate.proxy.process.poll() is None
    assert exchange(connect(gate.port, gate.ca), "GET", "/open/hello")[0] == 200


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("version", [0x0303, 0x0304, 0x03ff, 0x0404, 0x7f12, 0xfefd])
def test_a_hello_of_a_later_version_is_answered_by_one_that_is_spoken(gate, newest, version):
    context = ssl.create_default_context(cafile=str(gate.ca))
    context.maximum_version = newest
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = bytearray(out.read())
    assert hello[0] == 22 and hello[5] == 1
    hello[9:11] = version.to_bytes(2, "big")
    with connect(gate.port) as s:
        s.sendall(hello)
        got = s.recv(100)
    assert got[0] == 22 and got[5] == 2 and got[9:11] == b"\x03\x03", got[:16]
