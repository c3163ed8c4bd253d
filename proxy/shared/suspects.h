/* suspects.h -- whom a worker was working for when it died, and who is therefore kept out for a while.
 *
 * A worker says in its seat whose bytes it is working on; after a crash the supervisor reads it. An address
 * (of IPv6 its /64) suspected in two crashes is barred. Strangers choose the addresses, so the tables are
 * bounded. */
#pragma once
#include "base/clock.h"
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { BARRED_MAX = 256, BLAMED_MAX = 1024 };

struct suspect {            /* in shared memory; written by one worker */
	_Atomic uint32_t named; /* 0: nobody is */
	struct in6_addr address;
};

/* NULL: nobody's bytes are being worked on. */
void suspect_name(struct suspect *s, const struct in6_addr *address);

struct barred {           /* in shared memory; written by the supervisor */
	_Atomic uint32_t len; /* entries ever used: 0 makes the common case one load */
	struct bar {
		_Atomic uint64_t until_ns, high, low;
	} at[BARRED_MAX];
};

bool barred_has(const struct barred *b, const struct in6_addr *address, uint64_t now_ns);
/* The bar that ends first gives way where all are taken. */
void barred_add(struct barred *b, const struct in6_addr *address, uint64_t until_ns);

#define BLAME_NS (600 * NS_PER_S) /* how long a crash is remembered, and how long a bar lasts */

struct blame { /* in the supervisor */
	struct blamed {
		struct in6_addr address;
		uint64_t at_ns;
	} at[BLAMED_MAX];
	size_t len;
};

/* A crash at now_ns left this suspect: where it was one in an earlier crash it is barred. Was it? */
bool blame_crash(struct blame *b, const struct suspect *s, struct barred *bars, uint64_t now_ns,
                 struct in6_addr *whom);
