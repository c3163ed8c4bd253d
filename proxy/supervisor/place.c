/* place.c -- the state directory: is it there, and whose is it? */
#include "supervisor/place.h"
#include "base/log.h"
#include "base/path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum state_of { STATE_GOOD, STATE_MISSING, STATE_TO_GIVE, STATE_CLOSED };

/* May that user write there, by that path? Asked as that user, where we can become it for the question. */
static bool is_writable(const char *path, const struct account *a)
{
	struct path_self was;

	if (!a->change)
		return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
	if (!path_be(&was, a->uid, a->gid))
		return false;
	bool may = faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
	path_be_root(&was);
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

/* Root's, by a way that nobody else had a hand in, and empty: a fresh volume. Takes the descriptor. */
static bool is_to_give(int fd, struct path_found found)
{
	struct stat s;

	if (fstat(fd, &s) == 0 && s.st_uid == 0 && found.ours)
		return is_empty(fd);
	close(fd);
	return false;
}

/* *why: an errno where it is CLOSED. */
static enum state_of look(const char *path, const struct account *a, int *why)
{
	struct path_found found;
	int fd = path_directory(path, 0, &found);

	*why = errno;
	if (fd < 0)
		return *why == ENOENT ? STATE_MISSING : STATE_CLOSED;
	bool writable = is_writable(path, a);
	*why = errno;
	if (!writable && a->change)
		return is_to_give(fd, found) ? STATE_TO_GIVE : STATE_CLOSED;
	close(fd);
	return writable ? STATE_GOOD : STATE_CLOSED;
}

/* May the user pass all that lies above? Else what is made there is of no use to it. */
static bool is_reachable(const char *parent, const struct account *a)
{
	struct path_self was;

	if (!a->change)
		return true;
	if (!path_be(&was, a->uid, a->gid))
		return false;
	bool may = faccessat(AT_FDCWD, parent, X_OK, AT_EACCESS) == 0;
	path_be_root(&was);
	return may;
}

/* Could a start make it, or give it, and the user reach it? */
static bool is_makeable(const char *path, const struct account *a, int *why)
{
	char parent[4096];

	snprintf(parent, sizeof parent, "%s", path);
	char *slash = strrchr(parent, '/');
	if (slash)
		*(slash == parent ? slash + 1 : slash) = '\0';
	bool may = access(parent, W_OK | X_OK) == 0 && is_reachable(parent, a);
	*why = errno;
	return may;
}

static bool make(const char *path, const struct account *a, int *why)
{
	struct path_found found;
	int fd = path_directory(path, 0700, &found);
	bool done = fd >= 0 && (!a->change || (found.ours && fchown(fd, a->uid, a->gid) == 0));

	*why = fd >= 0 && !found.ours ? EPERM : errno;
	if (fd >= 0)
		close(fd);
	if (done && a->change && !(done = is_writable(path, a)))
		*why = errno;
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
		good = start ? make(path, a, &why) : is_makeable(path, a, &why);
	if (good)
		return true;
	if (start || geteuid() != 0) { /* whoever is not root cannot see what root's start would do */
		log_warn("state: %s cannot be written%s%s (%s): keys will not outlive a restart", path,
		         a->change ? " by " : "", a->change ? a->name : "", strerror(why));
		return true;
	}
	config_complain(errors, c->root.place, "state: %s cannot be %s%s%s: %s", path,
	                is == STATE_MISSING ? "made" : "written", a->change ? " by " : "",
	                a->change ? a->name : "", strerror(why));
	return false;
}
