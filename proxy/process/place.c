/* place.c -- the state directory: is it there, and whose is it? */
#include "process/place.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum state_of { STATE_GOOD, STATE_MISSING, STATE_TO_GIVE, STATE_CLOSED };

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* May that user write there? Asked as that user, where we can become it for the question. */
static bool is_writable(int fd, const struct account *a)
{
	bool may = false;

	if (!a->change)
		return faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	if (setegid(a->gid) == 0 && seteuid(a->uid) == 0)
		may = faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	int why = errno;
	if (seteuid(0) != 0 || setegid(0) != 0)
		return false;
	errno = why;
	return may;
}

/* Takes the descriptor. */
static bool is_empty(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	bool empty = d != NULL;

	while (d && empty && (e = readdir(d)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d)
		closedir(d);
	else
		close(fd);
	return empty;
}

static bool is_roots_and_empty(const char *path)
{
	struct stat s;
	int fd = open_directory(path);

	if (fd < 0)
		return false;
	if (fstat(fd, &s) != 0 || s.st_uid != 0) {
		close(fd);
		return false;
	}
	return is_empty(fd);
}

/* *why: an errno where it is CLOSED. */
static enum state_of look(const char *path, const struct account *a, int *why)
{
	int fd = open_directory(path);

	*why = errno;
	if (fd < 0)
		return *why == ENOENT ? STATE_MISSING : STATE_CLOSED;
	bool writable = is_writable(fd, a);
	*why = errno;
	close(fd);
	if (writable)
		return STATE_GOOD;
	return a->change && is_roots_and_empty(path) ? STATE_TO_GIVE : STATE_CLOSED;
}

/* Could mkdir work? Its parent is a directory that we may write. */
static bool is_makeable(const char *path, int *why)
{
	char parent[4096];

	snprintf(parent, sizeof parent, "%s", path);
	char *slash = strrchr(parent, '/');
	if (slash)
		*(slash == parent ? slash + 1 : slash) = '\0';
	bool may = access(parent, W_OK | X_OK) == 0;
	*why = errno;
	return may;
}

static bool make(const char *path, const struct account *a, int *why)
{
	int fd = -1;
	bool done = (mkdir(path, 0700) == 0 || errno == EEXIST) && (fd = open_directory(path)) >= 0 &&
		(!a->change || fchown(fd, a->uid, a->gid) == 0);

	*why = errno;
	if (fd >= 0)
		close(fd);
	return done;
}

bool state_try(const struct config *c, const struct account *a, bool start, struct config_errors *errors)
{
	const char *path = c->root.state.at;
	int why = 0;

	if (!path)
		return true;
	enum state_of is = look(path, a, &why);
	bool good = is == STATE_GOOD;
	if (is == STATE_MISSING || is == STATE_TO_GIVE)
		good = start ? make(path, a, &why) : is == STATE_TO_GIVE || is_makeable(path, &why);
	if (good)
		return true;
	if (start || geteuid() != 0) { /* whoever is not root cannot see what root's start would do */
		log_warn("state: %s cannot be written%s%s (%s): keys will not outlive a restart", path,
			a->change ? " by " : "", a->change ? a->name : "", strerror(why));
		return true;
	}
	config_complain(errors, c->root.place, "state: %s cannot be %s%s%s: %s", path,
		is == STATE_MISSING ? "made" : "written", a->change ? " by " : "", a->change ? a->name : "",
		strerror(why));
	return false;
}
