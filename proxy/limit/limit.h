/* limit.h -- how often may this key try? Token buckets (GCRA) in a table shared by this machine's workers.
 *
 * Buckets are those of buckets/; a tag there is the hash of the limit's name and the key's parts.
 *
 * A part of the key that a request lacks (no token, no certificate, plain HTTP for ja4; a header, cookie or
 * field that is absent, empty or there with several values; the field of a body that is absent or empty) is
 * replaced by the client's address (of IPv6 its /64, as for the part address), so that leaving it out is no
 * way round the limit and strangers do not share one bucket. Where a body's field can be read in more than
 * one way (request/body_field.h) the request is refused, or counted by its address where the limit says so.
 * Subject, client and tenant count per issuer.
 *
 * Where a fleet shares a Redis, limits of scope fleet are counted there, exactly and over all machines; the
 * table then holds the highest arrival time known of each key, and this machine's share of the limit for
 * while Redis is away. A new secret of the fleet begins new buckets. What Redis gave to a request that
 * another limit or its client's leaving ended is forfeited and counted: nothing is ever handed back.
 *
 * All limits of one station are taken all-or-nothing: first every bucket is looked at, then all are charged;
 * where a race refuses one after all, what the others were charged is given back. A key in the shadow (all of
 * a limit's keys, or a percentage chosen by the tag, so that a key stays what it is) is decided and counted
 * but not refused or told.
 *
 * Where an outcome costs more (a login that the upstream answered 401), the rest is charged after the answer:
 * it refuses nobody and is never refused, so that logins in flight together may leave the bucket in debt, by
 * at most one burst; the next is refused until that is paid. Nothing is ever given back for an outcome. Owns
 * nothing of the request; r->rate_limit and r->rate_limit_policy lie in its
 * arena; they are left empty where it is nearly full. */
#pragma once
#include "base/text.h"
#include "buckets/buckets.h"
#include "limit/busiest.h"
#include "limit/reset.h"
#include "request/request.h"

/* ---- Redis, as this room needs it: pointers that journey/ fills from redis/ ---- */
struct limit_reply {
	bool answered; /* false: an error or no reply; it may have been executed or not */
	size_t len;    /* of what the first command said */
	int64_t value[4];
	bool nil[4];
};
struct limit_asked { /* of one question in flight; lies in this room */
	void *remote;    /* for whoever carries the question */
	/* Once, from within the loop's turn, not before ask has returned true. */
	void (*on_reply)(struct limit_asked *asked, const struct limit_reply *reply, uint64_t now_ns);
};
struct limit_question { /* two commands about one key; good until ask returns */
	uint16_t slot;
	bool settling; /* goes out in LIMIT_REMOTE_SETTLING too */
	const struct slice *bitfield, *expire;
	size_t bitfield_len, expire_len;
	struct limit_asked *asked;
};
enum limit_remote_state { LIMIT_REMOTE_DOWN, LIMIT_REMOTE_SETTLING, LIMIT_REMOTE_UP };
struct limit_remote {
	void *with;
	struct slice keyspace;              /* what every key begins with */
	unsigned workers;                   /* of this machine */
	uint16_t (*slot)(struct slice key); /* where a key lies, by its {tag} */
	unsigned (*size)(void *with);       /* machines of the fleet */
	enum limit_remote_state (*state)(void *with, uint16_t slot);
	/* now_ns on the clock of the slot's server, ns since 1970, off by *error_ns at most; 0: unknown. */
	uint64_t (*stamp)(void *with, uint16_t slot, uint64_t now_ns, uint64_t *error_ns);
	bool (*ask)(void *with, const struct limit_question *q); /* false: refused at once */
};

/* ---- the room ---- */
struct limits;
/* Keeps c and table. remote is copied; NULL: every limit is this machine's own. */
struct limits *limits_open(const struct config *c, struct buckets *table, const struct limit_remote *remote);
/* No request waits any more, and remote calls no more. */
void limits_close(struct limits *l);
/* How the first 16 KiB of a body come into r->stash (http_stash): GO_ON when they are there, WAIT, or ANSWER.
 * Without it no body is read. */
void limits_read_bodies(struct limits *l, enum step_result (*read)(struct request *));

/* ---- the stations ---- */
/* GO_ON, ANSWER with FAULT_LIMITED and r->refusal, or WAIT for Redis, or for a body that a key needs (then
 * limit_wait_ns is 0 and there is nothing to undo). Early takes the route's limits whose key needs no token;
 * late those keyed by subject, client or tenant. now_ns: monotonic. A request without a route goes on. */
enum step_result limit_early(struct limits *l, struct request *r, uint64_t now_ns);
enum step_result limit_late(struct limits *l, struct request *r, uint64_t now_ns);
/* At the end of every request: what its outcome costs beyond what was taken, by r->status. */
void limit_settle(struct limits *l, struct request *r, uint64_t now_ns);
/* How much longer the request may wait for Redis, over both stations; 0: it does not wait. */
uint64_t limit_wait_ns(const struct limits *l, const struct request *r, uint64_t now_ns);
/* It has waited long enough: entered again it is decided without Redis. */
void limit_stop_waiting(struct request *r);
/* Undoes a WAIT; the question goes on, and what it brings is the next one's. */
void limit_leave(struct limits *l, struct request *r);

/* Near the end of each turn, before Redis is flushed: questions go out, and what is owed is told. */
void limits_turn(struct limits *l, uint64_t now_ns);
/* It wants a turn by then even if nothing else happens; UINT64_MAX: never. */
uint64_t limits_due_ns(const struct limits *l);
