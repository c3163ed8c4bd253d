/* hot.h -- the keys that a worker decides most often, in its part of shared memory. Private to limit/.
 *
 * Space-Saving (Metwally, Agrawal, El Abbadi 2005) in sets of eight: a key takes the place of the least
 * decided one of its set and inherits its count as an error, so that a count is never too low, and too high
 * by at most the error. Counts are halved every HOT_HALF_NS, so that "often" means lately. A decision costs
 * one look at a set. Strangers who make up keys only push each other out: a key that has more than its share
 * of the set's decisions stays.
 *
 * One process writes, others read: a reader that finds the same tag before and after has read one key's
 * facts. The printable key lies here only while the key does, and is written only once the key came twice (or
 * found a free place), so that a flood of made-up keys is not worth printing. */
#pragma once
#include "base/text.h"
#include "limit/limit.h"
#include <stdatomic.h>

#define HOT_SETS 32
#define HOT_WAYS 8
#define HOT_TEXT 112 /* bytes of a printable key; a longer one is shown by its hash alone */
#define HOT_HALF_NS (10 * NS_PER_S)

struct hot_fact {
	_Atomic uint64_t limit; /* hash of its name */
	_Atomic uint64_t name;  /* second half of its name in Redis, where it has one; of what is printed */
	_Atomic uint32_t refused;
	_Atomic uint8_t by;       /* enum limit_by */
	_Atomic uint8_t text_len; /* set last; 0: not printed yet */
	char text[HOT_TEXT];
};

struct limit_hot {
	_Atomic uint64_t tag[HOT_SETS][HOT_WAYS]; /* 0: free, or being changed */
	_Atomic uint32_t seen[HOT_SETS][HOT_WAYS], error[HOT_SETS][HOT_WAYS];
	_Atomic uint32_t age[HOT_SETS]; /* of the set's counts, in half-lives of the clock */
	struct hot_fact fact[HOT_SETS][HOT_WAYS];
};

/* Counts a decision. Where the key should be printed now: its facts, for hot_print; else NULL. */
struct hot_fact *hot_note(struct limit_hot *h, uint64_t tag, uint64_t limit, bool refused, unsigned by,
                          uint64_t now_ns);
void hot_fetch(const struct limit_hot *h, uint64_t tag); /* it will be noted in a moment */
void hot_print(struct hot_fact *f, struct slice text, uint64_t name);
/* The second half of the key's name. False: it is not here, or not printed yet. */
bool hot_find(const struct limit_hot *h, uint64_t tag, uint64_t *name);

/* What a reader copies. */
struct hot_key {
	uint64_t tag, limit, seen, refused; /* seen: at least so many decisions lately */
	unsigned by;
	size_t text_len; /* 0: not printed */
	char text[HOT_TEXT];
};
/* At most HOT_SETS * HOT_WAYS. */
size_t hot_read(const struct limit_hot *h, uint64_t now_ns, struct hot_key *to);
