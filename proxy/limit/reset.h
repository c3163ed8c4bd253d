/* reset.h -- a key begins again. Part of limit's door.
 *
 * A machine's own bucket is simply full again. One in Redis is deleted there, after every machine of the
 * fleet has forgotten what it knows of the key: its highest time, leases, debt. Who forgot later would lift
 * the new bucket to the old time. So: a record tells all machines; LIMIT_RESET_NS later the key is
 * deleted; for that long and as long again nobody remembers what Redis says of it. */
#pragma once
#include "base/clock.h"
#include "base/text.h"
#include <stdatomic.h>

struct limits;
struct limit_hot;

#define LIMIT_RESETS 64
#define LIMIT_NAME 32   /* hex digits of a key's name in Redis, behind rl: in braces */
#define LIMIT_RECORD 96 /* bytes of a record at most */
#define LIMIT_RESET_NS (700 * NS_PER_MS)
struct limit_resets {       /* written by the keeper, read by workers; zero at first */
	_Atomic uint64_t count; /* ever made; the last ones lie at their number % LIMIT_RESETS */
	_Atomic uint64_t tag[LIMIT_RESETS];
};
struct limit_reset {
	bool fleet;
	uint64_t tag;
	char name[LIMIT_NAME];
}; /* name: where fleet */
/* words: LIMIT #HASH, or LIMIT and a word for each part of its key as `show` gives them; they are decoded in
 * place. `to` becomes a JSON object with what the bucket held. A bucket of this machine is full again; one of
 * the fleet (what->fleet) still has to be reset. A hash stands for a fleet's key only while it is among the
 * busiest. False: `to` says why not. */
bool limits_reset(struct limits *l, const struct limit_hot *const *hot, size_t hot_len, struct slice words,
                  uint64_t now_ns, struct limit_reset *what, struct text *to);
/* "LIMIT WORDS" with what may be a secret as ?, for a log. */
void limits_reset_words(const struct limits *l, struct slice words, struct text *to);
bool limits_are_named(const struct limits *l); /* some are counted in Redis */
/* What machines tell each other: the name, the time (ms, of Redis) and a code made with the fleet's
 * secret. */
void limits_record(const struct limits *l, const char name[static LIMIT_NAME], uint64_t ms, struct text *to);
/* False: it is no record of this fleet. */
bool limits_record_read(const struct limits *l, struct slice record, uint64_t *tag, uint64_t *ms);
/* A worker forgets what is added there from now on. */
void limits_heed(struct limits *l, const struct limit_resets *resets);
void limit_resets_add(struct limit_resets *to, uint64_t tag);
