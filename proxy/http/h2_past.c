/* Remembers how streams ended. */
#include "http/h2_past.h"
#include <nghttp2/nghttp2.h>

#define KEPT 64 /* bits */

static uint32_t age(const struct h2_past *p, int32_t id)
{
	return (uint32_t)(p->highest - id) / 2;
}

void h2_past_open(struct h2_past *p, int32_t id)
{
	uint32_t by = (uint32_t)(id - p->highest + 1) / 2; /* the first one: from 0 to an odd number */
	uint64_t lost = by < KEPT ? p->reset & ~(UINT64_MAX >> by) : p->reset;

	if (lost)
		p->bound = p->highest - 2 * __builtin_ctzll(lost);
	p->opened = (by < KEPT ? p->opened << by : 0) | 1;
	p->reset = by < KEPT ? p->reset << by : 0;
	p->highest = id;
}

void h2_past_reset(struct h2_past *p, int32_t id)
{
	if (id > p->highest)
		return;
	if (age(p, id) < KEPT)
		p->reset |= UINT64_C(1) << age(p, id);
	else if (id > p->bound)
		p->bound = id;
}

uint32_t h2_past_error(const struct h2_past *p, int32_t id)
{
	uint32_t n = age(p, id);

	if (n >= KEPT)
		return id <= p->bound ? 0 : NGHTTP2_STREAM_CLOSED;
	if (p->reset >> n & 1)
		return 0;
	return p->opened >> n & 1 ? NGHTTP2_STREAM_CLOSED : NGHTTP2_PROTOCOL_ERROR;
}
