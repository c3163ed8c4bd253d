/* h2_past.h -- which of a client's streams are over, and how: what follows on them is an error (RFC 9113
 * sections 5.1 and 5.1.1), but for what was under way when we reset one. Private to http/.
 *
 * Exact for the last 64 streams; of older ones the highest that we reset is known, and what comes on that one
 * and below is discarded. */
#pragma once
#include <stdint.h>

struct h2_past {
	int32_t highest; /* stream that was opened; 0: none */
	int32_t bound;   /* older streams up to this one may have been reset by us */
	uint64_t opened; /* bit n: the stream `highest` - 2 n was opened */
	uint64_t reset;  /* bit n: that stream was reset by us before its peer had ended it */
};

void h2_past_open(struct h2_past *p, int32_t id);  /* higher than all before */
void h2_past_reset(struct h2_past *p, int32_t id); /* by us */
/* What a HEADERS or DATA frame is on a stream up to the highest that is not there (any more): an HTTP/2 error
 * code that ends the connection, or 0 where it is discarded. */
uint32_t h2_past_error(const struct h2_past *p, int32_t id);
