/* Makes and reads the machine's secret. */
#include "statedir/machine.h"
#include "base/path.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static bool make_directories(const char *path)
{
	int fd = path_directories(path, 0700);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool read_secret(const char *path, unsigned char *to)
{
	struct stat st;
	int fd = path_open(path, O_RDONLY, 0);

	if (fd < 0)
		return false;
	bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077) &&
	          read(fd, to, MACHINE_SECRET) == MACHINE_SECRET;
	close(fd);
	if (!ok)
		errno = EPERM;
	return ok;
}

static bool write_secret(int fd, unsigned char *to)
{
	struct stat st;

	if (fd < 0)
		return false;
	errno = EPERM; /* in somebody else's directory it would be his */
	if (fstat(fd, &st) != 0 || st.st_uid != geteuid())
		return false;
	random_bytes(to, MACHINE_SECRET);
	return write(fd, to, MACHINE_SECRET) == MACHINE_SECRET && fsync(fd) == 0;
}

/* Whole or not at all, also where two start at once: the first one's stays. */
static bool make_secret(const char *path, unsigned char *to)
{
	char fresh[PATH_MAX];
	const char *name;
	int len = snprintf(fresh, sizeof fresh, "%s.%d", path, (int)getpid());
	int at = len > 0 && (size_t)len < sizeof fresh ? path_parent(path, &name) : -1;

	if (at < 0)
		return false;
	const char *fresh_name = strrchr(fresh, '/') + 1;
	int fd = path_open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);
	bool ok = write_secret(fd, to);
	ok = ok && (linkat(at, fresh_name, at, name, 0) == 0 || errno == EEXIST);
	int why = errno;
	if (fd >= 0) {
		close(fd);
		unlinkat(at, fresh_name, 0);
	}
	close(at);
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
	int fd = path_open(path, O_RDWR | O_CREAT, 0600);
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

int machine_secret_seal(const unsigned char secret[static MACHINE_SECRET])
{
	int fd = memfd_create("sallyport-machine", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (write(fd, secret, MACHINE_SECRET) == MACHINE_SECRET &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		return fd;
	close(fd);
	return -1;
}

bool machine_secret_read(int fd, unsigned char to[static MACHINE_SECRET])
{
	return pread(fd, to, MACHINE_SECRET, 0) == MACHINE_SECRET;
}
