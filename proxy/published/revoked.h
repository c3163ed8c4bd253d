/* revoked.h -- what is revoked, as workers see it: a table that the keeper alone writes. Part of published's
 * door.
 *
 * An entry is a mark, a keyed hash of issuer, kind and value, and two times: until when it holds, and, for a
 * subject, before when a token must have been issued to be refused. Judged for every request, never cached.
 * An entry is added in place, its mark last; where entries are taken out, the other copy is filled and the
 * version, stored last, says which one counts. The table never evicts: it is full, and says so. */
#pragma once
#include "base/flip.h"
#include "base/siphash.h"
#include <stdatomic.h>
#include <stdbool.h>

#define REVOKED_MAX 16384 /* entries */
#define REVOKED_PLACES (2 * REVOKED_MAX)

enum revoked_kind { REVOKED_JTI, REVOKED_SUB, REVOKED_SID, REVOKED_KID, REVOKED_KINDS };
extern const char *const revoked_kind_names[REVOKED_KINDS];

struct revoked_entry {
	_Atomic uint64_t mark;  /* 0: free */
	_Atomic uint64_t times; /* seconds since 1970: until << 32 | before */
};

struct revoked_table {
	uint64_t k0, k1;          /* of the marks; made with the memory */
	_Atomic uint64_t used;    /* entries in force: 0 makes the common case one load */
	_Atomic uint64_t moved;   /* grows with every change */
	_Atomic uint64_t version; /* copy[version & 1] counts */
	_Atomic uint64_t opened;  /* by how many keepers so far */
	_Atomic uint64_t lost;    /* the first of them found a list that was not whole: enum of revoke.h */
	struct revoked_entry copy[2][REVOKED_PLACES];
};

struct revoked_marks {
	uint64_t of[REVOKED_KINDS]; /* 0: the token has none of that kind */
	uint64_t issued_s;          /* 0: not said */
};

/* Never 0. issuer: its name in the configuration. */
uint64_t revoked_mark(const struct revoked_table *t, struct slice issuer, enum revoked_kind kind,
                      struct slice value);
bool revoked_has(const struct revoked_table *t, const struct revoked_marks *m, uint64_t wall_s);

/* ---- the keeper's ---- */
static inline uint64_t revoked_times(uint64_t until_s, uint64_t before_s)
{
	return until_s << 32 | (before_s & UINT32_MAX);
}
/* Adds one, or changes the times of the one that is there. False: full. */
bool revoked_put(struct revoked_table *t, uint64_t mark, uint64_t times) __attribute__((warn_unused_result));
/* Keeps those for which `stays` says so. */
void revoked_sift(struct revoked_table *t, bool (*stays)(void *with, uint64_t mark, uint64_t times),
                  void *with);
