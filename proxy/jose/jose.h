/* jose.h -- signed tokens and the keys that verify them (RFC 7515, 7517, 7518, 7519, 8725): pure, without a
 * clock or a socket.
 *
 * jwt.h takes a token apart, claims.h says what it claims, key.h verifies its signature, keyset.h reads an
 * issuer's keys. Each is part of this door. */
#pragma once
#include "jose/claims.h"
#include "jose/jwt.h"
#include "jose/key.h"
#include "jose/keyset.h"
