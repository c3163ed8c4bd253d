/* trial.h -- one request before the station VERIFY. */
#pragma once
#include "verify/worker.h"

struct trial {
	struct verify *verify;
	struct request *request;
	const struct gate *gate;
	struct issuer *issuer; /* whose token it is; NULL until that is known */
	struct waiter *waiter; /* from before, where it has waited already */
	uint64_t now_ns, wall_s;
	struct credential credential;
	struct cache_name name;
	const struct claims *claims; /* of a valid token; NULL until that is known */
	bool signed_by_key;          /* name.key */
	bool wants_key;              /* a fetch could settle it */
	bool wants_answer;           /* the issuer's answer would */
	unsigned char id[SHA256_LEN]; /* of an opaque token */
	struct opaque_seen seen;     /* what its issuer said of it; head.len 0: nothing */
};

/* From here on it is taken for this issuer's token. */
void trial_take_issuer(struct trial *t, struct issuer *issuer);
/* A waiter, new or from before; NULL: the arena is full. */
struct waiter *trial_waiter(struct trial *t);
/* Has it waited long enough? */
bool trial_is_late(const struct trial *t);

/* judge.c: what can be said before any signature is checked, of the issuer's token: a fault that holds
 * whoever signed. is_said: the issuer itself said so when asked. */
enum fault judge_claims(const struct trial *t, const struct claims *c, bool is_said);

/* opaque_enter.c: tokens that only their issuer can read */
enum fault opaque_examine(struct trial *t);
/* True: parked until something is said of the token. */
bool opaque_wait(struct trial *t);
/* Nothing new will be said in time: what was said before, as long as it holds without its issuer. */
enum fault opaque_fall_back(struct trial *t);
/* When such a verdict ends: since 1970. */
uint64_t opaque_ends_s(const struct trial *t);
