/* issuer.h -- the keeper's side of issuers: it fetches discovery and key sets through a function given to it,
 * asks about tokens that are no JWT, keeps soft and hard ages, backoff, jitter and snapshots, within a budget
 * and over several ways out; and publishes what it learnt (published/), which workers read. */
#pragma once
#include "config/config.h"
#include "published/published.h"
#include "revocation/revocation.h"

struct issuer_keeper;
struct issuer_request {          /* a GET; a POST where there is a form */
	struct slice url, ca;        /* ca: PEM file or empty */
	struct slice proxy, address; /* HTTP proxy to go through, local address to go from; or empty */
	bool alone;                  /* on a connection that is not shared with other ways out */
	uint64_t timeout_ns;
	struct slice form;           /* urlencoded; or empty */
	struct slice user, password; /* HTTP Basic, as they are sent; or empty */
	struct slice bearer;         /* a token; or empty */
	struct slice accept;         /* an Accept field, NUL-terminated behind its end; or empty */
};
struct issuer_env { /* given by process/: time, fetching, disk */
	void *with;
	/* Starts one; done is called exactly once, also after issuer_keeper_close. failure: where status is
	 * 0, or where the body is too long and does not come. */
	void (*fetch)(void *with, const struct issuer_request *ask,
	              void (*done)(void *for_whom, int status, struct slice body, uint64_t max_age_s,
	                           const char *failure),
	              void *for_whom);
	uint64_t (*now_ns)(void *with);
	uint64_t (*wall_s)(void *with);
	/* Published memory moved: kick the workers, who may sleep. May be NULL. */
	void (*moved)(void *with);
	/* As in struct counter_file. */
	bool (*counters_read)(void *with, void *to, size_t len, uint64_t at);
	bool (*counters_write)(void *with, const void *from, size_t len, uint64_t at);
	/* The fleet's memory (Redis); NULL where there is none. Keys and values are sealed before (seal.h). get:
	 * false: it cannot be asked now; else done is called exactly once, not from inside, with at == NULL where
	 * nothing was got. put: ttl_ms 0 deletes. */
	bool (*fleet_get)(void *with, struct slice key, void (*done)(void *for_whom, struct slice value),
	                  void *for_whom);
	void (*fleet_put)(void *with, struct slice key, struct slice value, uint64_t ttl_ms);
	/* One command to the fleet's Redis; words[1] is a key without its keyspace. False: not now, and done is
	 * not called; else later, at most once. texts: those of the answer, in order. NULL: no Redis. */
	bool (*redis)(void *with, const struct slice *words, size_t len,
	              void (*done)(void *for_whom, bool answered, const struct slice *texts, size_t texts_len),
	              void *for_whom);
	uint64_t (*redis_ms)(void *with, struct slice key); /* its clock, since 1970 */
	struct slice machine; /* "id name": what this machine is called in the fleet's heartbeats */
};
struct issuer_keeper *issuer_keeper_open(const struct config *c, struct bundle *b,
                                         struct published_issuers *p, struct issuer_env env,
                                         struct slice machine_secret);
void issuer_keeper_close(struct issuer_keeper *k);
/* Does what is due; returns when it wants to be called next (ns, monotonic). */
uint64_t issuer_keeper_tick(struct issuer_keeper *k);
/* A worker met a token that only its issuer can read. */
void issuer_keeper_token(struct issuer_keeper *k, struct slice issuer, struct slice token);
/* A worker met a kid that the keys lack. */
void issuer_keeper_unknown(struct issuer_keeper *k, struct slice issuer, struct slice kid, uint64_t iat_s);
/* Pretends for a while: kind is unreachable, stale, degraded, blind, or none, which ends it. NULL, or a
 * sentence part. It outlives the keeper, not this Sallyport. */
const char *issuer_keeper_drill(struct issuer_keeper *k, struct slice issuer, struct slice kind,
                                uint64_t for_s);
/* The revocations of its issuers. */
struct revoker *issuer_keeper_revoker(struct issuer_keeper *k);
/* One line per issuer for `status`: name, state, age, last failure; JSON objects separated by commas. */
void issuer_keeper_print(const struct issuer_keeper *k, void (*write)(void *with, struct slice piece),
                         void *with);
