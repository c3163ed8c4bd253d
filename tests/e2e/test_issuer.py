"""The keeper's side of verification, with real processes: states, drills, outages, restarts, sprays."""
import asyncio, json, os, re, signal, socket, threading, time
import pytest, websockets
from house import Sallyport, free_port, header, tls_context, wait_until, websocket
from issuing import command, get, houses, metric, reason, told


@pytest.fixture
def house(authority, tmp_path):
    yield from houses(authority, tmp_path)


class Proxy:
    """An HTTP proxy: CONNECT, and GET of absolute URLs. mode: normal, refusing (502), hanging, away."""

    def __init__(self):
        self.port, self.seen, self.mode = free_port(), [], "normal"
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = s.recv(65536)
                if not piece:
                    return
                head += piece
            method, target, _ = head.split(b"\r\n")[0].split(b" ")
            self.seen.append(method.decode())
            if self.mode == "refusing":
                s.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
            elif self.mode == "hanging":
                s.recv(1)
            elif self.mode == "normal":
                self.pass_on(s, method, target, head)

    @staticmethod
    def pass_on(s, method, target, head):
        where = target if method == b"CONNECT" else target.split(b"/")[2]
        host, port = where.decode().split(":")
        with socket.create_connection((host, int(port)), 10, source_address=("127.0.0.44", 0)) as up:
            if method == b"CONNECT":
                s.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                up.sendall(head.replace(b"http://" + where, b"", 1))
            threading.Thread(target=copy, args=(s, up), daemon=True).start()
            copy(up, s)

    def close(self):
        self.listener.close()


def copy(source, to):
    try:
        while piece := source.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_a_drill_shows_what_an_outage_would_do_and_outlives_the_keeper(house):
    w = house()
    token = w.issuer.token()
    done = command(w, "issuer", "drill", "local", "unreachable", "--for", "1m")
    assert done.returncode == 0 and "DRILL unreachable" in done.stdout, done
    wait_until(lambda: told(w)["state"] == "stale")
    seen = w.issuer.fetches
    keeper = w.proxy.status()["keeper"]["pid"]
    os.kill(keeper, signal.SIGKILL)
    w.proxy.wait_successor("keeper", keeper)
    wait_until(lambda: told(w)["failures"] > 0)
    assert told(w)["drill"]["kind"] == "unreachable" and w.issuer.fetches == seen
    assert get(w, token)[0] == 200                        # nobody who holds a valid token notices
    assert header(get(w, token, "127.0.0.2"), "sallyport-issuer-state") == "stale"
    assert header(get(w, token, "127.0.0.3"), "sallyport-issuer-state") is None
    assert metric(w, 'sallyport_issuer_state{issuer="local",state="stale"}') == 1
    assert metric(w, 'sallyport_issuer_state{issuer="local",state="normal"}') == 0
    assert metric(w, 'sallyport_issuer_drill{issuer="local",kind="unreachable"}') == 1
    assert command(w, "issuer", "drill", "local", "--stop").returncode == 0
    wait_until(lambda: told(w)["state"] == "normal" and told(w)["drill"] is None)
    assert "a drill begins: unreachable" in w.proxy.stderr
    wait_until(lambda: "the drill is over" in w.proxy.stderr)     # a message takes its time through the writer


def test_a_blind_drill_answers_503_and_never_401(house):
    w = house()
    token = w.issuer.token()
    assert command(w, "issuer", "drill", "local", "blind", "--for", "2s").returncode == 0
    a = get(w, token, "127.0.0.2")
    assert a[0] == 503 and header(a, "sallyport-reason") == "issuer-keys-missing" and header(a, "retry-after")
    assert header(a, "sallyport-issuer-state") == "blind"
    wait_until(lambda: get(w, token)[0] == 200)           # by its time


def test_issuer_commands_say_what_is_wrong(house):
    w = house()
    for words, status in ((("drill", "nobody", "stale"), 1), (("drill", "local", "asleep"), 2),
                          (("drill", "local", "stale", "--for", "2h"), 1), (("drill", "local"), 2),
                          (("drill", "local", "stale", "--for", "soon"), 2), (("status", "nobody"), 1)):
        done = command(w, "issuer", *words)
        assert done.returncode == status and done.stderr and not done.stdout, (words, done)
    done = command(w, "issuer", "status")
    assert done.returncode == 0 and re.match(r"issuer local: normal, 1 keys, \d+ s old, from issuer", done.stdout)


# ---- ways out ----

def ways(world):
    return {w["way"]: w for w in told(world)["egress"]}


def test_the_issuer_is_reached_through_a_proxy_or_from_an_address(house):
    proxy = Proxy()
    w = house(issuer_more=f', egress: [{{proxy: "http://127.0.0.1:{proxy.port}"}}]')
    assert proxy.seen and set(proxy.seen) == {"GET"} and set(w.issuer.peers) == {"127.0.0.44"}
    w = house(issuer_more=", egress: [{address: 127.0.0.9}]")
    assert set(w.issuer.peers) == {"127.0.0.9"}
    proxy.close()
    proxy = Proxy()
    w = house(issuer_more=f', ca: {w.ca}, egress: [{{proxy: "http://127.0.0.1:{proxy.port}"}}]', tls=True)
    assert proxy.seen and set(proxy.seen) == {"CONNECT"} and set(w.issuer.peers) == {"127.0.0.44"}
    proxy.close()


@pytest.mark.parametrize("mode", ["refusing", "hanging", "away"])
def test_a_lost_way_is_not_a_lost_issuer(house, mode):
    proxy = Proxy()
    name = f"proxy http://127.0.0.1:{proxy.port}"
    w = house(issuer_more=f', egress: [{{proxy: "http://127.0.0.1:{proxy.port}"}}, {{address: 127.0.0.9}}]')
    assert set(w.issuer.peers) == {"127.0.0.44"}
    proxy.mode = mode
    wait_until(lambda: "127.0.0.9" in w.issuer.peers, 20)
    wait_until(lambda: ways(w)[name]["failures"] > 0)
    assert metric(w, f'sallyport_issuer_egress_healthy{{issuer="local",way="{name}"}}') == 0
    assert told(w)["failures"] == 0 and ways(w)["address 127.0.0.9"]["failures"] == 0   # no attempt failed
    said = command(w, "issuer", "status").stdout
    assert f"  way {name}: fails, " in said and "  way address 127.0.0.9: works\n" in said
    proxy.mode = "normal"
    w.issuer.peers.clear()
    wait_until(lambda: "127.0.0.44" in w.issuer.peers and ways(w)[name]["failures"] == 0, 40)
    proxy.close()


# ---- revocation ----

def revoke(world, *words):
    return command(world, "revoke", *words, "--issuer", "local")


def test_what_is_revoked_is_refused_at_once_by_every_worker_and_after_a_restart(house):
    w = house(workers=2)
    now = int(time.time())
    one = w.issuer.token(jti="j-1", sub="alice", sid="s-1", iat=now - 100)
    two = w.issuer.token(jti="j-2", sub="bob", sid="s-2", iat=now - 100)
    assert get(w, one)[0] == get(w, two)[0] == 200          # in the verdict cache from now on
    done = revoke(w, "jti", "j-1")
    assert done.returncode == 0 and done.stdout.count("worker") == 2, done
    assert all(reason(get(w, one)) == (401, "token-revoked") for _ in range(10))
    assert 'error="invalid_token"' in header(get(w, one), "www-authenticate")
    assert get(w, two)[0] == 200
    for kind, value in (("sub", "bob"), ("sid", "s-3"), ("kid", "k9")):
        done = revoke(w, kind, value)
        assert done.returncode == 0, done
    assert reason(get(w, two)) == (401, "token-revoked")
    assert get(w, w.issuer.token(sub="bob", iat=int(time.time()) + 2))[0] == 200    # logged in anew
    assert reason(get(w, w.issuer.token(sub="carol", sid="s-3"))) == (401, "token-revoked")
    os.kill(w.proxy.status()["keeper"]["pid"], signal.SIGKILL)
    assert reason(get(w, one)) == (401, "token-revoked")
    w.proxy.stop()
    w.issuer.mode = "error"                                 # and in every state of the issuer
    w.proxy = Sallyport(w.where, w.config()).wait_ready(w.status_port)
    assert reason(wait_until(lambda: get(w, one))) == (401, "token-revoked")
    listed = json.loads(command(w, "revoke", "list", "-o", "json").stdout)
    assert listed["lost"] is None
    assert {(r["kind"], r["value"]) for r in listed["revocations"]} == \
        {("jti", "j-1"), ("sub", "bob"), ("sid", "s-3"), ("kid", "k9")}
    assert "jti j-1 of local, until 20" in command(w, "revoke", "list").stdout
    assert revoke(w, "undo", "jti", "j-1").returncode == 0
    assert get(w, one)[0] == 200


def test_an_open_tunnel_ends_with_its_revoked_token(house):
    w = house(routes="  - {name: wsv, path: /private/*, upstream: app, websocket: true, verify: {issuer: local}}")

    async def talk(sid, after):
        uri = f"wss://localhost:{w.port}/private/ws"
        more = {"Authorization": f"Bearer {w.issuer.token(sid=sid)}"}
        async with websocket(uri, ssl=tls_context(w.ca), headers=more) as ws:
            await ws.send("a")
            assert await ws.recv() == "a"
            if after:
                done = await asyncio.to_thread(revoke, w, "sid", "s-1")
                assert done.returncode == 0, done
                with pytest.raises(websockets.ConnectionClosed):
                    await asyncio.wait_for(ws.recv(), 5)
            else:
                await talk("s-1", True)
                await ws.send("b")                          # another session's goes on
                assert await ws.recv() == "b"
    asyncio.run(talk("s-2", False))
    assert metric(w, 'sallyport_faults_total{reason="tunnel-revoked"}') == 1


def test_revoke_says_what_is_wrong(house):
    w = house()
    for words, status in ((("revoke", "jti", "x"), 2), (("revoke", "email", "x", "--issuer", "local"), 2),
                          (("revoke", "jti", "x", "--issuer", "nobody"), 1), (("revoke",), 2),
                          (("revoke", "jti", "x", "--issuer", "local", "--until", "soon"), 2),
                          (("revoke", "undo", "jti", "x", "--issuer", "local"), 1)):
        done = command(w, *words)
        assert done.returncode == status and done.stderr and not done.stdout, (words, done)


def test_a_key_whose_entry_cannot_be_read_any_more_is_held(house):
    w = house()
    w.issuer.add_key("k2")
    w.issuer.add_key("k3")
    kept, dropped = w.issuer.token(), w.issuer.token(kid="k2")
    wait_until(lambda: get(w, dropped)[0] == 200)
    w.issuer.spoilt["k1"] = {"n": "!", "alg": None, "x5c": None}
    w.issuer.hidden.add("k2")
    wait_until(lambda: reason(get(w, dropped)) == (401, "token-key-unknown"), 15)  # one that is gone is gone
    fetches = w.issuer.fetches
    wait_until(lambda: w.issuer.fetches > fetches + 2, 15)
    assert get(w, kept)[0] == 200
    assert "cannot read key k1: n or e is missing" in command(w, "issuer", "status").stdout
    assert w.proxy.stderr.count("the entry of its key k1") == 1


def test_the_log_says_what_is_wrong_with_a_malformed_token(house):
    w = house()
    for token, why in ((w.issuer.token(exp=None), "exp is missing"), (w.issuer.token(aud={"a": 1}), "aud is neither"),
                       (w.issuer.token(header={"jku": "https://x/"}), "where to fetch keys (jku)"), ("a.b.c", "its header is")):
        assert reason(get(w, token)) == (401, "token-malformed")
        wait_until(lambda: any('"sallyport.detail":"' in line and why in line
                               for line in (w.where / "access.jsonl").read_text().split("\n")[:-1]))
