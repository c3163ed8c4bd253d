/* fleet.h -- limits that count over the whole fleet, in Redis. Private to limit/.
 *
 * Who decides, in this order: the worker's lease; the highest time known for the key, which lies in the table
 * that the machine's workers share and never falls (the deny cache); a question to Redis, one per key and
 * worker at a time, all of a turn in one write; and where Redis cannot be asked, or has not answered within
 * its budget, this machine's share of the limit, which is told to Redis when it answers again. */
#pragma once
#include "limit/lease.h"

#define OWED 4096 /* keys of a worker whose admissions Redis has not been told of */
#define OWED_NEAR 8
#define ASTRAY_NS NS_PER_S /* a time so far ahead was written by another clock */

struct owed {
	uint64_t tag; /* 0: free */
	struct name name;
	struct gcra gcra;
	struct limits *home;
	uint64_t tokens;            /* admitted here and not told yet ... */
	uint64_t since_ns, paid_ns; /* ... which this worker's part of the rate pays between these times */
	uint64_t extra_tokens, extra_ns, extra_since_ns; /* what outcomes cost, the same */
	uint64_t whole_ns, cut_ns;                       /* all of it, as if no time had passed; since when */
	uint64_t room_ns; /* when there was room in the bucket in spite of it, on that server's clock */
	struct {
		uint64_t tokens, owed_ns, share_ns, extra_tokens, extra_ns, whole_ns, cut_ns, at_ns;
	} told;           /* in flight */
	uint64_t base_ns; /* that server's clock minus ours */
	uint64_t keep_ns; /* worth telling until then even where nothing is owed */
	bool flying;
	struct limit_asked asked;
};

struct fleet {
	struct limit_remote remote;
	uint64_t budget_ns, error_ns; /* of the last stamp */
	struct lease *leases;
	struct list queue; /* leases to be asked for at the end of the turn */
	struct owed *owed;
	size_t owed_used;
	uint64_t apart_said_ns; /* the log last heard that this machine was cut off alone */
	uint64_t sweep_ns;      /* the owed are looked at again from then on */
};

/* A request that waits; in its arena. */
struct limit_waiter {
	struct list link; /* in lease->waiters; alone where it is in none */
	struct request *request;
	struct lease *lease;
	uint64_t since_ns;
	bool by_itself; /* do not wait any more */
	size_t at;      /* the limit that is waited for */
	struct round round;
};

/* ---- fleet.c: the station's part ---- */
enum taking { TAKEN, DENIED, ASKED };
/* Would it refuse, as far as is known here? */
bool fleet_look(struct limits *l, struct round *round, size_t i, uint64_t now_ns);
/* waiter: of a request that has waited; NULL on the first try. */
enum taking fleet_take(struct limits *l, const struct request *r, struct round *round, size_t i,
                       const struct limit_waiter *waiter, uint64_t now_ns);
/* Undoes TAKEN; what cannot be put back is forfeited, and counted. */
void fleet_undo(struct limits *l, struct round *round, size_t i);
/* The whole station admitted. */
void fleet_keep(struct limits *l, const struct request *r, struct round *round, size_t i, uint64_t now_ns);

/* ---- redis_query.c: questions and answers ---- */
uint64_t fleet_workers(const struct fleet *f); /* of all machines */
void redis_query_want(struct limits *l, struct lease *e);
/* May it be asked? */
bool redis_query_may(const struct limits *l, const struct lease *e, uint64_t now_ns);
void redis_query_join(struct limits *l, struct lease *e, struct limit_waiter *t);
void redis_query_leave(struct limit_waiter *t);
void redis_query_turn(struct limits *l, uint64_t now_ns);
/* The two commands about a key leave at the end of the turn. */
bool redis_query_send(const struct fleet *f, const struct name *name, const struct words *w, bool settling,
                      struct limit_asked *asked);

/* ---- fallback.c: the machine alone ---- */
/* Takes from this machine's share of the limit. *full: it was full before. */
bool share_take(struct limits *l, const struct plan *plan, const struct bucket_ask *a, uint64_t now_ns,
                struct bucket_answer *to, bool *full);

/* The tag of its bucket. */
uint64_t share_tag(const struct limits *l, uint64_t tag);
/* Of the time up to which the share's level was told to Redis. */
uint64_t told_tag(const struct limits *l, uint64_t tag);

/* ---- settle.c: what Redis has not been told ---- */
/* Admitted from this machine's share. anew: that was full again, so what was admitted before is paid off. */
void settle_owe(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                uint64_t tokens, uint64_t now_ns, bool anew);
/* What an outcome costs beyond what was taken. */
void settle_charge(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                   uint64_t tokens, uint64_t now_ns);
/* The key may have been made without a time to live: it gets one when Redis answers again. */
void settle_touch(struct limits *l, const struct lease *e, uint64_t now_ns);
void settle_turn(struct limits *l, uint64_t now_ns);
void settle_forget(struct limits *l, uint64_t tag);

/* ---- name.c: keys in Redis ---- */
#define NAME_TEXT 256 /* bytes: keyspace, environment, 32 digits */
struct slice name_text(const struct fleet *f, const struct name *name, char room[static NAME_TEXT]);
#define NAME_KEYS 4 /* two for names, one for long parts of keys, one for records of resets */
uint64_t name_half(const struct limits *l, const struct plan *plan, const struct limit_key *key,
                   unsigned which);
void name_hex(const struct limits *l, const struct plan *plan, const struct limit_key *key,
              char to[static LIMIT_NAME]);
void name_make(const struct limits *l, const struct plan *plan, const struct request *r, struct name *to);
