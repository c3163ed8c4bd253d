/* secret.h -- bytes that must never be printed. The log and text functions take slices, so a secret
 * does not fit.
 * Whoever holds one calls secret_wipe when done. */
#pragma once
#include "base/slice.h"

struct secret {
	unsigned char *bytes; /* owned by the holder */
	size_t len;
};

/* Constant time in the length of b. */
bool secret_same(struct slice a, struct slice b);
void secret_wipe(void *at, size_t len);
