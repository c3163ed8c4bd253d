"""The world around a Sallyport under test: certificates, a token issuer, a run of the real binary, raw connections."""
import base64, json, os, signal, socket, ssl, subprocess, sys, threading, time, pathlib
import http.server

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/tools"))
from ports import free_port  # noqa: E402
BINARY = os.environ.get("SALLYPORT", str(ROOT / "build/debug/sallyport"))


def run(*args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace",
                          timeout=60, **more)


def must(*args, **more):
    done = run(*args, **more)
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wait_until(what, seconds=10.0, every=0.02):
    """Returns what() as soon as it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < end, f"did not become true within {seconds} s: {what}"
        time.sleep(every)


class Authority:
    """A certificate authority made with the openssl command."""

    def __init__(self, where, name="test CA"):
        self.where = pathlib.Path(where)
        self.where.mkdir(parents=True, exist_ok=True)
        self.ca = self.where / "ca.pem"
        self.key = self.where / "ca.key"
        must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.ca)

    def issue(self, name, sans, usage="serverAuth"):
        chain, key, csr = (self.where / f"{name}.{e}" for e in ("pem", "key", "csr"))
        ext = self.where / f"{name}.ext"
        # what strict clients demand, as those of Python 3.13 are: RFC 5280, section 4.2.1
        ext.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n"
                       f"authorityKeyIdentifier=keyid\nextendedKeyUsage={usage}\n" +
                       (f"subjectAltName={','.join(sans)}\n" if sans else ""))
        must("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
             "-keyout", key, "-out", csr)
        must("openssl", "x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", "30",
             "-extfile", ext, "-out", chain)
        return chain, key


def alive(pid):
    """Whether it still runs; one that nobody has waited for does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An OpenID issuer on loopback: discovery, a key set, tokens signed with openssl. It can be made to fail."""

    def __init__(self, where, tls=None):
        """tls: (chain, key) of a certificate for 127.0.0.1."""
        self.where = pathlib.Path(where)
        self.where.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.tls = tls
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/"
        self.keys = {}
        self.fetches = 0
        self.peers = []      # who asked for the key set
        self.mode = "normal" # or error (500), hang, empty (no key), garbage
        self.hidden = set()  # keys that are there and not published
        self.spoilt = {}     # kid: members of its published entry that are changed
        self.discovery = {}  # further members of the discovery document
        self.add_key("k1")
        self.server = None
        self.start()

    def add_key(self, kid):
        pem = self.where / f"{kid}.pem"
        must("openssl", "genrsa", "-out", pem, "2048")
        modulus = must("openssl", "rsa", "-in", pem, "-noout", "-modulus").strip().split("=")[1]
        self.keys[kid] = (pem, b64(bytes.fromhex(modulus)))

    def start(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if issuer.mode == "hang":
                    while issuer.mode == "hang":
                        time.sleep(0.05)
                    return
                if issuer.mode == "error":
                    self.send_error(500)
                    return
                if self.path.endswith("openid-configuration"):
                    body = {"issuer": issuer.url, "jwks_uri": issuer.url + "jwks.json", **issuer.discovery}
                else:
                    issuer.fetches += 1
                    issuer.peers.append(self.client_address[0])
                    body = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k, "n": n, "e": "AQAB",
                                      **issuer.spoilt.get(k, {})}
                                     for k, (_, n) in issuer.keys.items()
                                     if issuer.mode != "empty" and k not in issuer.hidden]}
                data = b"<html>" if issuer.mode == "garbage" else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def token(self, kid="k1", alg="RS256", header=None, **claims):
        now = int(time.time())
        body = {"iss": self.url, "aud": "https://api.example.com", "sub": "user-1", "iat": now, "exp": now + 600,
                "scope": "read", "azp": "client-1", "org_id": "tenant-1"}
        body.update(claims)
        body = {k: v for k, v in body.items() if v is not None}
        head = {"alg": alg, "typ": "JWT", "kid": kid}
        head.update(header or {})
        signed = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
        pem = self.keys[kid][0] if kid in self.keys else self.keys["k1"][0]
        sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", pem], input=signed.encode(), capture_output=True,
                             check=True).stdout
        return signed + "." + b64(sig)


class Sallyport:
    """One run of the binary on a configuration, stopped at the end; its stderr is kept and searched for sanitizers."""

    def __init__(self, where, config, env=None, args=(), prefix=()):
        self.where = pathlib.Path(where)
        self.file = self.where / "sallyport.yaml"
        self.file.write_text(config)
        self.stderr_path = self.where / "stderr.txt"
        self.env = dict(os.environ, XDG_STATE_HOME=str(self.where / "xdg"))
        self.env.pop("SALLYPORT_ENVIRONMENT", None)
        self.env.update(env or {})
        self.process = subprocess.Popen([*prefix, BINARY, "run", "-c", str(self.file), *args],
                                        stdout=open(self.where / "stdout.txt", "ab"),
                                        stderr=open(self.stderr_path, "ab"), env=self.env)

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def wait_ready(self, status_port, seconds=20):
        def ready():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.stderr}"
            try:
                with socket.create_connection(("127.0.0.1", status_port), 1) as s:
                    s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    return b" 200 " in s.recv(200)
            except OSError:
                return False
        wait_until(ready, seconds, 0.05)
        return self

    def status(self):
        done = run(BINARY, "status", "-c", self.file, "-o", "json", env=self.env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait_successor(self, role, pid):
        """Until the keeper or writer of this pid has a successor; while there is no keeper, nobody answers."""
        def is_there():
            done = run(BINARY, "status", "-c", self.file, "-o", "json", env=self.env)
            return done.returncode == 0 and json.loads(done.stdout)[role]["pid"] not in (0, pid)
        wait_until(is_there)

    def reload(self, config=None):
        if config is not None:
            self.file.write_text(config)
        return run(BINARY, "reload", "-c", self.file, env=self.env)

    def children(self):
        pids = must("ps", "-o", "pid=,args=", "--ppid", self.process.pid).splitlines()
        return {int(line.split(None, 1)[0]): line.split(None, 1)[1] for line in pids if line.strip()}

    def kill(self):
        """No goodbye: the supervisor is held first, so that it starts nothing in the place of what dies, and the ports are free."""
        self.process.send_signal(signal.SIGSTOP)
        family = [*self.children()]
        for pid in (*family, self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in family), 20)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop within {seconds} s:\n{self.stderr}")
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "broken promise"):
            assert word not in self.stderr, self.stderr
        return code


def tls_context(ca, alpn=("http/1.1",)):
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(list(alpn))
    return context


def logged(where):
    """The lines of the access log in this directory, but for one that is being written."""
    return [json.loads(line) for line in (pathlib.Path(where) / "access.jsonl").read_text().split("\n")[:-1]]


def websocket(uri, headers=None, **more):
    """A WebSocket client, whose package renamed this argument when it was 14."""
    import websockets
    is_new = int(websockets.__version__.split(".")[0]) >= 14
    return websockets.connect(uri, **{"additional_headers" if is_new else "extra_headers": headers}, **more)


def connect(port, ca=None, name="localhost", alpn=("http/1.1",), source=None):
    raw = socket.create_connection(("127.0.0.1", port), 10, source_address=source)
    raw.settimeout(10)
    return tls_context(ca, alpn).wrap_socket(raw, server_hostname=name) if ca else raw


def read_answer(sock):
    """One HTTP/1.1 answer: (status, headers as a list, body, rest)."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None if not data else (0, [], data, b"")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = [tuple(x.split(": ", 1)) for x in lines[1:]]
    named = {k.lower(): v for k, v in headers}
    if status < 200 and status != 101:
        return status, headers, b"", rest
    if named.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            while b"\r\n" not in rest:
                piece = sock.recv(65536)
                assert piece, "the answer was cut"
                rest += piece
            size, _, rest = rest.partition(b"\r\n")
            n = int(size.split(b";")[0], 16)
            while len(rest) < n + 2:
                piece = sock.recv(65536)
                assert piece, "the answer was cut"
                rest += piece
            if n == 0:
                break
            body, rest = body + rest[:n], rest[n + 2:]
        return status, headers, body, rest[2:]
    length = int(named.get("content-length", 0))
    while len(rest) < length:
        piece = sock.recv(65536)
        assert piece, "the answer was cut"
        rest += piece
    return status, headers, rest[:length], rest[length:]


def exchange(sock, method, path, headers=(), body=b"", host="localhost"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"] + [f"{k}: {v}" for k, v in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
    return read_answer(sock)


def header(answer, name):
    found = [v for k, v in answer[1] if k.lower() == name.lower()]
    return found[0] if found else None


class Load:
    """Keep-alive clients in threads; every request that is not answered 200 in full is a failure, with its reason."""

    def __init__(self, port, ca, path="/open/hello", clients=8, headers=()):
        self.port, self.ca, self.path, self.headers = port, ca, path, headers
        self.done, self.failed, self.stopping = 0, [], False
        self.threads = [threading.Thread(target=self.client, daemon=True) for _ in range(clients)]
        self.lock = threading.Lock()

    def client(self):
        sock = None
        while not self.stopping:
            try:
                if sock is None:
                    sock = connect(self.port, self.ca)
                answer = exchange(sock, "GET", self.path, self.headers)
                if answer is None:
                    raise ConnectionError("closed without an answer")
                with self.lock:
                    self.done += 1
                    if answer[0] != 200:
                        self.failed.append(f"status {answer[0]} {header(answer, 'sallyport-reason')}")
                if (header(answer, "connection") or "").lower() == "close":
                    sock.close()
                    sock = None
            except (OSError, AssertionError, ValueError) as e:
                with self.lock:
                    self.failed.append(repr(e))
                sock = None

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *a):
        self.stopping = True
        for t in self.threads:
            t.join(15)
