/* fleet_key.h -- the keys that workers need of the fleet's newest secret, one for each purpose. Part of
 * crypto's door.
 *
 * The child that validates a configuration derives them and puts them beside it; a worker finds them there
 * and never sees the secret. Whoever loads a configuration with its secrets derives them itself. */
#pragma once
#include "config/config.h"

enum fleet_key { FLEET_KEY_LIMITS, FLEET_KEY_EXCHANGES, FLEET_KEY_LOG, FLEET_KEY_GUARD, FLEET_KEYS };

/* Writes the key's `len` bytes. False: there is no secret of the fleet. */
bool fleet_key(const struct config *c, enum fleet_key which, void *to, size_t len)
    __attribute__((warn_unused_result));
/* Puts all of them into the bundle; none where there is no secret. False: OpenSSL does not make them. */
bool fleet_keys_put(const struct config *c, struct bundle *b) __attribute__((warn_unused_result));
