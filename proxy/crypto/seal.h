/* seal.h -- what is left with somebody who must learn nothing from it and can forge nothing: a value in the
 * fleet's Redis. Part of crypto's door.
 *
 * A name becomes HMAC-SHA256 of it, so that nobody can look whether a token that he knows is there. A value
 * is sealed with AES-256-GCM under a fresh nonce, with its name as associated data, so that it cannot be
 * read, changed, or put under another name. Both keys are derived from the fleet's newest secret
 * (HKDF-SHA256). */
#pragma once
#include "crypto/hash.h"

#define SEAL_NAME_LEN (2 * SHA256_LEN) /* hex */
#define SEAL_OVERHEAD (12 + 16)        /* nonce, tag */

struct seal {
	unsigned char name_key[SHA256_LEN], value_key[SHA256_LEN];
	bool ready;
};

/* label: what it is used for. Not ready where there is no secret. */
void seal_open(struct seal *s, struct slice secret, const char *label);
void seal_close(struct seal *s);

bool seal_name(const struct seal *s, struct slice of, char to[SEAL_NAME_LEN])
    __attribute__((warn_unused_result));
/* to: value.len + SEAL_OVERHEAD bytes. */
bool seal_value(const struct seal *s, struct slice name, struct slice value, char *to)
    __attribute__((warn_unused_result));
/* to: sealed.len bytes. False: we did not seal it, or it was changed, or it stood under another name. */
bool unseal_value(const struct seal *s, struct slice name, struct slice sealed, char *to, size_t *len)
    __attribute__((warn_unused_result));
