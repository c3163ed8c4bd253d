/* table.h -- buckets by tag in shared memory. Private to limit/. */
#pragma once
#include "base/siphash.h"
#include "limit/limit.h"
#include <netinet/in.h>
#include <stdatomic.h>

/* Slots of a neighbourhood: two cache lines, which processors fetch as a pair. A key may lie in either of two
 * neighbourhoods and is put where there are fewer debtors; in a table half full of debtors one key in a
 * million finds no room. */
#define NEAR 8

struct slot {
	_Atomic uint64_t tag; /* 0: no key */
	_Atomic uint64_t tat; /* ns, monotonic */
};

/* Two regions of neighbourhoods follow the header: the keys' and, an eighth of it, that of the common buckets
 * of newcomers in crowded neighbourhoods. */
struct limit_table {
	union {
		struct {
			_Atomic uint64_t layout;
			uint64_t slots;         /* as asked for */
			uint64_t hoods, common; /* neighbourhoods of each region */
			struct siphash_key key;
		};
		char head[LIMIT_TABLE_HEAD];
	};
	_Alignas(64) struct slot slot[];
};

/* ---- crowd.c: whose keys hold the slots; behind the slots ---- */
#define CROWDS 4096
struct crowds {
	_Atomic uint32_t held[2][CROWDS]; /* by /24 or /64; by /48 */
	_Atomic uint64_t looked_ns;
	_Atomic uint32_t owner[];         /* of each slot of the keys' region; 0: nobody's */
};
size_t crowds_memory(uint64_t slots);
/* The /24 or /64; coarse: of an IPv6 address the /48. */
struct in6_addr crowd_net(const struct in6_addr *from, bool coarse);
/* Whose a slot will be; 0 for NULL. */
uint32_t crowd_of(const struct limit_table *t, const struct in6_addr *from);
/* Its network holds an eighth of the table. */
bool crowd_is_full(struct limit_table *t, uint32_t owner, uint64_t now_ns);
bool crowd_is_wide(struct limit_table *t, uint32_t owner); /* and that network is its /48 */
void crowd_claim(struct limit_table *t, const struct slot *s, uint32_t owner);

/* What is asked of one bucket. */
struct ask {
	struct gcra gcra;
	uint64_t tag;   /* of the key */
	uint64_t limit; /* hash of the limit's name: common buckets are per limit */
	uint64_t cost;
	const struct in6_addr *from; /* who brings the key; NULL: unknown */
	uint64_t floor_ns; /* the bucket's time is at least this */
	bool owed;      /* charged even where the bucket does not hold it */
};

/* What was found or done. */
struct answered {
	struct slot *slot;   /* that was charged */
	uint64_t tag;
	uint64_t before, tat; /* its time before and after the charge; a look gives the present one in tat */
	uint64_t shown_tat;   /* as clients are told: of a bucket of the limit's own rate and burst */
	uint64_t retry_after_ns; /* where refused */
	bool crowded;        /* the common bucket decided */
};

/* Never 0. */
uint64_t table_tag(const struct limit_table *t, struct slice key);

/* It will be asked for in a moment. */
void table_fetch(struct limit_table *t, uint64_t tag);
/* Would it be admitted? Changes nothing. */
bool table_look(struct limit_table *t, const struct ask *a, uint64_t now_ns, struct answered *to);

/* Admits and charges, or refuses and charges nothing. */
bool table_take(struct limit_table *t, const struct ask *a, uint64_t now_ns, struct answered *to);

/* The time of the key's own bucket; 0 where it has none. */
uint64_t table_tat(struct limit_table *t, uint64_t tag);
/* The key's own bucket is full again. False: it was. */
bool table_forgive(struct limit_table *t, uint64_t tag, uint64_t now_ns);

/* Undoes a charge that nobody has built on yet; otherwise it stays spent. */
void table_give_back(struct answered *a);

/* The key's time. False: it is not there. */
bool table_find(struct limit_table *t, uint64_t tag, uint64_t *tat);
/* Moves the key's time, floor_ns at least, towards end_ns by most_ns at most. By how much; 0 where it is not
 * there. */
uint64_t table_advance(struct limit_table *t, uint64_t tag, uint64_t floor_ns, uint64_t end_ns,
                       uint64_t most_ns);
/* Takes that back. */
void table_retreat(struct limit_table *t, uint64_t tag, uint64_t ns);
/* Lifts the key's time to tat, and never lowers it. False: there is no room for the key. */
bool table_raise(struct limit_table *t, uint64_t tag, uint64_t tat, uint64_t now_ns, uint32_t owner);
