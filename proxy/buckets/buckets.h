/* buckets.h -- token buckets by tag, in memory that the machine's workers share.
 *
 * A bucket is one 64-bit theoretical arrival time in ns; the table is lock-free, of fixed size, with bounded
 * probing, and outlives workers and reloads. A slot is two 64-bit atomics, key tag and time, each valid by
 * itself. A tag is SipHash-2-4 of the limit's name and the key's parts (each with kind and length) under a
 * random key that lies in the table's header; it alone says where the key lies.
 *
 * A slot is given to another key only where its bucket is full again: a debtor is never forgotten, however
 * many keys a stranger makes up. The keys that one /24, one /64 or one /48 brings hold an eighth of the slots
 * at most. A newcomer whose network holds that many, or all sixteen slots of whose two neighbourhoods are
 * debtors, shares one common bucket, of the limit's own rate and burst, with the other such newcomers of its
 * network (the /24 or /64; the /48 where that holds an eighth): while its network is quiet it is not refused,
 * and a crowd gets less than its due, never more. limit_table_crowded_total counts such decisions: raise
 * limiting.table_size. */
#pragma once
#include "base/gcra.h"
#include "base/siphash.h"
#include "buckets/times.h"

/* The first bytes, geometry and key, are written by the first attach alone and may be closed to writing after
 * it. Whatever is written to the rest, its readers and writers stay within the table. */
#define BUCKETS_HEAD ((size_t)4096)
size_t buckets_memory(uint64_t slots);
struct buckets;
/* Lays the table out where memory (64-byte aligned) is still zero; the first attach happens before other
 * processes know the memory. NULL: it was laid out by another version or for another size. */
struct buckets *buckets_attach(void *memory, uint64_t slots);
/* How many buckets are not full, from a sample of at most 65536: for the gauge limit_table_used. */
uint64_t buckets_used(const struct buckets *t, uint64_t now_ns);

struct slot;

/* What is asked of one bucket. */
struct bucket_ask {
	struct gcra gcra;
	uint64_t tag;   /* of the key */
	uint64_t limit; /* hash of the limit's name: common buckets are per limit */
	uint64_t cost;
	const struct in6_addr *from; /* who brings the key; NULL: unknown */
	uint64_t floor_ns;           /* the bucket's time is at least this */
	bool owed;                   /* charged even where the bucket does not hold it */
};

/* What was found or done. */
struct bucket_answer {
	struct slot *slot; /* that was charged */
	uint64_t tag;
	uint64_t before, tat;    /* its time before and after the charge; a look gives the present one in tat */
	uint64_t shown_tat;      /* as clients are told: of a bucket of the limit's own rate and burst */
	uint64_t retry_after_ns; /* where refused */
	bool crowded;            /* the common bucket decided */
};

/* The random key that its tags are made with. */
struct siphash_key buckets_key(const struct buckets *t);
/* Never 0. */
uint64_t buckets_tag(const struct buckets *t, struct slice key);

/* It will be asked for in a moment. */
void buckets_fetch(struct buckets *t, uint64_t tag);
/* Would it be admitted? Changes nothing. */
bool buckets_look(struct buckets *t, const struct bucket_ask *a, uint64_t now_ns, struct bucket_answer *to);

/* Admits and charges, or refuses and charges nothing. */
bool buckets_take(struct buckets *t, const struct bucket_ask *a, uint64_t now_ns, struct bucket_answer *to);

/* The key's own bucket is full again. False: it was. */
bool buckets_forgive(struct buckets *t, uint64_t tag, uint64_t now_ns);

/* Undoes a charge that nobody has built on yet; otherwise it stays spent. */
void buckets_give_back(struct bucket_answer *a);
