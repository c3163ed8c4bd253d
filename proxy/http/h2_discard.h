/* h2_discard.h -- streams that are answered and still sending: what is left of their bodies is discarded for
 * a while, then they are reset. Private to http/. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define H2_RESTS_MOST 8 /* such streams of one connection, before the oldest is reset */

struct h2;
struct h2_rest {
	int32_t id;
	uint32_t left; /* bytes still discarded */
	uint64_t until_ns;
};

void h2_rest_add(struct h2 *h, int32_t id);
void h2_rest_data(struct h2 *h, int32_t id, size_t len); /* discards it; of dead streams too */
void h2_rest_forget(struct h2 *h, int32_t id);           /* the stream is closed */
uint64_t h2_rest_until(const struct h2 *h);              /* UINT64_MAX: there are none */
void h2_rest_sweep(struct h2 *h);                        /* resets those whose time is over */
