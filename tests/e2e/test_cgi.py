"""What a CGI program behind a real lighttpd takes for a field: every byte that is neither letter nor digit is _ there."""
import os, shutil, socket, subprocess
import pytest
from house import connect, exchange, free_port, header, must, wait_until

LIGHTTPD = shutil.which("lighttpd", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(not LIGHTTPD, reason="lighttpd is not installed")

OURS = ("SUBJECT", "CLIENT", "TENANT", "SCOPE", "CERTIFICATE", "VERDICT", "CLASS", "REQUEST_ID")
ODD = "!#$%&'*+-.^_`|~"  # all that RFC 9110 lets stand in a name besides letters and digits


class Cgi:
    """A lighttpd whose every path is a program that shows its environment."""

    def __init__(self, where):
        self.port = free_port()
        (where / "cgi").mkdir()
        program = where / "cgi/show"
        program.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nenv\n")
        program.chmod(0o755)
        config = where / "lighttpd.conf"
        config.write_text(f"""
server.modules = ("mod_cgi", "mod_alias")
server.document-root = "{where}"
server.bind = "127.0.0.1"
server.port = {self.port}
server.errorlog = "{where}/lighttpd.log"
alias.url = ("/" => "{program}/")
cgi.assign = ("" => "")
""")
        must(LIGHTTPD, "-tt", "-f", config)
        self.process = subprocess.Popen([LIGHTTPD, "-D", "-f", str(config)])

        def listens():
            assert self.process.poll() is None, (where / "lighttpd.log").read_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_until(listens)

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def cgi(tmp_path):
    c = Cgi(tmp_path)
    yield c
    c.close()


def routes(cgi, http=""):
    return dict(upstreams=f"  cgi: {{endpoints: [\"http://127.0.0.1:{cgi.port}\"]}}", routes=f"""
  - {{name: cgi, path: /cgi/*, upstream: cgi, anonymous: true}}
  - {{name: known, path: /known/*, upstream: cgi, verify: {{issuer: local, from: ["header:X-Token"]}}}}
  - {{name: changed, path: /changed/*, upstream: cgi, anonymous: true,
     request_headers: {{set: {{X-Set-Here: ours}}, remove: [X-Taken-Out]}}}}
{http}""")


def seen(world, path, headers):
    """What the program saw, as a dictionary."""
    with connect(world.plain) as sock:
        answer = exchange(sock, "GET", path, headers)
    assert answer[0] == 200, answer
    return dict(line.split("=", 1) for line in answer[2].decode().splitlines() if "=" in line)


def test_a_field_that_reads_as_ours_never_arrives(make_world, cgi):
    world = make_world(**routes(cgi, "http: {field_names: token}"))
    proof = seen(world, "/cgi/x", [("X!Proof", "here")])
    assert proof["HTTP_X_PROOF"] == "here"  # it does fold what is passed on
    for odd in ODD:
        forged = [(f"Sallyport{odd}{name.replace('_', odd)}", "EVIL") for name in OURS]
        forged += [(f"X{odd}Forwarded{odd}Host", "EVIL"), (f"X{odd}Forwarded{odd}User", "EVIL"),
                   (f"X{odd}Real{odd}IP", "EVIL")]
        got = seen(world, "/cgi/x", forged)
        assert not [k for k, v in got.items() if "EVIL" in v], (odd, got)
        assert got["HTTP_SALLYPORT_VERDICT"] == "none"
        got = seen(world, "/changed/x", [(f"X{odd}Set{odd}Here", "EVIL"), (f"X{odd}Taken{odd}Out", "EVIL")])
        assert got["HTTP_X_SET_HERE"] == "ours" and "HTTP_X_TAKEN_OUT" not in got, (odd, got)
        token = world.issuer.token()
        if odd != "-":
            got = seen(world, "/known/x", [("X-Token", token), (f"X{odd}Token", "EVIL")])
            assert got["HTTP_X_TOKEN"] == token and got["HTTP_SALLYPORT_SUBJECT"] == "user-1", (odd, got)


def test_other_names_are_refused_where_nothing_is_said(make_world, cgi):
    world = make_world(**routes(cgi))
    for odd in ODD:
        with connect(world.plain) as sock:
            answer = exchange(sock, "GET", "/cgi/x", [(f"X{odd}Mine", "1")])
            if odd in "-_.":
                assert answer[0] == 200, (odd, answer)
            else:
                assert answer[0] == 400 and header(answer, "Sallyport-Reason") == "field-name", (odd, answer)


def test_every_field_of_ours_is_sent(make_world, cgi):
    world = make_world()
    heard = {}
    for path, headers in (("/open/x", []), ("/api/x", [("Authorization", "Bearer " + world.issuer.token())])):
        with connect(world.plain) as sock:
            assert exchange(sock, "GET", path, headers)[0] == 200
        raw = bytes(world.origin.raw).decode()
        world.origin.raw.clear()
        heard[path] = {k.strip(): v.strip() for k, _, v in (x.partition(":") for x in raw.split("\r\n"))
                       if k.startswith("Sallyport-")}
    names = {f"Sallyport-{name.title().replace('_', '-')}" for name in OURS}
    for fields in heard.values():
        assert set(fields) == names and fields["Sallyport-Verdict"] and fields["Sallyport-Class"]
    assert heard["/open/x"]["Sallyport-Subject"] == heard["/open/x"]["Sallyport-Tenant"] == ""
    assert heard["/open/x"]["Sallyport-Verdict"] == "none"
    assert heard["/api/x"]["Sallyport-Subject"] == "user-1" and heard["/api/x"]["Sallyport-Certificate"] == ""
