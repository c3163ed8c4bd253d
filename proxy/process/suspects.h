/* suspects.h -- who was being served when a process died, and who is therefore kept out for a while.
 *
 * A worker keeps the addresses of requests in flight in its seat; after a crash the supervisor reads them. An
 * address seen in two crashes is barred. Strangers choose the addresses, so the tables are bounded and hashed
 * under a secret key; an address that finds no room is not noted. */
#pragma once
#include "base/siphash.h"
#include <netinet/in.h>
#include <stdatomic.h>

enum { SUSPECTS_MAX = 4096, SUSPECTS_PROBES = 16, BARRED_MAX = 256, BLAMED_MAX = 1024 };

struct suspects {                 /* in shared memory; written by one worker */
	struct siphash_key key;
	struct suspect { struct in6_addr address; uint32_t in_flight; } at[SUSPECTS_MAX];
};

/* At the start of a worker: forgets its predecessor's. */
void suspects_reset(struct suspects *s, struct siphash_key key);
void suspects_note(struct suspects *s, const struct in6_addr *address, bool begins);

struct barred {                   /* in shared memory; written by the supervisor */
	_Atomic uint32_t len;         /* entries ever used: 0 makes the common case one load */
	struct bar { _Atomic uint64_t until_ns, high, low; } at[BARRED_MAX];
};

bool barred_has(const struct barred *b, const struct in6_addr *address, uint64_t now_ns);
/* The bar that ends first gives way where all are taken. */
void barred_add(struct barred *b, const struct in6_addr *address, uint64_t until_ns);

#define BLAME_NS (600 * NS_PER_S) /* how long a crash is remembered, and how long a bar lasts */

struct blame {                    /* in the supervisor */
	struct blamed { struct in6_addr address; uint64_t at_ns, crash; } at[BLAMED_MAX];
	size_t len;
	uint64_t crashes;             /* the last one's number: two may be found at the same moment */
};

/* A crash at now_ns left these suspects: bars those of an earlier crash; returns how many. */
unsigned blame_crash(struct blame *b, const struct suspects *s, struct barred *bars, uint64_t now_ns);
