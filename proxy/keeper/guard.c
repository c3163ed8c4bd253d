/* guard.c -- the absence guard's keeper: its files, its part in the turn, and the verbs guard, guard-trip,
 * guard-release and ledger. */
#include "keeper/inside.h"
#include "base/log.h"
#include "base/path.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOLD_MAX_BYTES ((size_t)1024 * 1024) /* a page of the ledger, or all routes */
#define FILE_MOST ((size_t)1 << 30)

static uint64_t wall_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

/* ---- files of the state directory ---- */

static bool path_of(const struct keeper *k, const char *name, const char *end, char *to, size_t cap)
{
	struct text t = { .at = to, .cap = cap };

	text_add(&t, k->config->root.state);
	text_char(&t, '/');
	text_add(&t, slice_of(name));
	text_add(&t, slice_of(end));
	return k->config->root.state.len && text_end(&t);
}

/* Whole, or not at all: written beside it, synced and renamed. */
static bool put_file(void *with, const char *name, struct slice bytes)
{
	char path[4096], fresh[4096];

	if (!path_of(with, name, "", path, sizeof path) || !path_of(with, name, ".new", fresh, sizeof fresh))
		return false;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool written = path_write_all(fd, bytes) && fsync(fd) == 0;
	close(fd);
	return written && rename(fresh, path) == 0;
}

static char *take_file(void *with, const char *name, size_t *len)
{
	char path[4096], *bytes = NULL;
	struct stat st;
	ssize_t n = 0;

	*len = 0;
	if (!path_of(with, name, "", path, sizeof path))
		return NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 && (size_t)st.st_size < FILE_MOST)
		bytes = malloc((size_t)st.st_size + 1);
	while (bytes && *len < (size_t)st.st_size && (n = read(fd, bytes + *len, (size_t)st.st_size - *len)) > 0)
		*len += (size_t)n;
	close(fd);
	return bytes;
}

/* ---- its part in the keeper's life ---- */

bool keeper_open_guard(struct keeper *k)
{
	const struct guard_env world = { .with = k,
		                             .put = put_file,
		                             .take = take_file,
		                             .redis = k->config->root.redis ? keeper_ask_redis : NULL,
		                             .redis_ms = keeper_redis_ms };

	k->guard = guard_keeper_open(k->config, k->shared->guard, child_guard_key(k->post), &world, wall_s());
	return k->guard;
}

uint64_t keeper_guard_tick(struct keeper *k)
{
	return guard_keeper_tick(k->guard, k->loop->now_ns, wall_s());
}

void keeper_hear_absence(struct keeper *k, struct slice what)
{
	struct guard_news news;

	if (what.len != sizeof news)
		return;
	memcpy(&news, what.at, sizeof news);
	guard_keeper_hear(k->guard, &news, wall_s());
}

void keeper_close_guard(struct keeper *k)
{
	guard_keeper_close(k->guard, wall_s());
	k->guard = NULL;
}

void keeper_tell_guard(struct keeper *k, struct text *t)
{
	if (k->guard)
		guard_keeper_tell(k->guard, wall_s(), NULL, t);
	else
		text_add(t, S("null"));
}

/* ---- the verbs ---- */

static void answer(struct keeper *k, struct admin_ask *ask, bool ledger, struct slice words)
{
	char *store = malloc(TOLD_MAX_BYTES);
	struct text t = { .at = store, .cap = store ? TOLD_MAX_BYTES : 0 };
	struct guard_page page = { 0 };
	bool read = !ledger || (slice_u64(slice_cut(&words, ' '), &page.since_s) && slice_u64(words, &page.from));

	if (read)
		guard_keeper_tell(k->guard, wall_s(), ledger ? &page : NULL, &t);
	if (!read)
		keeper_refuse(ask, "ledger takes a time and a number, both in digits");
	else if (t.cut)
		keeper_refuse(ask, "the answer does not fit into memory");
	else
		admin_answer(ask, text_slice(&t));
	free(store);
}

static void order(struct keeper *k, struct admin_ask *ask, struct slice what, struct slice route)
{
	const char *why = guard_keeper_order(k->guard, what, route, wall_s());

	if (why) {
		keeper_refuse(ask, why);
		return;
	}
	log_info("admin: uid %u: guard %.*s %.*s", (unsigned)admin_uid(ask), SLICE(what),
	         SLICE(route.len ? route : S("(all routes)")));
	answer(k, ask, false, route);
}

bool keeper_on_guard_ask(struct keeper *k, struct admin_ask *ask, struct slice verb)
{
	struct slice word = slice_cut(&verb, ' ');
	bool trip = slice_same(word, S("guard-trip")), release = slice_same(word, S("guard-release"));
	bool ledger = slice_same(word, S("ledger"));

	if (!trip && !release && !ledger && !slice_same(word, S("guard")))
		return false;
	if (!k->guard)
		keeper_refuse(ask, "a new keeper is taking over; ask again");
	else if (trip || release)
		order(k, ask, trip ? S("trip") : S("release"), verb);
	else
		answer(k, ask, ledger, verb);
	return true;
}
