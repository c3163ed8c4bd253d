/* inside.h -- what a worker knows: its issuers' keys, its routes' demands, and who waits for a key. */
#pragma once
#include "base/list.h"
#include "jose/jose.h"
#include "published/published.h"
#include "verify/cache.h"
#include "verify/credential.h"
#include "verify/verify.h"

enum told { TOLD_VALID, TOLD_INVALID, TOLD_FORBIDDEN, TOLD_UNKNOWN, TOLDS }; /* of verify_total */

struct issuer {
	const struct config_issuer *config;
	unsigned char who[SHA256_LEN];
	const struct published_slot *slot;  /* NULL until the keeper has claimed one */
	uint64_t version, failed, declined; /* of the slot, as last seen */
	uint64_t generation, fetched_wall_s, fetched_ns, hard_ns;
	struct keyset *keys;                  /* NULL: none yet */
	struct list waiters;                  /* struct waiter */
	uint64_t asked_ns;                    /* when the keeper was last asked; 0: it has answered since */
	unsigned char opaque_who[SHA256_LEN]; /* where it can be asked for tokens */
	uint32_t series[TOLDS];
};

struct route_policy {                       /* what a route demands */
	const struct config_route_verify *rule; /* NULL: nothing */
	struct issuer **issuer;                 /* whose tokens it takes; in the order of plan.names */
	size_t len;
	struct claims_names *names;
	struct claims_plan plan;
	enum claim *condition;                /* of each of rule->claims */
	struct carrier carrier[CARRIERS_MAX]; /* where tokens are taken from */
	size_t carriers;
	size_t opaque; /* index of the issuer that is asked for tokens that are no JWT; len where none is */
};

struct waiter { /* a request that waits for a key, or for what an issuer says of its token; in its arena */
	struct list link;
	struct request *request;
	struct issuer *issuer;
	uint64_t arrived_ns, failed, declined; /* as they were when it first came */
	bool asker, late;                      /* late: it has waited long enough */
	unsigned char id[SHA256_LEN];          /* of its token, where it waits for an answer */
};

#define QUESTIONS 256
struct asked_key {
	uint64_t tag, asked_ns;
}; /* put to the keeper lately */

struct verify {
	const struct config *config;
	const struct published_issuers *published;
	struct verify_ask ask;
	uint64_t moved;
	struct issuer *issuer;                  /* as in the configuration */
	struct route_policy *policy;            /* by route */
	struct slice wanted[CLAIMS_WANTED_MAX]; /* claims that some route has a condition for */
	size_t wanted_len;
	struct cache *cache;
	struct crypt crypt;
	struct jwt_scratch scratch;
	struct jwt jwt;
	struct published_keys taken;
	uint32_t hit, miss, negative;

	uint64_t opaque_moved, opaque_keepers;
	struct list opaque_waiters; /* struct waiter */
	struct asked_key question[QUESTIONS];
	char answer[OPAQUE_TEXT_MAX], answer_text[2 * OPAQUE_TEXT_MAX];
	struct claims answer_claims;
};

/* Looks whether the keeper has moved anything; if so reads it and wakes who waits. One load where not. */
void worker_catch_up(struct verify *v);
static inline bool worker_is_blinded(const struct issuer *i, uint64_t now_ns) /* by a drill */
{
	return i->slot && published_drill(i->slot, now_ns) == DRILL_BLIND;
}
/* Are the issuer's keys at hand and within the hard bound? */
bool worker_trusts(const struct verify *v, const struct issuer *i, uint64_t now_ns, uint64_t wall_s);

/* opaque_enter.c: wakes those of whose tokens something was said. One load where nothing was. */
void opaque_catch_up(struct verify *v);

/* route_policy.c: what the routes demand. */
void route_policies_open(struct verify *v);
void route_policies_close(struct verify *v);
/* By its name in the configuration; NULL: there is none. */
struct issuer *issuer_named(const struct verify *v, struct slice name);

/* check_revoked.c: remembers in r, where it may become a tunnel, what to look for again. */
bool check_token_revoked(const struct verify *v, const struct issuer *i, const struct claims *c,
                         struct slice kid, struct request *r, uint64_t wall_s);
/* Whether a valid token may pass here: TOKEN_SCOPE, TOKEN_CLAIM or FAULT_NONE. */
enum fault check_token_rights(const struct route_policy *g, const struct claims *c);
