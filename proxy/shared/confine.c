/* Gives up rights and descriptors. */
#include "shared/confine.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITIES_MAX 64

bool account_find(struct account *a, struct slice name, char *why, size_t why_cap)
{
	*a = (struct account){ .uid = geteuid(), .gid = getegid() };
	if (a->uid != 0)
		return true;
	struct passwd *p = name.len ? getpwnam(name.at) : getpwnam("sallyport");
	if (!p && !name.len)
		p = getpwnam("nobody");
	if (!p) {
		snprintf(why, why_cap, "user: there is no user %s on this host", name.len ? name.at : "nobody");
		return false;
	}
	a->change = p->pw_uid != 0;
	a->uid = p->pw_uid;
	a->gid = p->pw_gid;
	snprintf(a->name, sizeof a->name, "%s", p->pw_name);
	return true;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_from_to(int from, int to)
{
	if (from > to || syscall(SYS_close_range, (unsigned)from, (unsigned)to, 0u) == 0)
		return;
	struct rlimit most; /* a kernel before 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &most) != 0)
		return;
	for (int fd = from; fd <= to && (rlim_t)fd < most.rlim_cur; fd++)
		close(fd);
}

void confine_descriptors(int *keep, size_t len)
{
	int next = STDERR_FILENO + 1;

	qsort(keep, len, sizeof *keep, by_number);
	for (size_t i = 0; i < len; i++) {
		if (keep[i] < next)
			continue;
		close_from_to(next, keep[i] - 1);
		next = keep[i] + 1;
	}
	close_from_to(next, ~0u >> 1);
}

static bool set_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], set[2];

	if (syscall(SYS_capget, &head, now) != 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t bits = (uint32_t)(keep >> (32 * i)) & now[i].permitted;
		set[i] = (struct __user_cap_data_struct){ bits, bits, 0 };
	}
	head.pid = 0;
	return syscall(SYS_capset, &head, set) == 0;
}

static void shrink_bounding(uint64_t keep)
{
	for (unsigned c = 0; c < CAPABILITIES_MAX; c++)
		if (!(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) != 0)
			return; /* not root, or past the last one that this kernel knows */
}

static bool no_dumps(void)
{
	struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) == 0 && (TRACED || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
}

bool confine_identity(const struct account *a)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* refused by kernels without ambient ones */
	shrink_bounding(0);
	if (a->change && (setgroups(0, NULL) != 0 || setresgid(a->gid, a->gid, a->gid) != 0 ||
	                  setresuid(a->uid, a->uid, a->uid) != 0))
		return false;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && set_capabilities(0) && no_dumps();
}

bool confine_supervisor(void)
{
	uint64_t keep = UINT64_C(1) << CAP_NET_BIND_SERVICE | UINT64_C(1) << CAP_DAC_READ_SEARCH |
	                UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_KILL |
	                UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_SETPCAP;

	shrink_bounding(keep);
	return set_capabilities(keep) && no_dumps();
}

uint64_t confine_descriptors_max(void)
{
	struct rlimit most;

	return getrlimit(RLIMIT_NOFILE, &most) == 0 && most.rlim_cur != RLIM_INFINITY ? most.rlim_cur : 0;
}

void confine_raise_descriptors(void)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) != 0)
		return;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
}
