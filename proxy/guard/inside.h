/* inside.h -- what the files of guard/ share. Private. */
#pragma once
#include "guard/guard.h"
#include <stdatomic.h>

#define EPOCH_S UINT64_C(1577836800) /* 2020-01-01: times in tables are seconds since then */
#define GOOD_FOR_S 3600              /* a key that answered 2xx in this time flips */
#define FLIPS_MOST 3                 /* so many latch */
#define LATCH_S 600
#define PRINCIPALS_LEAST 3
#define REQUESTS_LEAST 20
#define SHARE_LEAST 200000 /* of a million */
#define SHARE_TIMES 5

#define GUARD_ROUTES 256
#define NEAR 64  /* places that a key may lie in */
#define STEP_S 2 /* of the window */
#define STEPS 15 /* ... of 30 s */
#define STEP_SLOTS 16
#define HOURS 24
#define HOUR_SLOTS 25
#define FLIP_SLOTS 8

enum latch_cause { CAUSE_NONE, CAUSE_FLIPS, CAUSE_SHARE, CAUSE_OPERATOR, CAUSE_FLEET, CAUSES };
extern const char *const cause_names[CAUSES];

struct guard_route {
	_Alignas(64) _Atomic uint64_t name; /* hash of it; 0: free */
	_Atomic uint64_t latch;             /* since << 32 | until, as in times below; 0: never */
	_Atomic uint64_t cause;             /* enum latch_cause */
	_Atomic uint64_t released_s;        /* what was absent by then is accepted */
	_Atomic uint64_t elsewhere;        /* keys flipped on other machines and not on this one, by the keeper */
	_Atomic uint64_t step[STEP_SLOTS]; /* epoch << 48 | answers << 24 | absences */
	_Atomic uint64_t who[2][STEP_SLOTS]; /* epoch << 48 | a bit for each principal, by two hashes */
	_Atomic uint64_t hour[HOUR_SLOTS];   /* as step */
	_Atomic uint64_t flip[FLIP_SLOTS];   /* tag << 32 | when it was good last */
};

struct guard_table {
	union {
		struct {
			_Atomic uint64_t layout;
			uint64_t places;
		};
		char head[GUARD_HEAD];
	};
	_Alignas(64) _Atomic uint64_t loaded; /* the keeper has read what was on disk */
	_Atomic uint64_t moved;               /* counts changes of keys that are worth keeping */
	struct guard_route route[GUARD_ROUTES];
	_Alignas(64) _Atomic uint64_t word[]; /* `places` tags, then as many times */
};

static inline uint64_t guard_time(uint64_t wall_s)
{
	return wall_s > EPOCH_S ? wall_s - EPOCH_S : 1;
}
static inline uint64_t guard_wall(uint64_t time)
{
	return time ? time + EPOCH_S : 0;
}

/* ---- keys.c: a key's times are one word ---- */
/* 0: never; no longer. expected: it was attested, or its client removed it; nothing is held against it. */
struct times {
	uint64_t good, absent;
	bool told, told_delivered, expected;
};
struct times times_of(uint64_t word);
uint64_t times_word(struct times t);
/* Its place. claim: one is made where there is none, at the cost of the oldest without an absence, else of
 * one that is absent for more than a day. NULL: there is none, or no room. */
_Atomic uint64_t *key_times(struct guard_table *t, uint64_t tag, bool claim, uint64_t now);
size_t keys_used(const struct guard_table *t, size_t *absent);

/* ---- share.c: times are guard_time ---- */
struct share {
	uint64_t answers, absences, usual;
	unsigned principals;
	bool over;
}; /* usual: of a million */
/* kept: what leaves the window counts among what is usual. */
void share_add(struct guard_route *w, uint64_t principal, bool absent, bool kept, uint64_t now);
struct share share_now(const struct guard_route *w, uint64_t now);
void share_forget(struct guard_route *w); /* the window begins anew */

/* ---- latch.c ---- */
struct latch {
	bool on;
	uint64_t since, until;
};
struct guard_route *route_find(struct guard_table *t, uint64_t name, bool claim);
struct latch latch_of(struct guard_route *w, uint64_t now);
/* On, or on for longer. True: it was not on before. */
bool latch_set(struct guard_route *w, enum latch_cause why, uint64_t until, uint64_t now);
bool latch_drop(struct guard_route *w, uint64_t now); /* false: it was not on */
void flip_add(struct guard_route *w, uint64_t tag, uint64_t good, uint64_t now);
void flip_drop(struct guard_route *w, uint64_t tag);
void flips_forget(struct guard_route *w);
/* Keys that are absent and were good within the hour; while latched, within the hour before that. Of all
 * machines. */
unsigned flips_of(struct guard_route *w, struct latch l, uint64_t now);
size_t flips_here(struct guard_route *w, struct latch l, uint64_t now, uint64_t tags[static FLIP_SLOTS]);

/* ---- judge.c: given all that it needs ---- */
enum meaning { MEANS_NOTHING, MEANS_GOOD, MEANS_ABSENT, MEANS_ATTESTED, MEANS_FOREIGN, MEANS_REMOVED };
struct matter {
	uint64_t tag, principal, now;
	enum meaning means;
};
struct finding {
	bool absent, held, latched_now, first; /* first: the keeper knows of no absence of this key */
	bool tell;                             /* there is news for the ledger: the event, with times */
	enum guard_event event;
	uint64_t good;
	enum latch_cause cause;
};
struct finding absence_judge(struct guard_table *t, struct guard_route *w, const struct matter *m);
/* The news has reached the keeper. */
void absence_told(struct guard_table *t, const struct matter *m, enum guard_event event);

/* ---- empty.c ---- */
enum holding { HOLDS_SOMETHING, HOLDS_NOTHING, HOLDS_UNREADABLE };
enum holding body_holds(struct slice body, bool whole);

/* ---- ledger.c: the keeper's alone ---- */
#define LEDGER_PAGE 500
struct ledger_entry {
	uint64_t principal, open;                                /* open: keys of it that are absent still */
	uint64_t good_s, absent_s, seen_s, delivered_s, ended_s; /* wall clock; 0: never */
	uint32_t status, keys;                                   /* keys: that an absence met */
	char route[64], tenant[96], client[96], subject[128], address[48], path[256];
};
struct ledger {
	struct ledger_entry **at;
	size_t len, cap, most;
	uint32_t *index;
	bool moved;
};
bool ledger_open(struct ledger *l, size_t most);
void ledger_close(struct ledger *l);
void ledger_hear(struct ledger *l, const struct guard_news *n);
bool ledger_put(struct ledger *l, const struct ledger_entry *e); /* one from disk */
void ledger_tell(const struct ledger *l, uint64_t since_s, uint64_t from, struct text *t);
