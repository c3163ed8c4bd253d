"""What root does for a configuration in directories, and with files, of other users."""
import os, shutil, socket, stat
import pytest
from house import BINARY, Sallyport, free_port, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acting in other users' directories takes root")
THEIR = 12345
SECRET = "root:$6$hidden:19000:0:99999:7:::"
LEAST = """
environment: dev
workers: 1
status: {{address: "127.0.0.1:{status}"}}
drain: {{delay: 0s, timeout: 1s}}
listeners: [{{address: "127.0.0.1:{port}"}}]
routes: [{{path: /*, deny: 403}}]
state: {where}/state
"""


def least(where, more=""):
    return LEAST.format(where=where, status=free_port(), port=free_port()) + more


@pytest.fixture
def theirs(place):
    (place / "theirs").mkdir()
    os.chown(place / "theirs", THEIR, THEIR)
    return place / "theirs"


@pytest.fixture
def victim(place):
    file = place / "victim"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("more", [
    "include: [{victim}]", "rules: [{victim}]", "include: [{theirs}/link]", "rules: [{theirs}/link]", "rules: {victim}",
    "issuers: {{a: {{issuer: 'https://a.test/', audiences: [x], ca: {victim}}}}}",
    "issuers: {{a: {{issuer: 'https://a.test/', audiences: [x], jwks: {victim}}}}}",
    "secrets: {{fleet: ['${{file:{victim}}}']}}", "log: {{level: '${{file:{victim}}}'}}", "workers: '${{file:{victim}}}'"])
@pytest.mark.parametrize("secret", [SECRET, "word: hidden\n", "hidden\n", "- hidden\n", "when: \"hidden\" {\n", "a: [hidden\n"])
def test_no_line_of_a_file_that_the_configurations_owner_does_not_own_is_shown(theirs, victim, more, secret):
    victim.write_text(secret)
    os.symlink(victim, theirs / "link")
    file = theirs / "sallyport.yaml"
    text = least(theirs) + more.format(victim=victim, theirs=theirs) + "\n"
    file.write_text(text.replace("workers: 1\n", "") if "workers: '$" in more else text)
    os.chown(file, THEIR, THEIR)
    done = run(BINARY, "check", "-c", file)
    assert "hidden" not in done.stderr + done.stdout, done.stderr


def test_lines_of_the_owners_own_files_are_shown(theirs):
    for name, text in (("sallyport.yaml", least(theirs) + "include: [more.yaml]\n"), ("more.yaml", "wokrers: 2\n")):
        (theirs / name).write_text(text)
        os.chown(theirs / name, THEIR, THEIR)
    done = run(BINARY, "check", "-c", theirs / "sallyport.yaml")
    assert done.returncode == 78 and "    wokrers: 2\n" in done.stderr and '"wokrers"' in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["link", "hard link", "link above"])
def test_the_log_of_another_user_leads_root_to_no_other_file(place, theirs, victim, kind):
    log = theirs / "access.jsonl"
    if kind == "link":
        os.symlink(victim, log)
    elif kind == "hard link":
        os.link(victim, log)
    else:
        (place / "closed").mkdir(0o700)
        os.symlink(place / "closed", theirs / "logs")
        log = theirs / "logs" / "access.jsonl"
    file = place / "sallyport.yaml"
    file.write_text(least(place, f"admin: {{socket: {place}/admin.sock}}\nlog: {{access: {log}}}\n"))
    done = run(BINARY, "run", "-c", file, env=dict(os.environ, XDG_STATE_HOME=str(place / "xdg")))
    assert done.returncode == 78 and "log.access" in done.stderr, done.stderr
    assert victim.read_text() == SECRET + "\n" and not (place / "closed" / "access.jsonl").exists()


def test_in_another_users_directory_files_and_sockets_are_made_without_his_links(place, theirs):
    (place / "closed").mkdir(0o700)
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(place / "closed" / "admin.sock"))
    os.symlink(place / "closed", theirs / "run")
    os.symlink(place / "closed", theirs / "xdg")
    text = least(place, f"admin: {{socket: {theirs}/run/admin.sock}}\n")
    file = place / "sallyport.yaml"
    file.write_text(text)
    done = run(BINARY, "run", "-c", file, env=dict(os.environ, XDG_STATE_HOME=str(theirs / "xdg")))
    assert done.returncode == 1 and "admin.socket" in done.stderr, done.stderr
    assert stat.S_ISSOCK(os.lstat(place / "closed" / "admin.sock").st_mode)
    assert os.listdir(place / "closed") == ["admin.sock"]
    other.close()


@pytest.mark.parametrize("kind", ["a link to an empty directory of root's", "below a closed directory"])
def test_a_state_directory_is_given_only_by_a_way_of_ours(place, theirs, kind):
    (place / "empty").mkdir(0o755)
    os.symlink(place / "empty", theirs / "state")
    (place / "closed").mkdir(0o700)
    state = theirs / "state" if kind.startswith("a link") else place / "closed" / "state"
    file = place / "sallyport.yaml"
    file.write_text(least(place).replace(f"state: {place}/state", f"state: {state}"))
    done = run(BINARY, "check", "-c", file)
    assert done.returncode == 78 and f"state: {state} cannot be" in done.stderr, done.stderr
    assert (place / "empty").stat().st_uid == 0
