/* The admin socket: one line asks, one answer comes, and the kernel says which user asked. */
#include "admin/admin.h"
#include "base/path.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS 16
#define LINE ADMIN_LINE
#define LINE_NS (1 * NS_PER_S) /* for the verb to arrive */
#define TAKE_NS (5 * NS_PER_S) /* for the answer to be taken */

struct admin_ask {
	struct list link;
	struct admin *admin;
	struct wire *wire;
	struct deadline deadline;
	struct grave grave;
	char line[LINE];
	size_t len;
	uid_t uid;
	bool asked, answered;
};

struct admin {
	struct loop *loop;
	struct admin_env env;
	struct listener *listener;
	struct list asks;
	unsigned len;
};

/* ---- the socket ---- */

/* Is somebody listening there? */
static bool is_alive(const struct sockaddr_storage *at, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)at, len) == 0;

	if (fd >= 0)
		close(fd);
	return alive;
}

/* In that very directory, whatever its path leads to by now. */
static int bind_private(int directory, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int len = snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", directory, name);

	if (fd < 0)
		return -1;
	errno = ENAMETOOLONG;
	mode_t before = umask(0177); /* never open to others, not even for a moment */
	bool bound =
	    len > 0 && (size_t)len < sizeof at.sun_path && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
	umask(before);
	if (bound && listen(fd, CONNECTIONS) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* The directory; what is not a socket stays. */
static int take_away(const char *path, const char **name)
{
	struct stat st;
	int directory = path_parent(path, name);

	if (directory >= 0 && fstatat(directory, *name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		unlinkat(directory, *name, 0);
	return directory;
}

void admin_unbind(const char *path)
{
	const char *name;
	int directory = take_away(path, &name);

	if (directory >= 0)
		close(directory);
}

int admin_bind(const char *path, char *why, size_t why_cap)
{
	struct sockaddr_storage at;
	socklen_t len;
	char name[sizeof(struct sockaddr_un) + 8];
	const char *last;

	snprintf(name, sizeof name, "unix:%s", path);
	if (strlen(path) + 5 >= sizeof name || !address_parse(slice_of(name), &at, &len)) {
		snprintf(why, why_cap, "admin.socket: %s is too long for a Unix socket, or not absolute", path);
		return -1;
	}
	if (is_alive(&at, len)) {
		snprintf(why, why_cap, "admin.socket: another Sallyport answers at %s", path);
		return -1;
	}
	int directory = take_away(path, &last);
	int fd = directory >= 0 ? bind_private(directory, last) : -1;
	int error = errno;
	if (directory >= 0)
		close(directory);
	if (fd < 0)
		snprintf(why, why_cap, "admin.socket: %s cannot be made: %s", path, strerror(error));
	return fd;
}

/* ---- connections ---- */

static void bury_ask(struct grave *g)
{
	free(list_entry(g, struct admin_ask, grave));
}

static void end(struct admin_ask *ask)
{
	struct admin *a = ask->admin;

	if (ask->asked && !ask->answered && a->env.on_gone)
		a->env.on_gone(a->env.with, ask);
	deadline_clear(&a->loop->wheel, &ask->deadline);
	list_remove(&ask->link);
	a->len--;
	wire_close(ask->wire);
	loop_bury(a->loop, &ask->grave, bury_ask);
}

static void on_due(struct deadline *d)
{
	end(list_entry(d, struct admin_ask, deadline));
}

static bool is_allowed(const struct admin *a, int fd, uid_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	*uid = peer.uid;
	return peer.uid == 0 || peer.uid == a->env.allowed;
}

uid_t admin_uid(const struct admin_ask *ask)
{
	return ask->uid;
}

void admin_answer(struct admin_ask *ask, struct slice json)
{
	ask->answered = true;
	wire_write(ask->wire, json);
	wire_write(ask->wire, S("\n"));
	wire_shut(ask->wire);
	deadline_set(&ask->admin->loop->wheel, &ask->deadline, ask->admin->loop->now_ns + TAKE_NS);
}

static void hear(struct admin_ask *ask, struct slice line)
{
	struct admin *a = ask->admin;

	ask->asked = true;
	deadline_clear(&a->loop->wheel, &ask->deadline); /* how long an answer takes is the verb's matter */
	a->env.on_ask(a->env.with, ask, slice_trim(line));
}

static void on_ready(struct wire *w)
{
	struct admin_ask *ask = w->owner;
	char rest[256];
	ssize_t n;

	while (!ask->asked && ask->len < sizeof ask->line &&
	       (n = wire_read(w, ask->line + ask->len, sizeof ask->line - ask->len)) > 0) {
		ask->len += (size_t)n;
		struct slice line = { ask->line, ask->len };
		size_t at = slice_find(line, '\n');
		if (at < line.len)
			hear(ask, slice_head(line, at));
	}
	if (!ask->asked && ask->len == sizeof ask->line) {
		ask->asked = true;
		admin_answer(ask, S("{\"error\":\"no such verb\"}"));
	}
	while ((n = wire_read(w, rest, sizeof rest)) > 0)
		; /* one line is all that is heard */
	if (n == WIRE_END || n == WIRE_FAILED)
		end(ask);
}

static void on_accept(void *with, int fd, const struct sockaddr_storage *peer)
{
	struct admin *a = with;
	uid_t uid;

	(void)peer;
	if (a->len >= CONNECTIONS || !is_allowed(a, fd, &uid)) {
		if (a->len < CONNECTIONS)
			log_warn("a process of another user asked at the admin socket and was not heard");
		close(fd);
		return;
	}
	struct admin_ask *ask = calloc(1, sizeof *ask);
	struct wire *w = ask ? wire_open(a->loop, fd, false) : NULL;
	if (!w) {
		if (!ask)
			close(fd);
		free(ask);
		return;
	}
	ask->admin = a;
	ask->wire = w;
	ask->uid = uid;
	w->owner = ask;
	w->on_ready = on_ready;
	list_init(&ask->link);
	list_push(&a->asks, &ask->link);
	a->len++;
	deadline_init(&ask->deadline, on_due);
	deadline_set(&a->loop->wheel, &ask->deadline, a->loop->now_ns + LINE_NS);
}

struct admin *admin_open(struct loop *l, int fd, const struct admin_env *w)
{
	struct admin *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->loop = l;
	a->env = *w;
	list_init(&a->asks);
	a->listener = listener_open(l, fd, on_accept, a);
	if (a->listener)
		return a;
	free(a);
	return NULL;
}

void admin_pause(struct admin *a)
{
	listener_pause(a->listener, true);
}

bool admin_is_idle(const struct admin *a)
{
	return a->len == 0;
}

void admin_close(struct admin *a)
{
	if (!a)
		return;
	while (!list_is_empty(&a->asks))
		end(list_entry(a->asks.next, struct admin_ask, link));
	listener_close(a->listener);
	free(a);
}
