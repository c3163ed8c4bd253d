/* trace.c -- the trace that a request belongs to (W3C Trace Context, version 00): 00-ID-SPAN-FLAGS. */
#include "request/request.h"
#include "base/text.h"

#define ID_AT 3 /* 32 hex digits */
#define ID_LEN 32
#define SPAN_AT 36  /* 16 hex digits */
#define FLAGS_AT 53 /* 2 hex digits */
#define TRACE_LEN 55

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void request_adopt_trace(struct request *r)
{
	const struct header *h = headers_find(&r->headers, HEADER_TRACEPARENT);
	bool any = false;

	if (!h || h->value.len != TRACE_LEN || !slice_starts(h->value, S("00-")) ||
	    h->value.at[SPAN_AT - 1] != '-' || h->value.at[FLAGS_AT - 1] != '-')
		return;
	for (size_t i = ID_AT; i < TRACE_LEN; i++) {
		char c = h->value.at[i];
		if (i != SPAN_AT - 1 && i != FLAGS_AT - 1 && !is_hex(c))
			return;
		any |= i < SPAN_AT - 1 && c != '0';
	}
	if (any)
		memcpy(r->id, h->value.at + ID_AT, ID_LEN);
}

const struct header *request_traced(const struct request *r)
{
	const struct header *got = headers_find(&r->headers, HEADER_TRACEPARENT);

	return got && got->value.len == TRACE_LEN &&
	               slice_same(slice_head(slice_from(got->value, ID_AT), ID_LEN), slice_of(r->id))
	           ? got
	           : NULL;
}

void request_trace(const struct request *r, struct text *to)
{
	const struct header *got = request_traced(r);

	text_add(to, S("00-"));
	text_add(to, (struct slice){ r->id, sizeof r->id - 1 });
	text_char(to, '-');
	text_add(to, (struct slice){ r->span, sizeof r->span - 1 });
	text_char(to, '-');
	text_add(to, got ? slice_from(got->value, FLAGS_AT) : S("01"));
}
