/* keyset.h -- an issuer's public keys (RFC 7517 section 5). Immutable but for the keys' prepared contexts.
 * Part of jose's door.
 *
 * Keys that cannot verify signatures are skipped. A set that is empty then, unreadable or beyond its bounds
 * is an error, never a revocation of everything. */
#pragma once
#include "jose/key.h"

#define KEYSET_BYTES_MAX (64 * 1024)
#define KEYSET_KEYS_MAX 64

struct keyset {
	size_t len;
	struct jwk at[KEYSET_KEYS_MAX];
};

/* NULL: *why is a sentence part. Freed by keyset_free. */
struct keyset *keyset_read(struct slice jwks, const char **why) __attribute__((warn_unused_result));
void keyset_free(struct keyset *s);

/* The checked "keys" array of a JWKS document, a new reference; NULL: *why. */
json_t *keyset_array(struct slice jwks, const char **why) __attribute__((warn_unused_result));

bool keyset_has_kid(const struct keyset *s, struct slice kid);
