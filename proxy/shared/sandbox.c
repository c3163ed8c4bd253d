/* The seccomp filter. */
#include "shared/confine.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Never of use to any of us, and of much use to whoever has taken one over. */
static const int denied[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(fsconfig),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(reboot),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(capset),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(syslog),
	SCMP_SYS(personality),
	SCMP_SYS(uselib),
	SCMP_SYS(vhangup),
	SCMP_SYS(remap_file_pages),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
};

/* The keeper alone makes and renames files: its snapshots. */
static const int denied_files[] = {
	SCMP_SYS(creat),         SCMP_SYS(truncate),     SCMP_SYS(unlink),        SCMP_SYS(unlinkat),
	SCMP_SYS(rename),        SCMP_SYS(renameat),     SCMP_SYS(renameat2),     SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),       SCMP_SYS(rmdir),        SCMP_SYS(mknod),         SCMP_SYS(mknodat),
	SCMP_SYS(link),          SCMP_SYS(linkat),       SCMP_SYS(symlink),       SCMP_SYS(symlinkat),
	SCMP_SYS(chmod),         SCMP_SYS(fchmod),       SCMP_SYS(fchmodat),      SCMP_SYS(chown),
	SCMP_SYS(fchown),        SCMP_SYS(lchown),       SCMP_SYS(fchownat),      SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),     SCMP_SYS(fsetxattr),    SCMP_SYS(removexattr),   SCMP_SYS(utimensat),
	SCMP_SYS(fanotify_init), SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1),
};

/* What a leak check of AddressSanitizer needs at the very end. */
static const int denied_untraced[] = { SCMP_SYS(ptrace) };
static const int denied_forks[] = { SCMP_SYS(fork), SCMP_SYS(vfork) };
static const int denied_open[] = { SCMP_SYS(open) };

#define LEN(list) (sizeof(list) / sizeof(list)[0])
#define WORD UINT64_C(0xffffffff) /* the kernel reads no more of these arguments than that */

static bool deny_all(scmp_filter_ctx filter, const int *calls, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (calls[i] >= 0 && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0) != 0)
			return false; /* calls below 0 do not exist on this architecture */
	return true;
}

static bool deny_word(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
	                        SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, WORD, value)) == 0;
}

static bool deny_bits(scmp_filter_ctx filter, int call, unsigned argument, uint64_t bits)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
	                        SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bits, bits)) == 0;
}

/* Whom it may touch: itself. Signal 0 asks whether somebody lives. */
static bool deny_others(scmp_filter_ctx filter)
{
	uint64_t self = (uint64_t)getpid();

	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 2, SCMP_A0(SCMP_CMP_NE, self, 0),
	                        SCMP_A1(SCMP_CMP_NE, 0, 0)) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
	                        SCMP_A0(SCMP_CMP_NE, self, 0)) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
	                        SCMP_A0(SCMP_CMP_NE, 0, 0)) == 0;
}

/* Memory is written or executed, never both; nothing is typed into a terminal; no odd sockets. */
static bool deny_tricks(scmp_filter_ctx filter)
{
	static const uint64_t families[] = { AF_PACKET, AF_VSOCK, AF_ALG };
	uint64_t both = PROT_WRITE | PROT_EXEC;
	bool ok = deny_bits(filter, SCMP_SYS(mmap), 2, both) && deny_bits(filter, SCMP_SYS(mprotect), 2, both) &&
	          deny_bits(filter, SCMP_SYS(pkey_mprotect), 2, both) &&
	          deny_word(filter, SCMP_SYS(ioctl), 1, TIOCSTI) &&
	          deny_word(filter, SCMP_SYS(ioctl), 1, TIOCLINUX);

	for (size_t i = 0; i < LEN(families) && ok; i++)
		ok = deny_word(filter, SCMP_SYS(socket), 0, families[i]);
	return ok && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) == 0;
}

/* Files, where at all, are only read. openat2 hides its flags behind a pointer: the C library falls back when
 * it does not exist, and so with clone3. */
static bool deny_writing(scmp_filter_ctx filter)
{
	static const uint64_t writing[] = { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC };

	for (size_t i = 0; i < LEN(writing); i++)
		if (!deny_bits(filter, SCMP_SYS(openat), 2, writing[i]))
			return false;
	return deny_all(filter, denied_files, LEN(denied_files)) &&
	       (TRACED || deny_all(filter, denied_open, LEN(denied_open)));
}

/* New threads are let be, new processes are not. */
static bool deny_forks(scmp_filter_ctx filter)
{
	return TRACED || (deny_all(filter, denied_forks, LEN(denied_forks)) &&
	                  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
	                                   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM, 0)) == 0 &&
	                  seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0);
}

bool confine_calls(unsigned may)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = filter && deny_all(filter, denied, LEN(denied)) &&
	          (TRACED || deny_all(filter, denied_untraced, LEN(denied_untraced))) && deny_others(filter) &&
	          deny_tricks(filter) && (may & MAY_WRITE || deny_writing(filter)) &&
	          (may & MAY_FORK || deny_forks(filter)) &&
	          (may & MAY_RESOLVE || deny_word(filter, SCMP_SYS(socket), 0, AF_NETLINK));

	if (ok) /* a tree: a call that is let be costs few steps; an older library keeps its list */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int code = ok ? seccomp_load(filter) : -EINVAL;

	if (filter)
		seccomp_release(filter);
	errno = code < 0 ? -code : 0;
	return code == 0;
}
