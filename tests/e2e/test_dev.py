"""`sallyport dev`: every line that it prints is pasted into a shell, and the answer shown must be true."""
import os, re, signal, subprocess, time
import pytest
from house import BINARY, free_port, run, wait_until


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    where = tmp_path_factory.mktemp("dev")
    env = dict(os.environ, XDG_STATE_HOME=str(where), HOME=str(where), NO_COLOR="1")
    env.pop("SALLYPORT_ENVIRONMENT", None)
    out = open(where / "out.txt", "wb")
    process = subprocess.Popen([BINARY, "dev", "--port", str(free_port())], stdout=out, stderr=subprocess.STDOUT, env=env)

    def text():
        assert process.poll() is None, (where / "out.txt").read_text()
        return (where / "out.txt").read_text()
    wait_until(lambda: "429" in text(), 30)
    time.sleep(0.5)
    yield type("Dev", (), dict(text=text(), env=env, process=process, where=where))
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def lines(dev):
    """Pasted lines with the status that the text shows for them."""
    found, status = [], None
    for line in dev.text.splitlines():
        shown = re.search(r"\b(200|401|403|429|503)\b", line)
        if "curl" in line:
            command = line.strip()
            found.append([command, int(shown.group(1)) if shown and "#" in line else status])
        elif shown:
            status = int(shown.group(1))
    return found


def test_each_shown_answer_is_true_when_pasted(dev):
    pasted = lines(dev)
    assert len(pasted) >= 3, dev.text
    seen = set()
    for command, status in pasted:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=dev.env, timeout=60)
        assert done.returncode in (0, 22), (command, done.stderr)
        assert status and str(status) in done.stdout + done.stderr, (command, status, done.stdout, done.stderr)
        seen.add(status)
    assert {200, 401, 429} <= seen


def test_the_flood_shows_its_headers(dev):
    flood = [c for c, s in lines(dev) if s == 429][-1]
    done = subprocess.run(["bash", "-c", flood], capture_output=True, text=True, env=dev.env, timeout=60)
    said = (done.stdout + done.stderr).lower()
    assert "retry-after:" in said and "ratelimit:" in said and "ratelimit-policy:" in said


def test_no_trust_store_and_no_file_outside_the_state_directory(dev):
    assert not (dev.where / ".pki").exists()
    keys = [p for p in dev.where.rglob("*") if p.is_file() and ("key" in p.name or p.suffix == ".pem")]
    assert keys
    for p in keys:
        if "PRIVATE KEY" in p.read_text(errors="replace"):
            assert p.stat().st_mode & 0o077 == 0, p


def test_a_second_start_is_quick(dev):
    start = time.monotonic()
    env = dict(dev.env)
    process = subprocess.Popen([BINARY, "dev", "--help"], stdout=subprocess.DEVNULL, env=env)
    assert process.wait(5) == 0 and time.monotonic() - start < 5


def test_production_is_refused(dev):
    env = dict(dev.env, SALLYPORT_ENVIRONMENT="production")
    done = run(BINARY, "dev", "--port", free_port(), env=env)
    assert done.returncode == 78 and "production" in done.stderr
