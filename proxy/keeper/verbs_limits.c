/* The verbs of the admin socket that concern limits: limits, limits-reset. */
#include "base/log.h"
#include "keeper/inside.h"
#include <stdlib.h>

#define LIMITS_MAX ((size_t)32 * 1024)

static size_t find_hot(struct keeper *k, const struct limit_hot *hot[static SEATS_MAX])
{
	size_t len = 0;

	for (unsigned i = SEAT_WORKERS; i < k->shared->seats_len; i++)
		if (atomic_load(&k->shared->seats[i].pid))
			hot[len++] = shared_hot(k->shared, i);
	return len;
}

static void answer_limits(struct keeper *k, struct admin_ask *ask, bool show)
{
	const struct limit_hot *hot[SEATS_MAX];
	char *store = malloc(LIMITS_MAX);
	struct text t = { .at = store, .cap = LIMITS_MAX };
	size_t len = find_hot(k, hot);
	bool told = store && limits_print(k->limits, hot, len, show, clock_ns(), &t);

	admin_answer(ask, told ? text_slice(&t) : S("{\"error\":\"out of memory\"}"));
	free(store);
}

/* Words are decoded in place: each reader gets its own. */
static struct slice copy_of(struct slice words, char to[static ADMIN_LINE])
{
	words = slice_head(words, ADMIN_LINE);
	memcpy(to, words.at, words.len);
	return (struct slice){ to, words.len };
}

static void reset(struct keeper *k, struct admin_ask *ask, struct slice words)
{
	const struct limit_hot *hot[SEATS_MAX];
	char line[1024], said[1024], decoded[ADMIN_LINE];
	struct text answer = TEXT(line), told = TEXT(said);
	struct limit_reset what;
	size_t len = find_hot(k, hot);

	if (!limits_reset(k->limits, hot, len, copy_of(words, decoded), clock_ns(), &what, &answer)) {
		admin_answer(ask, text_slice(&answer));
		return;
	}
	limits_reset_words(k->limits, copy_of(words, decoded), &told);
	log_info("admin: uid %u: limits reset %.*s", (unsigned)admin_uid(ask), SLICE(text_slice(&told)));
	if (what.fleet)
		keeper_reset(k, ask, &what, text_slice(&answer));
	else
		admin_answer(ask, text_slice(&answer));
}

bool keeper_on_limits_ask(struct keeper *k, struct admin_ask *ask, struct slice verb)
{
	struct slice word = slice_cut(&verb, ' ');

	if (slice_same(word, S("limits")))
		answer_limits(k, ask, slice_same(verb, S("show-keys")));
	else if (slice_same(word, S("limits-reset")))
		reset(k, ask, verb);
	else
		return false;
	return true;
}
