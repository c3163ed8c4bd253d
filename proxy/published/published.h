/* published.h -- the memory through which the keeper hands key sets to the workers.
 *
 * One slot per issuer, found by `who` (a digest of its name, URL and key source, so that a slot never passes
 * for another configuration's). Several words that belong together lie in two copies; the version, stored
 * last, says which one counts. A keeper that dies in the middle leaves the old copy in force. One writer. */
#pragma once
#include "base/flip.h"
#include "jose/jose.h"
#include "published/opaque.h"
#include "published/revoked.h"
#include <stdatomic.h>

enum issuer_state {
	ISSUER_NORMAL,   /* keys are fresh */
	ISSUER_STALE,    /* past their soft age, still trusted */
	ISSUER_DEGRADED, /* past half of the hard bound: somebody should look */
	ISSUER_BLIND,    /* no keys, or past the hard bound: nobody can be judged */
	ISSUER_STATES
};
extern const char *const issuer_state_names[ISSUER_STATES];

enum keys_from {
	KEYS_FROM_NOWHERE,
	KEYS_FROM_ISSUER,
	KEYS_FROM_FILE,  /* that the issuer's jwks: names */
	KEYS_FROM_DISK,  /* what was kept there */
	KEYS_FROM_REDIS, /* another machine's */
	KEYS_FROM
};
extern const char *const keys_from_names[KEYS_FROM];

enum issuer_reach { REACH_UNKNOWN, REACH_HERE, REACH_AWAY }; /* where a route needs it; see probe.h */

enum drill { /* what an operator may pretend, for a while */
	         DRILL_NONE,
	         DRILL_UNREACHABLE, /* nothing is fetched; all else follows by itself */
	         DRILL_STALE,       /* shown as that; nothing else changes */
	         DRILL_DEGRADED,
	         DRILL_BLIND, /* and workers treat it so */
	         DRILLS
};
extern const char *const drill_names[DRILLS];

struct published_keys { /* everything before jwks is copied whole */
	unsigned char who[SHA256_LEN];
	uint64_t generation;     /* moves only when the keys change; 0: no keys yet */
	uint64_t fetched_wall_s; /* when the fetch that last confirmed them was begun */
	uint64_t fetched_ns;     /* the same, monotonic; 0 where another boot may have done it */
	uint64_t soft_ns;        /* how long they are fresh */
	uint64_t hard_ns;        /* monotonic: past it nobody trusts them, whatever a wall clock that was set back
	                          * may say; 0: not said */
	uint64_t len;            /* bytes of jwks */
	char jwks[KEYSET_BYTES_MAX];
};

struct published_slot {
	_Alignas(64) _Atomic uint64_t version; /* copy[version & 1] counts; 0: the slot is free */
	_Atomic uint64_t failed;               /* attempts to fetch that ended in nothing */
	_Atomic uint64_t declined;             /* questions for a kid that are not worth a fetch */
	_Atomic uint64_t not_before_ns;        /* no question is answered by a fetch before this (monotonic) */
	_Atomic uint64_t state;                /* enum issuer_state */
	_Atomic uint64_t drill;   /* its end (monotonic ns), the lowest 3 bits replaced by its enum drill */
	_Atomic uint64_t from;    /* enum keys_from */
	_Atomic uint64_t reach;   /* enum issuer_reach */
	_Atomic uint64_t sent;    /* requests of the keepers to it: logins yield to them */
	_Atomic uint64_t back_ns; /* when it came back (monotonic), where logins follow on a ramp; else 0 */
	struct published_keys copy[2];
};

struct published_issuers {
	_Atomic uint64_t layout;
	_Atomic uint64_t moved;       /* grows with every change of anything below: the one word to watch */
	_Atomic uint64_t generations; /* the last generation given out */
	struct published_slot slot[ISSUERS_MAX];
	struct opaque_table opaque;
	struct revoked_table revoked;
};

size_t published_memory(void); /* 32 issuers of 64 KiB key sets, 4,096 opaque tokens */
/* `memory` is aligned to 64 bytes and zeroed before its first attach, which writes the layout id: the first
 * is made by a process that may write. NULL: it was laid out by another version; take new memory. */
struct published_issuers *published_attach(void *memory);
/* Moves with every change: whoever watches it knows when to kick sleeping workers. */
uint64_t published_moved(const struct published_issuers *p);

static inline uint64_t published_drill_until(enum drill drill, uint64_t end_ns)
{
	return (end_ns & ~UINT64_C(7)) | (uint64_t)drill;
}

static inline uint64_t published_drill_end_ns(const struct published_slot *slot)
{
	return atomic_load(&slot->drill) & ~UINT64_C(7);
}

/* Ends by its time, also where the keeper that began it is gone. */
static inline enum drill published_drill(const struct published_slot *slot, uint64_t now_ns)
{
	uint64_t word = atomic_load_explicit(&slot->drill, memory_order_relaxed);

	return now_ns < (word & ~UINT64_C(7)) ? (enum drill)(word & 7) : DRILL_NONE;
}

bool published_who(const struct config_issuer *issuer, unsigned char who[SHA256_LEN])
    __attribute__((warn_unused_result));

/* The slot whose current copy is `who`'s; NULL where there is none. */
const struct published_slot *published_find(const struct published_issuers *p,
                                            const unsigned char who[SHA256_LEN]);
/* Copies what counts now into *to; *version: which that was. False: free, or overwritten again and again. */
bool published_take(const struct published_slot *slot, struct published_keys *to, uint64_t *version)
    __attribute__((warn_unused_result));

/* The keeper's: the slot of `who`, claimed where it has none, in preference to those that are not among the
 * `kept`. NULL: all are taken. */
struct published_slot *published_claim(struct published_issuers *p, const unsigned char who[SHA256_LEN],
                                       const unsigned char (*kept)[SHA256_LEN], size_t kept_len);
/* head: who, generation and times are copied from it; the rest of it is not read. */
void published_put(struct published_issuers *p, struct published_slot *slot,
                   const struct published_keys *head, struct slice jwks);

/* Between two requests of this machine, by that rate of the budget; by budget.all where it is absent. */
uint64_t published_interval_ns(const struct config_issuer_budget *b, struct rate rate);
