/* suspects.h -- which client a worker served when it crashed, and which clients are therefore blocked for a
 * while.
 *
 * A worker writes into its seat whose bytes it is working on; after a crash the supervisor reads that. An
 * address (of IPv6 its /64) suspected in two crashes is blocked. Clients choose their addresses, so the
 * tables are bounded. */
#pragma once
#include "base/clock.h"
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { BLOCKED_MAX = 256, CRASHES_MAX = 1024 };

struct suspect {            /* in shared memory; written by one worker */
	_Atomic uint32_t named; /* 0: nobody is */
	struct in6_addr address;
};

/* NULL: nobody's bytes are being worked on. */
void suspect_name(struct suspect *s, const struct in6_addr *address);

struct blocked {          /* in shared memory; written by the supervisor */
	_Atomic uint32_t len; /* entries ever used: 0 makes the common case one load */
	struct blocked_client {
		_Atomic uint64_t until_ns, high, low;
	} at[BLOCKED_MAX];
};

bool blocked_has(const struct blocked *b, const struct in6_addr *address, uint64_t now_ns);
/* The bar that ends first gives way where all are taken. */
void blocked_add(struct blocked *b, const struct in6_addr *address, uint64_t until_ns);

#define CRASH_NS (600 * NS_PER_S) /* how long a crash is remembered, and how long a bar lasts */

struct crashes { /* in the supervisor */
	struct crash {
		struct in6_addr address;
		uint64_t at_ns;
	} at[CRASHES_MAX];
	size_t len;
};

/* A crash at now_ns left this suspect: where it was one in an earlier crash it is blocked. Was it? */
bool crashes_attribute(struct crashes *b, const struct suspect *s, struct blocked *bars, uint64_t now_ns,
                       struct in6_addr *whom);
