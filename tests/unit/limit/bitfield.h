/* bitfield.h -- BITFIELD on one unsigned 63-bit field, as Redis executes it: for tests without a server. */
#pragma once
#include "base/check.h"
#include "limit/redis_bucket.h"

struct field {
	uint64_t value, second, expires_ms; /* second: u63 #1 */
	bool exists;
};

void field_execute(struct field *f, const struct slice *word, size_t len, struct limit_reply *to);

void field_expire(struct field *f, const struct slice *word, uint64_t now_ms);
