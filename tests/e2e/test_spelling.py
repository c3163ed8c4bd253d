"""However a path is spelled, it takes one route; and slashes that are data reach those who want them, in decisions too."""
import pytest
from house import connect, exchange, header, must, run

ROUTES = """
  - {name: check, path: "/check/nginx", check: nginx}
  - {name: check-envoy, path: "/check/envoy/*", check: envoy}
  - {name: purge, path: "/v1/users:purge", deny: 403}
  - {name: batch, path: "/odata/$batch", deny: 403}
  - {name: braces, path: "/t/%7Bx%7D", deny: 403}
  - {name: secret, path: "/projects/group/secret/*", deny: 403}
  - {name: projects, path: "/projects/*", upstream: app, anonymous: true, encoded_slash: keep}
  - {name: rest, path: "/*", upstream: app, anonymous: true}
trusted_proxies: [127.0.0.1]
"""
DENIED = ("/v1/users%3Apurge", "/v1/users%3apurge", "/v1/users:purge;x", "/v1/users:purge%3Bx", "/v1/%75sers%3Apurge",
          "/odata/%24batch", "/odata/$batch;v=1", "/t/{x}", "/t/%7bx}", "/admin;x/y", "/admin%3bx/y", "/;x/admin/y",
          "/x/..;/../admin/y", "/admin;a=b;c", "//;p//admin/y", "/projects/group/secret;x/y", "/projects/group;x/secret/y")
KEPT = ("/projects/group%2Fproject", "/projects/a%2Fb%2Fc/d?x=%2F", "/projects/%2F/queue", "/projects/a%252Fb",
        "/projects/a;v=1%2Fb")
REFUSED = ("/projects/group%2Fsecret", "/projects/group%2Fsecret/x", "/projects/group%2fsecret%2Fx", "/projects%2Fx",
           "/projects/a%2F..%2Fb", "/projects/a%2F", "/projects/%2Fa", "/projects/a%2F%2Fb", "/projects/a%2F%2e%2e",
           "/projects/a%2F..;x/b", "/projects/a%5Cb", "/projects/a%00", "/x/a%2Fb", "/check%2Fenvoy", "/%2F")


@pytest.fixture(scope="module")
def spelled(authority, issuer, tmp_path_factory):
    import shutil, tempfile
    from conftest import World
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer, routes=ROUTES)
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


def get(world, path, headers=()):
    with connect(world.plain) as s:
        return exchange(s, "GET", path, headers)


@pytest.mark.parametrize("path", DENIED)
def test_a_denial_holds_however_it_is_spelled(spelled, path):
    spelled.origin.requests.clear()
    assert get(spelled, path)[0] in ((400, 403) if "..;" in path else (403,))
    assert ask(spelled, path)[1] in (("400", "403") if "..;" in path else ("403",))
    assert spelled.origin.requests == []


def ask(world, path):
    a = get(world, "/check/nginx", [("X-Original-Method", "GET"), ("X-Original-URI", path)])
    return a[0], header(a, "sallyport-status")


@pytest.mark.parametrize("path", KEPT)
def test_slashes_that_are_data_are_kept(spelled, path):
    spelled.origin.requests.clear()
    assert get(spelled, path)[0] == 200
    assert [r[1] for r in spelled.origin.requests] == [path]
    assert ask(spelled, path) == (200, "200")
    assert get(spelled, "/check/envoy" + path)[0] == 200


@pytest.mark.parametrize("path", REFUSED)
def test_slashes_that_can_be_read_as_another_path_are_refused(spelled, path):
    spelled.origin.requests.clear()
    assert get(spelled, path)[0] == 400
    assert ask(spelled, path) == (403, "400")
    if not path.startswith("/check"):
        assert get(spelled, "/check/envoy" + path)[0] == 400
    assert spelled.origin.requests == []


def test_the_same_holds_over_http2(spelled):
    def status(path):
        return must("curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--http2", "--path-as-is", "-g",
                    "--cacert", spelled.ca, f"https://localhost:{spelled.port}{path}")
    assert status("/v1/users%3Apurge") == "2 403" and status("/admin;x/y") == "2 403"
    assert status("/projects/group%2Fproject") == "2 200"
    assert status("/projects/group%2Fsecret") == "2 400" and status("/x/a%2Fb") == "2 400"


def test_what_is_no_denial_goes_on_as_it_came(spelled):
    for path in ("/v1/users%3Apurge2", "/odata/%24batch/x", "/a;b=c/d%3Be", "/t/{y}", "/a%24%3A"):
        spelled.origin.requests.clear()
        assert get(spelled, path)[0] == 200, path
        assert [r[1] for r in spelled.origin.requests] == [path]


def test_a_parameter_in_the_path_of_a_route_is_a_mistake(tmp_path):
    import house
    for path in ("/a;b", "/a%3Bb/*"):
        (tmp_path / "s.yaml").write_text("environment: dev\nlisteners: [{address: \"127.0.0.1:1\"}]\n"
                                         f"routes: [{{path: \"{path}\", deny: 403}}]\n")
        done = run(house.BINARY, "check", "-c", tmp_path / "s.yaml")
        assert done.returncode == 78 and "parameter" in done.stderr, done
