/* worker.h -- what a worker knows: its issuers' keys, its routes' demands, and who waits for a key. */
#pragma once
#include "base/list.h"
#include "verify/cache.h"
#include "verify/credential.h"
#include "verify/jwt.h"
#include "verify/published.h"

enum told { TOLD_VALID, TOLD_INVALID, TOLD_FORBIDDEN, TOLD_UNKNOWN, TOLDS }; /* of verify_total */

struct issuer {
	const struct config_issuer *config;
	unsigned char who[SHA256_LEN];
	const struct published_slot *slot; /* NULL until the keeper has claimed one */
	uint64_t version, failed, declined; /* of the slot, as last seen */
	uint64_t generation, fetched_wall_s, fetched_ns, hard_ns;
	struct keyset *keys;   /* NULL: none yet */
	struct list waiters;   /* struct waiter */
	uint64_t asked_ns;     /* when the keeper was last asked; 0: it has answered since */
	uint32_t series[TOLDS];
};

struct gate { /* what a route demands */
	const struct config_route_verify *rule; /* NULL: nothing */
	struct issuer **issuer; /* whose tokens it takes; in the order of plan.names */
	size_t len;
	struct claims_names *names;
	struct claims_plan plan;
	enum claim *condition; /* of each of rule->claims */
	struct carrier carrier[CARRIERS_MAX]; /* where tokens are taken from */
	size_t carriers;
};

struct waiter { /* a request that waits for a key; in its arena */
	struct list link;
	struct request *request;
	struct issuer *issuer;
	uint64_t arrived_ns, failed, declined; /* as they were when it first came */
	bool asker;
};

struct verify {
	const struct config *config;
	const struct verify_published *published;
	struct verify_ask ask;
	uint64_t moved;
	struct issuer *issuer; /* as in the configuration */
	struct gate *gate;     /* by route */
	struct slice wanted[CLAIMS_WANTED_MAX]; /* claims that some route has a condition for */
	size_t wanted_len;
	struct cache *cache;
	struct crypt crypt;
	struct jwt_scratch scratch;
	struct jwt jwt;
	struct published_keys taken;
	uint32_t hit, miss, negative;
};

/* Looks whether the keeper has moved anything; if so reads it and wakes who waits. One load where not. */
void worker_catch_up(struct verify *v);
static inline bool worker_is_blinded(const struct issuer *i, uint64_t now_ns) /* by a drill */
{
	return i->slot && published_drill(i->slot, now_ns) == DRILL_BLIND;
}
/* Are the issuer's keys at hand and within the hard bound? */
bool worker_trusts(const struct verify *v, const struct issuer *i, uint64_t now_ns, uint64_t wall_s);

/* gate.c: what the routes demand. */
void gates_open(struct verify *v, struct config_errors *errors);
void gates_close(struct verify *v);

/* What can be said before any signature is checked: a fault that holds whoever signed. */
enum fault judge_claims(const struct verify *v, const struct gate *g, const struct issuer *i,
                        const struct claims *c, uint64_t wall_s);
/* Whether a valid token may pass here: TOKEN_SCOPE, TOKEN_CLAIM or FAULT_NONE. */
enum fault judge_rights(const struct gate *g, const struct claims *c);
