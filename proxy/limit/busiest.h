/* busiest.h -- the busiest keys, for an operator. Part of limit's door. */
#pragma once
#include "base/text.h"

struct limits;
struct limit_hot; /* of one worker, in shared memory (64-byte aligned, zero at first) */
size_t limit_hot_memory(void);
/* From now on decisions are counted there; what a predecessor wrote is forgotten. */
void limits_watch(struct limits *l, struct limit_hot *hot);
/* The busiest keys of all those workers, as one JSON object: hashed, and with show also as they are where
 * that is known and no secret. False: out of memory or room. */
bool limits_print(const struct limits *l, const struct limit_hot *const *hot, size_t hot_len, bool show,
                  uint64_t now_ns, struct text *to);
/* Which limits have refused lately, and how often (halved every 10 s, the busiest keys only): a JSON list. */
bool limits_print_refusing(const struct limits *l, const struct limit_hot *const *hot, size_t hot_len,
                           uint64_t now_ns, struct text *to);
