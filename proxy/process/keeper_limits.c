/* The verbs of the admin socket that concern limits: limits, limits-reset. */
#include "process/keeper.h"
#include "base/log.h"
#include <stdlib.h>

#define LIMITS_MAX ((size_t)32 * 1024)

static void answer_limits(struct keeper *k, struct admin_ask *ask, bool show)
{
	const struct limit_hot *hot[SEATS_MAX];
	char *store = malloc(LIMITS_MAX);
	struct text t = { .at = store, .cap = LIMITS_MAX };
	size_t len = 0;

	for (unsigned i = SEAT_WORKERS; i < k->shared->seats_len; i++)
		if (atomic_load(&k->shared->seats[i].pid))
			hot[len++] = shared_hot(k->shared, i);
	bool told = store && limits_tell(k->limits, hot, len, show, clock_ns(), &t);
	admin_answer(ask, told ? text_slice(&t) : S("{\"error\":\"out of memory\"}"));
	free(store);
}

static void reset(struct keeper *k, struct admin_ask *ask, struct slice words)
{
	char line[1024], decoded[ADMIN_LINE];
	struct text t = TEXT(line);

	words = slice_head(words, sizeof decoded);
	memcpy(decoded, words.at, words.len);
	limits_reset(k->limits, (struct slice){ decoded, words.len }, clock_ns(), &t);
	log_info("limits reset: %.*s", SLICE(text_slice(&t)));
	admin_answer(ask, text_slice(&t));
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
