/* Watches the files beside the configuration's text. */
#include "supervisor/material.h"
#include "base/siphash.h"
#include "supervisor/children.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 16
#define SIGNS (IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE)

struct watched_file {
	int wd;
	char name[NAME_MAX + 1];
}; /* an entry of a directory */

void material_init(struct material *m)
{
	*m = (struct material){ .fd = -1 };
}

void material_close(struct material *m)
{
	if (m->fd >= 0)
		close(m->fd);
	free(m->watched);
	m->watched = NULL;
	m->fd = -1;
	m->len = m->cap = 0;
}

/* ---- watching ---- */

static void watch(struct material *m, const char *directory, const char *name)
{
	int wd = inotify_add_watch(m->fd, directory, SIGNS | IN_ONLYDIR);

	if (wd < 0 || strlen(name) > NAME_MAX)
		return; /* the look of each minute finds it */
	for (size_t i = 0; i < m->len; i++)
		if (m->watched[i].wd == wd && strcmp(m->watched[i].name, name) == 0)
			return;
	if (m->len == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 32;
		struct watched_file *more = realloc(m->watched, cap * sizeof *more);
		if (!more)
			return;
		m->watched = more;
		m->cap = cap;
	}
	struct watched_file *w = &m->watched[m->len++];
	w->wd = wd;
	memcpy(w->name, name, strlen(name) + 1);
}

/* The path with the link at its head, which ends at `end`, replaced by what it points to. */
static bool follow(char path[static PATH_MAX], size_t begin, size_t end)
{
	char target[PATH_MAX], whole[PATH_MAX], head[PATH_MAX];

	snprintf(head, sizeof head, "%.*s", (int)end, path);
	ssize_t len = readlink(head, target, sizeof target - 1);
	if (len <= 0)
		return false;
	target[len] = '\0';
	int n = target[0] == '/'
	            ? snprintf(whole, sizeof whole, "%s%s", target, path + end)
	            : snprintf(whole, sizeof whole, "%.*s%s%s", (int)begin, path, target, path + end);
	if (n < 0 || (size_t)n >= sizeof whole)
		return false;
	memcpy(path, whole, (size_t)n + 1);
	return true;
}

/* Every step of the way, through every link. */
static void watch_path(struct material *m, struct slice from)
{
	char path[PATH_MAX], head[PATH_MAX], name[NAME_MAX + 1];
	size_t begin = 1, links = 0;
	struct stat st;

	if (from.len >= sizeof path || from.at[0] != '/')
		return;
	memcpy(path, from.at, from.len);
	path[from.len] = '\0';
	while (path[begin]) {
		size_t end = begin + strcspn(path + begin, "/");
		if (end - begin > NAME_MAX)
			return;
		snprintf(name, sizeof name, "%.*s", (int)(end - begin), path + begin);
		snprintf(head, sizeof head, "%.*s", (int)begin, path);
		watch(m, head, name);
		snprintf(head, sizeof head, "%.*s", (int)end, path);
		if (lstat(head, &st) != 0)
			return;
		if (S_ISLNK(st.st_mode)) {
			if (++links > LINKS_MAX || !follow(path, begin, end))
				return;
			begin = 1;
			continue;
		}
		begin = end + strspn(path + end, "/");
	}
}

static void arm(struct material *m, const struct generation *g)
{
	struct slice path, bytes;

	material_close(m);
	m->of = g->number;
	m->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (size_t at = 0; m->fd >= 0 && bundle_material(g->bundle, &at, &path, &bytes);)
		watch_path(m, path);
}

static bool concerns_us(const struct material *m, const struct inotify_event *e)
{
	if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT))
		return true;
	for (size_t i = 0; i < m->len && e->len; i++)
		if (m->watched[i].wd == e->wd && strcmp(m->watched[i].name, e->name) == 0)
			return true;
	return false;
}

void material_hear(struct material *m, uint64_t now_ns)
{
	_Alignas(struct inotify_event) char room[8192];
	ssize_t len;

	while (m->fd >= 0 && (len = read(m->fd, room, sizeof room)) > 0)
		for (char *at = room; at < room + len;) {
			struct inotify_event *e = (struct inotify_event *)(void *)at;
			if (concerns_us(m, e))
				rhythm_stir(&m->rhythm, now_ns);
			at += sizeof *e + e->len;
		}
}

/* ---- looking ---- */

/* *differs: are they others than those that were read? */
static uint64_t look(const struct bundle *b, bool *differs)
{
	struct bundle_stamp stamps[2];
	struct slice path, bytes;
	uint64_t hash = 0;

	*differs = false;
	for (size_t at = 0; bundle_material(b, &at, &path, &bytes);) {
		memset(stamps, 0, sizeof stamps);
		bundle_stamp(b, path, &stamps[0]);
		bundle_stamp_now(path.at, &stamps[1]);
		*differs |= memcmp(&stamps[0], &stamps[1], sizeof stamps[0]) != 0;
		hash = siphash((struct siphash_key){ hash, 1 },
		               (struct slice){ (const char *)&stamps[1], sizeof stamps[1] });
	}
	return hash;
}

bool material_wants(struct material *m, const struct generation *in_force, uint64_t now_ns)
{
	bool differs;

	if (m->of != in_force->number) { /* watched before it is looked at, so that nothing is missed between */
		arm(m, in_force);
		m->rhythm.look_ns = 0;
		m->settled = 0;
	}
	if (now_ns < rhythm_next_ns(&m->rhythm))
		return false;
	arm(m, in_force); /* links may lead elsewhere now */
	m->tried = look(in_force->bundle, &differs);
	if (!differs || m->tried == m->settled) {
		rhythm_done(&m->rhythm, RHYTHM_SAME, now_ns);
		return false;
	}
	return rhythm_may_try(&m->rhythm, now_ns);
}

bool material_done(struct material *m, enum rhythm_result result, uint64_t now_ns)
{
	if (result == RHYTHM_SAME)
		m->settled = m->tried;
	return rhythm_done(&m->rhythm, result, now_ns);
}

uint64_t material_next_ns(const struct material *m)
{
	return rhythm_next_ns(&m->rhythm);
}
