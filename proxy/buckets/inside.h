/* inside.h -- how the table lies in memory. Private to buckets/. */
#pragma once
#include "base/siphash.h"
#include "buckets/buckets.h"
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
struct buckets {
	union {
		struct {
			_Atomic uint64_t layout;
			uint64_t slots;         /* as asked for */
			uint64_t hoods, common; /* neighbourhoods of each region */
			struct siphash_key key;
		};
		char head[BUCKETS_HEAD];
	};
	_Alignas(64) struct slot slot[];
};

/* ---- crowd.c: whose keys hold the slots; behind the slots ---- */
#define CROWDS 4096
struct crowds {
	_Atomic uint32_t held[2][CROWDS]; /* by /24 or /64; by /48 */
	_Atomic uint64_t looked_ns;
	_Atomic uint32_t owner[]; /* of each slot of the keys' region; 0: nobody's */
};
size_t crowds_memory(uint64_t slots);
/* The /24 or /64; coarse: of an IPv6 address the /48. */
struct in6_addr crowd_net(const struct in6_addr *from, bool coarse);
/* Its network holds an eighth of the table. */
bool crowd_is_full(struct buckets *t, uint32_t owner, uint64_t now_ns);
bool crowd_is_wide(struct buckets *t, uint32_t owner); /* and that network is its /48 */
void crowd_claim(struct buckets *t, const struct slot *s, uint32_t owner);
