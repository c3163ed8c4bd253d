/* guard.h -- the absence guard: may "it is not there" pass to machines that delete what is not there?
 *
 * On routes with reconcile: an upstream's 404 and 410, a grpc-status 5 in its head, and with watch_empty a
 * 200 whose list holds nothing any more for somebody whose list held something, are absences. One passes
 * where the application's handler attests it (`Sallyport-Attest: ENVIRONMENT`), or where it is within what
 * is usual. It is held (503, the client comes back) once three keys that answered 2xx within the hour are
 * absent, or the share of absences over 30 s passes five times that of the last 24 hours, and 20 %, or where
 * another environment's application attests it. The route is latched then: nothing unattested passes for ten
 * minutes, renewed while it goes on; an operator releases it, or the share, which has fallen again.
 *
 * A key is who asks (tenant, client and subject, else the certificate, else the address prefix) and what for
 * (route, host, path and query). Keys, shares and latches lie in memory that all workers write, as 64-bit
 * words each valid by itself; the keeper keeps them on disk, counts over the fleet, and has the ledger: whom
 * an absence met. What can go wrong: the tables are full, then the oldest key without an absence goes, and
 * is counted; a worker's news finds no room on its way to the keeper, then it is counted, and sent with the
 * key's next absence. */
#pragma once
#include "base/siphash.h"
#include "base/text.h"
#include "request/request.h"

/* ---- what workers share ---- */
struct guard_table;
#define GUARD_HEAD ((size_t)4096) /* written by the first attach alone; may be closed to writing after it */
size_t guard_memory(uint64_t places);
/* `memory` is zeroed before its first attach. NULL: it was laid out otherwise. */
struct guard_table *guard_attach(void *memory, uint64_t places);

/* ---- a worker ---- */
enum guard_event { GUARD_HELD, GUARD_DELIVERED, GUARD_ENDED, GUARD_LATCHED, GUARD_EVENTS };
struct guard_news {                /* to the keeper; texts end in a NUL, longer ones are cut */
	uint64_t key, principal;       /* tags */
	uint64_t good_s, at_s;         /* wall clock; good_s 0: it was never there as far as is known */
	uint32_t event, status, first; /* enum guard_event; of the upstream; first: of an absence of this key */
	char route[64], tenant[96], client[96], subject[128], address[48], path[256];
};
struct guard_teller {
	bool (*tell)(void *with, const struct guard_news *news); /* false: no room */
	void *with;
};
struct guard;
/* key: of tags; the same in all processes and after restarts, in all machines of a fleet. Never NULL. */
struct guard *guard_open(const struct config *c, struct guard_table *t, struct siphash_key key,
                         struct guard_teller teller);
void guard_close(struct guard *g);

struct guard_answer { /* of the upstream */
	uint16_t status;
	const struct headers *fields;
	bool whole; /* `body` is all of it; only of 200 on routes with watch_empty */
	struct slice body;
};
#define GUARD_BODY ((size_t)16384) /* bytes of a body that are looked at; a longer one holds something */
/* The station: GO_ON, or ANSWER with ABSENCE_HELD. Sets r->absence and r->absence_status. */
enum step_result guard_enter(struct guard *g, struct request *r, const struct guard_answer *a,
                             uint64_t wall_s);
bool guard_is_latched(const struct guard *g, const struct request *r, uint64_t wall_s);

/* ---- the keeper ---- */
struct guard_env {
	void *with;
	/* A file of the state directory, whole. take: what it holds, to be freed; NULL: nothing. */
	bool (*put)(void *with, const char *name, struct slice bytes);
	char *(*take)(void *with, const char *name, size_t *len);
	/* A command to the fleet's Redis, its second word the key without keyspace. done is called later, exactly
	 * once. False: not asked. NULL: there is no Redis, or no secret of the fleet. */
	bool (*redis)(void *with, const struct slice *words, size_t len,
	              void (*done)(void *for_whom, bool answered, const struct slice *texts, size_t texts_len),
	              void *for_whom);
	uint64_t (*redis_ms)(void *with, struct slice key);
};
struct guard_keeper;
/* What is on disk is taken where the table is new. NULL: out of memory. */
struct guard_keeper *guard_keeper_open(const struct config *c, struct guard_table *t, struct siphash_key key,
                                       const struct guard_env *w, uint64_t wall_s);
void guard_keeper_close(struct guard_keeper *k, uint64_t wall_s); /* what it knows goes to disk */
void guard_keeper_hear(struct guard_keeper *k, const struct guard_news *news, uint64_t wall_s);
uint64_t guard_keeper_tick(struct guard_keeper *k, uint64_t now_ns, uint64_t wall_s); /* when next, ns */
/* "trip" or "release", and a route; none: all of them. NULL, or a sentence part. */
const char *guard_keeper_order(struct guard_keeper *k, struct slice order, struct slice route,
                               uint64_t wall_s);
/* A JSON object: of routes and how full tables are; or, with a page, of whom an absence has met since then:
 * as many as one takes, from that one on. */
struct guard_page {
	uint64_t since_s, from;
};
void guard_keeper_tell(const struct guard_keeper *k, uint64_t wall_s, const struct guard_page *page,
                       struct text *to);
