/* auth.h -- one request before the station VERIFY. */
#pragma once
#include "verify/inside.h"

struct auth {
	struct verify *verify;
	struct request *request;
	const struct route_policy *policy;
	struct issuer *issuer; /* whose token it is; NULL until that is known */
	struct waiter *waiter; /* from before, where it has waited already */
	uint64_t now_ns, wall_s;
	struct credential credential;
	struct cache_name name;
	const struct claims *claims;  /* of a valid token; NULL until that is known */
	bool signed_by_key;           /* name.key */
	bool wants_key;               /* a fetch could settle it */
	bool wants_answer;            /* the issuer's answer would */
	unsigned char id[SHA256_LEN]; /* of an opaque token */
	struct opaque_seen seen;      /* what its issuer said of it; head.len 0: nothing */
};

/* From here on it is taken for this issuer's token. */
void auth_take_issuer(struct auth *t, struct issuer *issuer);
/* A waiter, new or from before; NULL: the arena is full. */
struct waiter *auth_waiter(struct auth *t);
/* Has it waited long enough? */
bool auth_is_late(const struct auth *t);

/* check_claims.c: what can be said before any signature is checked, of the issuer's token: a fault that holds
 * whoever signed. is_said: the issuer itself said so when asked. */
enum fault check_token_claims(const struct auth *t, const struct claims *c, bool is_said);

/* opaque_enter.c: tokens that only their issuer can read */
enum fault opaque_examine(struct auth *t);
/* True: parked until something is said of the token. */
bool opaque_wait(struct auth *t);
/* Nothing new will be said in time: what was said before, as long as it holds without its issuer. */
enum fault opaque_fall_back(struct auth *t);
/* When such a verdict ends: since 1970. */
uint64_t opaque_ends_s(const struct auth *t);
