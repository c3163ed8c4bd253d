/* Runs this program once more as a child. */
#include "dev/child.h"
#include "dev/servers.h"
#include "tls/tls.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what must be there ---- */

static struct signer *make_key(const char *path)
{
	struct signer *key = signer_make();

	if (key && signer_write(key, path))
		return key;
	fprintf(stderr, "sallyport: cannot write the issuer's key %s: %s\n", path, strerror(errno));
	if (key)
		signer_free(key);
	return NULL;
}

static struct signer *find_key(const struct dev_place *p)
{
	char path[PATH_MAX];
	struct signer *key;

	if (!place_file(p, "issuer.key", path))
		return NULL;
	key = access(path, F_OK) == 0 ? signer_read(path) : NULL;
	return key ? key : make_key(path);
}

/* ---- serving ---- */

static bool serve(const struct dev_place *p, int tell)
{
	const char *why = "out of memory";
	struct signer *key;

	if (!tls_local_ca(p->dir, &why)) {
		fprintf(stderr, "sallyport: %s\n", why);
		return false;
	}
	why = "out of memory";
	key = find_key(p);
	struct loop *loop = key ? loop_open() : NULL;
	int issuer = loop ? place_listen(p, PLACE_ISSUER) : -1;
	int echo = issuer >= 0 ? place_listen(p, PLACE_ECHO) : -1;

	if (echo < 0)
		return false;
	if (!issuer_open(loop, issuer, key, slice_of(p->issuer), S("dev"), &why) || !echo_open(loop, echo)) {
		fprintf(stderr, "sallyport: %s\n", why);
		return false;
	}
	if (write(tell, "", 1) != 1)
		return false;
	close(tell);
	for (;;)
		loop_turn(loop, 60 * NS_PER_S);
}

_Noreturn static void be_child(const struct dev_place *p, pid_t parent, int tell)
{
	signal(SIGINT, SIG_IGN); /* the parent still sends us requests while it drains */
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NAME, "sallyport-dev");
	if (getppid() != parent) /* it ended before the line above */
		_exit(1);
	if (place_is_free(p, PLACE_PROXY) && place_is_free(p, PLACE_STATUS) && place_make(p))
		serve(p, tell);
	_exit(1);
}

pid_t child_start(const struct dev_place *p)
{
	pid_t parent = getpid(), child;
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
		fprintf(stderr, "sallyport: cannot start a process: %s\n", strerror(errno));
		return -1;
	}
	if (child == 0) {
		close(ends[0]);
		be_child(p, parent, ends[1]);
	}
	close(ends[1]);
	bool serves = read(ends[0], &byte, 1) == 1;
	close(ends[0]);
	if (serves)
		return child;
	child_stop(child);
	return -1;
}

void child_stop(pid_t child)
{
	if (waitpid(child, NULL, WNOHANG) != 0) /* ended, or not ours to wait for any more */
		return;
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
}
