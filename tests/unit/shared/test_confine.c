#include "keeper/resolve.h"
#include "shared/confine.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Runs it in a process of its own, as it gives up things for good; 0: it was as it should be, else a line. */
static int apart(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define must(what) \
	do { \
		if (!(what)) \
			return __LINE__ % 250 + 1; \
	} while (0)

static int keep_one_descriptor(void)
{
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY), c = dup(a), keep[] = { b, -1, b };

	confine_descriptors(keep, 3);
	must(fcntl(a, F_GETFD) < 0 && fcntl(b, F_GETFD) >= 0 && fcntl(c, F_GETFD) < 0);
	must(fcntl(STDERR_FILENO, F_GETFD) >= 0);
	return 0;
}

static void all_other_descriptors_are_closed(void **state)
{
	(void)state;
	assert_int_equal(apart(keep_one_descriptor), 0);
}

static int give_up_identity(void)
{
	struct account a;
	struct rlimit core;
	char why[128], line[128];
	bool none = false;

	must(account_find(&a, S("nobody"), why, sizeof why));
	must(confine_identity(&a));
	must(getuid() != 0 && geteuid() == getuid());
	must(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	must(TRACED || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	must(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	/* still its own master: libcurl opens CA files under this name */
	snprintf(line, sizeof line, "/proc/self/fd/%d", memfd_create("file", 0));
	must(open(line, O_RDONLY) >= 0);
	must(setuid(0) != 0 || getuid() != 0);
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		none |= strcmp(line, "CapPrm:\t0000000000000000\n") == 0;
	must(none);
	return 0;
}

static void rights_are_given_up_for_good(void **state)
{
	(void)state;
	assert_int_equal(apart(give_up_identity), 0);
}

static int enter_filter(void)
{
	char *const none[] = { NULL };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && confine_calls(MAY_NOTHING));
	must(execve("/bin/true", none, none) < 0 && errno == EPERM);
	must(open("/tmp/sallyport-must-not-exist", O_WRONLY | O_CREAT, 0600) < 0 && errno == EPERM);
	must(unlink("/tmp/sallyport-must-not-exist") < 0 && errno == EPERM);
	must(mount("none", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM);
	must(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EPERM);
	must(TRACED || (fork() < 0 && errno == EPERM));
	must(syscall(SYS_socket, AF_NETLINK | 1L << 40, SOCK_RAW, 0) < 0 && errno == EPERM);
	must(kill(getppid(), SIGCONT) < 0 && errno == EPERM && kill(-1, SIGCONT) < 0 && errno == EPERM);
	must(kill(getppid(), 0) == 0 && kill(getpid(), SIGCONT) == 0);
	must(syscall(SYS_tgkill, getppid(), getppid(), SIGCONT) < 0 && errno == EPERM);
	must(syscall(SYS_tkill, getppid(), SIGCONT) < 0 && errno == EPERM);
	struct rlimit limit;
	must(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) < 0 && errno == EPERM);
	must(prlimit(0, RLIMIT_NOFILE, NULL, &limit) == 0);
	must(syscall(SYS_ioctl, 0, TIOCSTI | 1L << 32, "x") < 0 && errno == EPERM);
	int page = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	must(mmap(NULL, 4096, page | PROT_EXEC, anonymous, -1, 0) == MAP_FAILED && errno == EPERM);
	void *mapped = mmap(NULL, 4096, page, anonymous, -1, 0);
	must(mapped != MAP_FAILED && mprotect(mapped, 4096, page | PROT_EXEC) < 0 && errno == EPERM);
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* what a data plane does goes on */
	must(fd >= 0 && close(fd) == 0);
	void *memory = malloc(1 << 24);
	must(memory);
	free(memory);
	return 0;
}

static void a_worker_can_neither_start_programs_nor_write_files(void **state)
{
	(void)state;
	assert_int_equal(apart(enter_filter), 0);
}

static void an_unknown_user_is_refused_with_a_sentence(void **state)
{
	struct account a;
	char why[128] = "";

	(void)state;
	if (geteuid() != 0) {
		assert_true(account_find(&a, S("nobody-of-this-name"), why, sizeof why));
		assert_false(a.change);
		return;
	}
	assert_false(account_find(&a, S("nobody-of-this-name"), why, sizeof why));
	assert_string_equal(why, "user: there is no user nobody-of-this-name on this host");
}

/* ---- the resolver ---- */

static size_t found_len[40];
static unsigned calls;
static struct sockaddr_storage last;

static void on_found(void *for_whom, const struct sockaddr_storage *found, size_t len)
{
	found_len[(size_t *)for_whom - found_len] = len;
	if (len)
		last = found[0];
	calls++;
}

static void names_are_resolved_in_a_helper(void **state)
{
	struct loop *l = loop_open();
	struct resolver *r = resolver_open(l, NULL);

	(void)state;
	assert_non_null(r);
	calls = 0;
	resolve(r, "127.0.0.1", 8080, on_found, &found_len[0]);
	resolve(r, "no such host!", 80, on_found, &found_len[1]);
	for (size_t i = 2; i < 40; i++) /* more than are asked at once */
		resolve(r, "127.0.0.1", (uint16_t)i, on_found, &found_len[i]);
	assert_int_equal(resolver_pending(r), 40);
	for (unsigned n = 0; n < 500 && calls < 40; n++)
		loop_turn(l, 10 * NS_PER_MS);
	assert_int_equal(calls, 40);
	assert_int_equal(found_len[0], 1);
	assert_int_equal(found_len[1], 0);
	assert_int_equal(found_len[39], 1);
	assert_int_equal(((struct sockaddr_in *)&last)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(resolver_pending(r), 0);
	resolve(r, "127.0.0.1", 1, on_found, &found_len[0]);
	resolver_close(r);
	assert_int_equal(calls, 40);
	loop_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_other_descriptors_are_closed),
		cmocka_unit_test(rights_are_given_up_for_good),
		cmocka_unit_test(a_worker_can_neither_start_programs_nor_write_files),
		cmocka_unit_test(an_unknown_user_is_refused_with_a_sentence),
		cmocka_unit_test(names_are_resolved_in_a_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
