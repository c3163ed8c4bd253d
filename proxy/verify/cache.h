/* cache.h -- signatures that this worker has checked already.
 *
 * A verdict is "this token's signature is valid under that key, and these are its claims"; nothing that
 * depends on time or route is remembered. It is found by SHA-256 of the token, the issuer and the generation
 * of the issuer's keys, all of them compared in full. Fixed memory, taken at open: records of 1 KiB in sets
 * of 8, the least recently used of a set goes. Claims that do not fit are not remembered. Bad signatures live
 * in a table of their own for 10 s, so that garbage cannot drive out the good. */
#pragma once
#include "crypto/crypto.h"
#include "jose/jose.h"

#define CACHE_WAYS 8
#define CACHE_REFUSED_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct cache_name {
	unsigned char token[SHA256_LEN];
	uint64_t generation; /* of the issuer's keys; never used twice on this machine */
	uint16_t issuer;     /* index in this worker's configuration, which never changes */
	uint16_t key;        /* index in the key set of that generation; not compared: it follows from the rest */
};

struct cache;
struct cache *cache_open(size_t verdicts); /* at least CACHE_WAYS; NULL: no memory */
void cache_close(struct cache *c);

/* NULL where unknown. Valid until the next put. *key: the index it was remembered with. */
const struct claims *cache_find(struct cache *c, const struct cache_name *name, uint16_t *key);
void cache_put(struct cache *c, const struct cache_name *name, const struct claims *claims);

bool cache_is_refused(const struct cache *c, const struct cache_name *name, uint64_t now_ns);
void cache_refuse(struct cache *c, const struct cache_name *name, uint64_t now_ns);
