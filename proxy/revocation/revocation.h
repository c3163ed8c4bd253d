/* revocation.h -- what is revoked before its time: tokens, subjects, sessions, keys; kept on disk, published
 * to the workers (published/revoked.h), told to the other machines of a fleet through Redis. The keeper's. */
#pragma once
#include "config/config.h"
#include "published/published.h"
#include "statedir/statedir.h"

struct revocation_env { /* given: time, Redis */
	void *with;
	uint64_t (*now_ns)(void *with);
	uint64_t (*wall_s)(void *with);
	/* One command to the fleet's Redis; words[1] is a key without its keyspace. False: not now, and done is
	 * not called; else later, at most once. texts: those of the answer, in order. NULL: no Redis. */
	bool (*redis)(void *with, const struct slice *words, size_t len,
	              void (*done)(void *for_whom, bool answered, const struct slice *texts, size_t texts_len),
	              void *for_whom);
	uint64_t (*redis_ms)(void *with, struct slice key); /* its clock, since 1970 */
	struct slice machine; /* "id name": what this machine is called in the fleet's heartbeats */
};

struct revoker;
/* state: NULL where nothing can be kept; it and the table outlive the revoker. on_news: the table has
 * changed. */
struct revoker *revoker_open(const struct config *c, struct revoked_table *table, struct statedir *state,
                             const struct revocation_env *env, void (*on_news)(void *with), void *with);
void revoker_close(struct revoker *r);
uint64_t revoker_tick(struct revoker *r); /* when it wants to be called next */
/* Each NULL, or a sentence part. *kept: it will outlive this Sallyport. */
struct revocation_order {
	struct slice issuer, kind, value;
	uint64_t until_s, before_s; /* wall clock; 0: not said */
};
const char *revoker_add(struct revoker *r, const struct revocation_order *what, bool *kept);
const char *revoker_undo(struct revoker *r, const struct revocation_order *what, bool *kept);
/* JSON objects separated by commas; and NULL, or why some may be lost. */
void revoker_print(const struct revoker *r, void (*write)(void *with, struct slice piece), void *with);
const char *revoker_lost(const struct revoker *r);
/* Do the other machines have the means to know of every revocation given here? */
enum revoker_fleet { REVOKER_ALONE, REVOKER_FLEET_UNTOLD, REVOKER_FLEET_TOLD };
enum revoker_fleet revoker_fleet_knows(const struct revoker *r);
/* Until then the other machines are asked whether they have read what was revoked here; and whether all have,
 * which is so where there is no fleet. */
void revoker_ask_machines(struct revoker *r, uint64_t until_ns);
bool revoker_machines_know(const struct revoker *r);
struct text;
/* "machines":{"confirmed":["name (id)",...],"unconfirmed":[...]} */
void revoker_print_machines(const struct revoker *r, struct text *t);
