/* siphash.h -- SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for tables that strangers can fill. */
#pragma once
#include "base/slice.h"

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash(struct siphash_key key, struct slice bytes);
