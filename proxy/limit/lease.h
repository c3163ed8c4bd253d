/* lease.h -- what one worker holds of the fleet's buckets: slots bought ahead, and the question in flight.
 * Private to limit/.
 *
 * A lease is an interval of theoretical arrival times that Redis gave to this worker alone. A request
 * spends cost * T of it, from its own stamp or later; what time passes dies exactly as the bucket refills,
 * so nothing is ever handed back and a crash loses nothing that would not have come anyway. The table is
 * of fixed size; an entry with a question in flight or a request waiting stays, of the others the longest
 * unused goes. */
#pragma once
#include "limit/inside.h"
#include "limit/redis_bucket.h"

#define LEASES 4096   /* of a worker: keys with a lease, a question or a recent request */
#define LEASES_NEAR 8 /* where a key may lie */
#define LEASE_WINDOW_NS (100 * NS_PER_MS)

struct lease {
	uint64_t tag; /* the key's in the table; 0: free */
	struct limits *home;
	const struct plan *plan;
	struct name name;      /* in Redis */
	struct span now, next; /* in use; bought ahead */
	uint64_t since_ns;     /* stamp of the last grant: who spends is stamped no earlier */
	uint64_t hold_ns;      /* the bucket was found empty: ask again from then on */
	uint64_t astray_ns;    /* until then its answers are not believed */
	uint64_t used_ns;      /* last request */
	uint64_t window_ns;    /* requests are counted in windows */
	uint32_t seen, before; /* in this window, in the one before */
	struct list waiters;   /* struct limit_waiter */
	size_t waiters_len;
	struct list link;           /* in the queue of those to be asked at the end of the turn */
	bool flying;                /* a question is out */
	uint64_t asked_ns, base_ns; /* when; that server's clock minus ours */
	uint64_t late_tokens;       /* admitted without the answer to it */
	uint64_t again;             /* ask once more, for so many tokens; 0: as many as are due */
	bool twice;                 /* that is being asked */
	bool anew;                  /* or it is asked again, since the answer was lost */
	struct redis_query question;
	struct limit_asked asked;
};

/* The key's entry; NULL where it has none. */
struct lease *lease_find(struct lease *table, uint64_t tag);
/* A new one, empty but for tag and times; NULL: all around are busy. *lost: tokens that went with the one it
 * replaces. */
struct lease *lease_make(struct lease *table, uint64_t tag, uint64_t now_ns, uint64_t *lost);

bool lease_has(const struct lease *e, uint64_t at_ns, uint64_t want_ns);
/* Takes want_ns for a request stamped at_ns. *spent: where the lease began before and begins now. */
bool lease_spend(struct lease *e, uint64_t at_ns, uint64_t want_ns, struct span *spent);
/* Puts back what lease_spend took. False: others have spent since, so it is lost. */
bool lease_return(struct lease *e, struct span spent);
/* Redis granted (to - size, to] to a question stamped at_ns. */
void lease_grant(struct lease *e, uint64_t at_ns, struct span granted);
/* What was bought is given up, and nothing is known of the bucket any more. */
void lease_forget(struct lease *e);
/* What a request may still spend at that time. */
uint64_t lease_left(const struct lease *e, uint64_t at_ns);

/* Counts a request. */
void lease_note(struct lease *e, uint64_t now_ns);
/* How many requests' worth it asks for: what this worker saw in the last 100 ms, at most a quarter of the
 * burst shared by all workers of the fleet, so that slots which nobody spends are few; and no fewer than
 * wait. */
uint64_t lease_due(const struct lease *e, uint64_t workers);
/* Half of that is spent: time to ask for more, so that nobody has to wait. */
bool lease_is_low(const struct lease *e, uint64_t at_ns, uint64_t workers);
