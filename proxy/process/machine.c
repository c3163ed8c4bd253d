#include "process/machine.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool directory(char *to, size_t cap)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int len;

	if (state && *state == '/')
		len = snprintf(to, cap, "%s/sallyport", state);
	else if (geteuid() == 0)
		len = snprintf(to, cap, "/var/lib/sallyport-machine");
	else if (home && *home == '/')
		len = snprintf(to, cap, "%s/.local/state/sallyport", home);
	else
		return false;
	return len > 0 && (size_t)len < cap;
}

/* Every directory on the way, private. */
static bool make_directories(char *path)
{
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		int made = mkdir(path, 0700);
		*at = '/';
		if (made != 0 && errno != EEXIST)
			return false;
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool read_secret(const char *path, unsigned char *to)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return false;
	bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077) &&
		read(fd, to, MACHINE_SECRET) == MACHINE_SECRET;
	close(fd);
	if (!ok)
		errno = EPERM;
	return ok;
}

/* Whole or not at all, also where two start at once: the first one's stays. */
static bool make_secret(const char *path, unsigned char *to)
{
	char fresh[PATH_MAX];
	int len = snprintf(fresh, sizeof fresh, "%s.%d", path, (int)getpid());

	if (len < 0 || (size_t)len >= sizeof fresh)
		return false;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	random_bytes(to, MACHINE_SECRET);
	bool ok = write(fd, to, MACHINE_SECRET) == MACHINE_SECRET && fsync(fd) == 0;
	ok = close(fd) == 0 && ok && (link(fresh, path) == 0 || errno == EEXIST);
	int why = errno;
	unlink(fresh);
	errno = why;
	return ok && read_secret(path, to);
}

int machine_floor(void)
{
	char dir[PATH_MAX / 2], path[PATH_MAX];
	struct stat st;

	if (!directory(dir, sizeof dir)) {
		errno = ENOENT;
		return -1;
	}
	snprintf(path, sizeof path, "%s/machine.floor", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

bool machine_secret(unsigned char to[static MACHINE_SECRET], char *why, size_t why_cap)
{
	char dir[PATH_MAX / 2], path[PATH_MAX];

	if (!directory(dir, sizeof dir)) {
		snprintf(why, why_cap,
			"no HOME to keep the machine's secret in; one that lasts until the end is used");
		random_bytes(to, MACHINE_SECRET);
		return false;
	}
	snprintf(path, sizeof path, "%s/machine.key", dir);
	if (read_secret(path, to))
		return true;
	if (errno == ENOENT && make_directories(dir) && make_secret(path, to))
		return true;
	snprintf(why, why_cap, "the machine's secret %s cannot be %s: %s; one that lasts until the end is used",
		path, errno == EPERM ? "trusted (it must be yours alone, mode 0600, 32 bytes)" : "kept",
		strerror(errno));
	random_bytes(to, MACHINE_SECRET);
	return false;
}
