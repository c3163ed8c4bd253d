"""The machine: what it is, what our processes spend on it, and what others take."""
import atexit, os, pathlib, resource, shutil, subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / "build/release"
TICK = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
CORE = CORES[-1]
watched = {CORE}  # the cores on which contender, origin and load run


def family(pid):
    """The process and all its descendants."""
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                todo += [int(x) for x in open(f"/proc/{p}/task/{t}/children").read().split()]
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    """What the family has spent, in user space and in the kernel. Those that ended meanwhile are not counted."""
    total = 0.0
    for p in family(pid):
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                total += int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0]) / 1e9
        except OSError:
            pass
    return total


def user_and_kernel(pid):
    """Seconds of the family in user space and in the kernel, by the kernel's ticks: for runs of seconds."""
    user = kernel = 0.0
    for p in family(pid):
        try:
            f = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
            user, kernel = user + int(f[11]) / TICK, kernel + int(f[12]) / TICK
        except OSError:
            pass
    return user, kernel


def kib(pid, *fields):
    """Memory of the family: sums of fields of smaps_rollup; Private_Clean and Private_Dirty where none is named."""
    total = 0
    for p in family(pid):
        try:
            for line in open(f"/proc/{p}/smaps_rollup"):
                if line.split(":")[0] in (fields or ("Private_Clean", "Private_Dirty")):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def core_busy_seconds():
    """Time that the watched cores have spent for anyone: everything but idle and iowait, stolen time included."""
    total = 0.0
    for line in open("/proc/stat"):
        name = line.split()[0]
        if name[:3] == "cpu" and name[3:] and int(name[3:]) in watched:
            f = [int(x) for x in line.split()[1:9]]
            total += (sum(f) - f[3] - f[4]) / TICK
    return total


def ended_children_seconds():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def weigh_processes_alone():
    """Where the kernel weighs sessions against each other first (autogroup), it does not until we end: a proxy whose workers
    have sessions of their own would get another share of the core than its peers and the load."""
    switch = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
    if switch.exists():
        before = switch.read_text()
        switch.write_text("0")
        atexit.register(lambda: switch.write_text(before))


def settle_here(before_others=True):
    """One core, before others where we may, and as many descriptors as the contenders want."""
    os.sched_setaffinity(0, {CORE})
    try:
        if before_others:
            os.setpriority(os.PRIO_PROCESS, 0, -19)
            weigh_processes_alone()
        resource.setrlimit(resource.RLIMIT_NOFILE, (131072, 131072))
    except (PermissionError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def first_line(*args):
    try:
        done = subprocess.run(args, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "absent"


def facts():
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
    return {
        "cpu": model[0] if model else "unknown", "cores": len(CORES), "core_used": CORE,
        "kernel": os.uname().release, "memory_kib": int(open("/proc/meminfo").readline().split()[1]),
        "congestion_control":
            pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "load_before": os.getloadavg()[0], "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "openssl": first_line("openssl", "version"), "nginx": first_line("nginx", "-v"),
        "haproxy": first_line("haproxy", "-v"), "wrk": first_line("wrk", "-v"),
        "redis": first_line("redis-server", "--version"),
        "sallyport": first_line(str(BUILT / "sallyport"), "version"),
        "commit": first_line("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
    }


def missing(tools):
    return [t for t in tools if not shutil.which(t)]
