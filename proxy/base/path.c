/* Makes and opens files below directories that nobody else may change. */
#include "base/path.h"
#include "base/check.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 16
#define NOBODY 65534

/* ---- being somebody else ---- */

bool path_be(struct path_self *was, uid_t uid, gid_t gid)
{
	*was = (struct path_self){ .uid = geteuid(), .gid = getegid() };
	was->groups_len = getgroups(sizeof was->groups / sizeof was->groups[0], was->groups);
	if (was->groups_len < 0)
		return false;
	if (setgroups(0, NULL) == 0 && setegid(gid) == 0 && seteuid(uid) == 0)
		return true;
	int why = errno;
	path_be_root(was);
	errno = why;
	return false;
}

void path_be_root(const struct path_self *was)
{
	int why = errno;

	check(seteuid(was->uid) == 0 && setegid(was->gid) == 0 &&
	      setgroups((size_t)was->groups_len, was->groups) == 0);
	errno = why;
}

/* ---- walking ---- */

struct path_walk {
	int at;              /* the directory reached, O_PATH */
	char rest[PATH_MAX]; /* what is still to go */
	unsigned links;
	bool linked; /* a link at the end was followed */
	bool other;  /* we are somebody else since a directory of his */
	struct path_self was;
};

static bool is_shared(const struct stat *st)
{
	return st->st_uid != 0 && st->st_uid != geteuid() ? true : (st->st_mode & 022) != 0;
}

/* A directory of somebody else: from here on we are he. */
static bool enter(struct path_walk *w, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (w->at >= 0)
		close(w->at);
	w->at = fd;
	if (geteuid() != 0 || st.st_uid == 0)
		return true;
	const struct passwd *p = getpwuid(st.st_uid);
	return w->other = path_be(&w->was, st.st_uid, p ? p->pw_gid : NOBODY);
}

static bool start(struct path_walk *w, const char *path)
{
	bool whole = path[0] == '/';
	size_t len = strlen(path);

	*w = (struct path_walk){ .at = -1 };
	if (len == 0 || len >= sizeof w->rest) {
		errno = len ? ENAMETOOLONG : ENOENT;
		return false;
	}
	memcpy(w->rest, path, len + 1);
	return enter(w, open(whole ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* What stands before the rest of the way. */
static bool put_before(struct path_walk *w, const char *target, size_t len)
{
	size_t rest = strlen(w->rest);

	if (len == 0 || len + 1 + rest >= sizeof w->rest) {
		errno = ENAMETOOLONG;
		return false;
	}
	memmove(w->rest + len + 1, w->rest, rest + 1);
	memcpy(w->rest, target, len);
	w->rest[len] = '/';
	return true;
}

static bool is_over(const struct path_walk *w)
{
	return w->rest[strspn(w->rest, "/")] == '\0';
}

static bool follow(struct path_walk *w, const char *name, const struct stat *link)
{
	char target[PATH_MAX];
	struct stat here;

	w->linked |= is_over(w);
	errno = ELOOP;
	if (++w->links > LINKS_MAX || fstat(w->at, &here) != 0)
		return false;
	bool ours = link->st_uid == 0 || link->st_uid == geteuid();
	if (!w->other && is_shared(&here) && !(ours && (here.st_mode & S_ISVTX)))
		return false;
	ssize_t len = readlinkat(w->at, name, target, sizeof target);
	if (len <= 0 || (size_t)len >= sizeof target || !put_before(w, target, (size_t)len))
		return false;
	return target[0] != '/' || enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* The next name of the rest; false at its end. */
static bool take(struct path_walk *w, char name[static NAME_MAX + 1])
{
	char *from = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(from, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(name, from, len);
	name[len] = '\0';
	memmove(w->rest, from + len, strlen(from + len) + 1);
	return true;
}

/* One name further; where `make` is given, a directory is made where there is none. */
static bool step(struct path_walk *w, const char *name, const mode_t *make, bool *made)
{
	struct stat st;

	if (make && mkdirat(w->at, name, *make) == 0 && made)
		*made = true;
	if (fstatat(w->at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	if (S_ISLNK(st.st_mode))
		return follow(w, name, &st);
	return enter(w, openat(w->at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static int finish(struct path_walk *w, int fd)
{
	int why = errno;

	if (w->other)
		path_be_root(&w->was);
	if (w->at >= 0)
		close(w->at);
	errno = why;
	return fd;
}

/* ---- the door ---- */

int path_parent(const char *path, const char **last)
{
	char name[NAME_MAX + 1];
	struct path_walk w;
	bool ok = start(&w, path);

	while (ok && take(&w, name)) {
		if (is_over(&w)) {
			const char *slash = strrchr(path, '/');
			*last = slash ? slash + 1 : path;
			return finish(&w, openat(w.at, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
		}
		ok = step(&w, name, NULL, NULL);
	}
	if (ok)
		errno = EISDIR;
	return finish(&w, -1);
}

/* What stands in a directory that others may write to may be theirs. */
static bool is_sound(int at, int fd, int flags)
{
	struct stat here, st;
	bool writes = (flags & O_ACCMODE) != O_RDONLY;

	if (geteuid() != 0)
		return true;
	if (fstat(at, &here) != 0 || fstat(fd, &st) != 0)
		return false;
	errno = EPERM;
	if (is_shared(&here) && st.st_uid != 0)
		return false;
	errno = EMLINK;
	return !(writes && S_ISREG(st.st_mode) && st.st_nlink > 1);
}

int path_open(const char *path, int flags, mode_t mode)
{
	char name[NAME_MAX + 1];
	struct path_walk w;
	bool ok = start(&w, path);

	while (ok && take(&w, name)) {
		if (!is_over(&w)) {
			ok = step(&w, name, NULL, NULL);
			continue;
		}
		int fd = openat(w.at, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
		if (fd >= 0 && !is_sound(w.at, fd, flags)) {
			int why = errno;
			close(fd);
			errno = why;
			fd = -1;
		}
		return finish(&w, fd);
	}
	if (ok)
		errno = EISDIR;
	return finish(&w, -1);
}

static int directory(const char *path, mode_t make, bool all, struct path_found *found)
{
	char name[NAME_MAX + 1];
	struct path_walk w;
	bool ok = start(&w, path), made = false;

	while (ok && take(&w, name))
		ok = step(&w, name, make && (all || is_over(&w)) ? &make : NULL, &made);
	int fd = ok ? openat(w.at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (found)
		*found = (struct path_found){ .made = made, .ours = !w.other && !w.linked };
	return finish(&w, fd);
}

int path_directory(const char *path, mode_t make, struct path_found *found)
{
	return directory(path, make, false, found);
}

int path_directories(const char *path, mode_t make)
{
	return directory(path, make, true, NULL);
}

bool path_write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.at, bytes.len);
		if (n <= 0)
			return false;
		bytes = slice_from(bytes, (size_t)n);
	}
	return true;
}
