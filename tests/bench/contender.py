"""A contender is a folder under contenders/: templates named SETUP.conf, and the programs start, stop and, where it can,
reload. start gets the rendered template and becomes the server; stop gets its process id."""
import os, pathlib, pwd, re, shutil, socket, string, subprocess, sys, time
import machine

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from ports import free_port  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent / "contenders"
TITLES = {"sallyport": "sallyport", "nginx": "nginx", "haproxy": "HAProxy", "nginx-lua-redis": "nginx + Lua + Redis",
          "relay": "TCP relay"}


class Template(string.Template):
    pattern = r"@(?:(?P<named>[A-Z_]+)@|(?P<escaped>@)|(?P<braced>)(?!)|(?P<invalid>)(?!))"


def wait_for(port, process, what):
    for _ in range(400):
        if process.poll() is not None:
            raise SystemExit(f"{what} ended at its start, with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{what} does not listen on port {port}")


def owns(port, pid):
    """Whether the family owns the port: a stale server of an earlier run would be measured otherwise."""
    out = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True).stdout
    return bool({int(x) for x in re.findall(r"pid=(\d+)", out)} & set(machine.family(pid)))


class Contender:
    """One running server. setup names the template; options fill it (WORKERS, RULES, ...)."""

    def __init__(self, house, name, setup="plain", title=None, pinned=True, **options):
        self.folder, self.name, self.setup = HERE / name, name, setup
        self.title = title or TITLES[name]
        self.port = free_port()
        self.where = pathlib.Path(house.where / f"{name}-{setup}-{self.port}")
        self.where.mkdir()
        os.chmod(self.where, 0o755)
        text = {**house.options, "WHERE": self.where, "DIR": self.folder, "PORT": self.port, "STATUS": free_port(),
                "WORKERS": 1, "USER": pwd.getpwuid(os.getuid()).pw_name, "BUILT": machine.BUILT,
                "FILES": machine.descriptors(), "MOST": min(40000, machine.descriptors() - 300), **options}
        config = self.where / "config"
        config.write_text(Template((self.folder / f"{setup}.conf").read_text()).substitute(text))
        environment = dict(os.environ, XDG_STATE_HOME=str(self.where), CONFIG=str(config),
                           **{k: str(v) for k, v in text.items() if k != "USER"})
        before = (lambda: None) if pinned else (lambda: os.sched_setaffinity(0, set(machine.CORES)))
        self.said = open(self.where / "said", "w")
        self.process = subprocess.Popen([str(self.folder / "start")], env=environment, stdout=self.said,
                                        stderr=self.said, preexec_fn=before)
        try:
            wait_for(self.port, self.process, self.title)
        except SystemExit as why:
            raise SystemExit(f"{why}\n{(self.where / 'said').read_text()}")
        time.sleep(0.5)
        if not owns(self.port, self.process.pid):
            raise SystemExit(f"{self.title}: another process owns port {self.port}")

    def program(self, what):
        subprocess.run([str(self.folder / what), str(self.process.pid)], check=True, stdout=self.said, stderr=self.said)

    def reload(self):
        self.program("reload")

    def empty_logs(self):
        """So that no run pays for page cache of which the hypervisor has yet to find the memory."""
        for log in self.where.glob("access.*"):
            os.truncate(log, 0)

    def cpu(self):
        return machine.cpu_seconds(self.process.pid)

    def memory(self):
        return machine.kib(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.program("stop")
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.said.close()


def has(name, setup):
    return (HERE / name / f"{setup}.conf").exists()


def can_run(name):
    need = {"nginx": ["nginx"], "haproxy": ["haproxy"], "nginx-lua-redis": ["nginx", "redis-server"]}.get(name, [])
    lua = pathlib.Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")
    return all(shutil.which(t) for t in need) and (name != "nginx-lua-redis" or lua.exists())
