import os, pathlib, shutil, sys, tempfile
import pytest

# the files that wait longest begin first, so that no runner is left alone with them at the end
LONG = ("test_verify_limit", "test_load", "test_issuer_fleet", "test_issuer", "test_process")
# what these show does not depend on the bytes of clients, upstreams, issuers or Redis; all others are marked `foreign`
OURS = ("test_balance", "test_cli", "test_dev", "test_issuer_fleet", "test_life", "test_outage", "test_process", "test_revoke_fleet",
        "test_seen")

sys.path.insert(0, os.path.dirname(__file__))
from house import Authority, Issuer, Sallyport, free_port  # noqa: E402
from origin import Origin  # noqa: E402

CONFIG = """
environment: dev
workers: {workers}
state: {where}/state
status: {{address: "127.0.0.1:{status}"}}
admin: {{socket: {where}/admin.sock}}
log: {{access: {log}, query_allow: [page]}}
drain: {{delay: 200ms, timeout: 5s}}
listeners:
  - address: 127.0.0.1:{port}
    tls: {{certificates: [{{chain: {ca}/server.pem, key: {ca}/server.key}}]}}
  - address: 127.0.0.1:{plain}
{listeners}
issuers:
  local: {{issuer: "{issuer}", audiences: ["https://api.example.com"]{issuer_more}}}
upstreams:
  app: {{endpoints: ["{origin}"], header_timeout: 10s, connect_timeout: 5s}}
{upstreams}
limits:
  per-key: {{key: ["header:X-Key"], rate: 1/m, burst: 5, headers: always}}
  per-subject: {{key: [subject], rate: 1/m, burst: 3}}
  per-address: {{key: [address], rate: 1/m, burst: 4}}
{limits}
routes:
  - {{name: open, path: /open/*, upstream: app, anonymous: true, body_max: 2GiB}}
  - {{name: hasty, path: /hasty/*, upstream: app, anonymous: true, header_timeout: 1s}}
  - {{name: small, path: /small/*, upstream: app, anonymous: true, body_max: 1KiB}}
  - {{name: api, path: /api/*, upstream: app, verify: {{issuer: local, scopes: [read]}}}}
  - {{name: mine, path: /mine/*, upstream: app, verify: {{issuer: local}}, limits: [per-subject]}}
  - {{name: keyed, path: /keyed/*, upstream: app, anonymous: true, limits: [per-key]}}
  - {{name: login, path: /login/*, upstream: app, anonymous: true, limits: [per-address]}}
  - {{name: ws, path: /live/*, upstream: app, anonymous: true, websocket: true}}
  - {{name: admin, path: /admin/*, deny: 403}}
  - {{name: old, path: /old/*, redirect: {{to: "/open{{path}}{{query}}", status: 308}}}}
  - {{name: get-only, path: /get/*, upstream: app, anonymous: true, methods: [GET, HEAD]}}
{routes}
"""


class World:
    """One proxy with its origin and issuer; parts of the configuration can be added."""

    def __init__(self, where, authority, issuer, workers=2, **parts):
        self.where = pathlib.Path(where)
        self.authority, self.issuer = authority, issuer
        self.ca = authority.ca
        self.origin = Origin()
        self.port, self.plain, self.status_port = free_port(), free_port(), free_port()
        self.parts = dict(listeners="", upstreams="", limits="", routes="", workers=workers, issuer_more="",
                          log=f"{self.where}/access.jsonl")
        self.parts.update(parts)
        self.proxy = Sallyport(where, self.config(), parts.get("env"), prefix=parts.get("prefix", ()))
        self.proxy.wait_ready(self.status_port)

    def config(self, **change):
        parts = dict(self.parts, **change)
        return CONFIG.format(where=self.where, port=self.port, plain=self.plain, status=self.status_port,
                             ca=self.authority.where, issuer=self.issuer.url, origin=self.origin.url,
                             **{k: v for k, v in parts.items() if k != "env"})

    def close(self):
        self.proxy.stop()
        self.origin.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "foreign: carries bytes of strangers through our parsers: under ASan these are run")


def pytest_collection_modifyitems(items):
    def file(item):
        return item.module.__name__.rpartition(".")[2]
    items.sort(key=lambda item: LONG.index(file(item)) if file(item) in LONG else len(LONG))
    for item in items:
        if file(item) not in OURS:
            item.add_marker(pytest.mark.foreign)


@pytest.fixture
def short_path():
    """A directory for what holds Unix sockets, whose names have 108 bytes; workers started by root run as somebody else."""
    where = tempfile.mkdtemp(prefix="sp-")
    os.chmod(where, 0o755)
    yield pathlib.Path(where)
    shutil.rmtree(where, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    a = Authority(tmp_path_factory.mktemp("ca"))
    a.issue("server", ["DNS:localhost", "DNS:*.example.com", "IP:127.0.0.1"])
    return a


@pytest.fixture(scope="session")
def issuer(tmp_path_factory):
    i = Issuer(tmp_path_factory.mktemp("issuer"))
    yield i
    i.stop()


@pytest.fixture
def place():
    """A directory with a short path that a process that has given up root may pass too."""
    where = pathlib.Path(tempfile.mkdtemp(prefix="sp-"))
    where.chmod(0o755)
    yield where
    shutil.rmtree(where, ignore_errors=True)


@pytest.fixture(scope="module")
def world(authority, issuer):
    # a short path: Unix socket names have 108 bytes
    where = tempfile.mkdtemp(prefix="sp-")
    w = World(where, authority, issuer)
    yield w
    w.close()
    shutil.rmtree(where, ignore_errors=True)


@pytest.fixture
def make_world(authority, issuer):
    made = []

    def make(**parts):
        where = tempfile.mkdtemp(prefix="sp-")
        w = World(where, authority, issuer, **parts)
        made.append((w, where))
        return w
    yield make
    for w, where in made:
        w.close()
        shutil.rmtree(where, ignore_errors=True)
