/* keeper_queue.h -- a worker's question to the keeper, as a record of a ring. Part of shared's door. */
#pragma once
#include "base/ring.h"

enum { ASK_MAX = 8192 }; /* bytes of a record */

/* A kid that the keys lack; a token that is no JWT; an endpoint that refuses, its upstream as issuer; what an
 * absence met, a struct guard_news. */
enum keeper_question_kind { ASK_KEY, ASK_TOKEN, ASK_REFUSED, ASK_ABSENCE };

struct keeper_question {
	enum keeper_question_kind kind;
	struct slice issuer, what;
	uint64_t token_iat_s;
};

/* False: the ring is full, or the names are too long to be anybody's. */
bool keeper_queue_put(struct ring r, const struct keeper_question *ask);
/* The next one; its slices lie in `room`. False: there is none. Malformed ones are skipped. */
bool keeper_queue_take(struct ring r, char room[static ASK_MAX], struct keeper_question *to);
