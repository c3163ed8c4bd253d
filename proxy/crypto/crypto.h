/* crypto.h -- digests, keys derived from a secret, and values that are sealed; all by OpenSSL. hash.h,
 * fleet_key.h and seal.h are parts of this door. */
#pragma once
#include "crypto/fleet_key.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
