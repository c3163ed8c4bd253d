/* ask.h -- a worker's question to the keeper, as a record of a ring. */
#pragma once
#include "base/ring.h"

enum { ASK_MAX = 1024 }; /* bytes of a record */

struct ask { struct slice issuer, kid; uint64_t token_iat_s; };

/* False: the ring is full, or the names are too long to be anybody's. */
bool ask_put(struct ring *r, struct slice issuer, struct slice kid, uint64_t token_iat_s);
/* The next one; its slices lie in `room`. False: there is none. Malformed ones are skipped. */
bool ask_take(struct ring *r, char room[static ASK_MAX], struct ask *to);
