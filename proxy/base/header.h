/* header.h -- the names of the header fields that the proxy itself looks at, and what kind each is. A row of
 * headers.def is one of them: HEADER(id, "lower-case name", kind). Every rule about which fields are passed
 * on, written by the proxy or refused goes by the kind. */
#pragma once
#include "base/slice.h"

enum header_id {
	HEADER_OTHER,
#define HEADER(id, name, kind) HEADER_##id,
#include "base/headers.def"
#undef HEADER
	HEADER_IDS
};

/* Bits, so that a rule can name several. Whatever is in no row is end to end. */
enum header_kind {
	FIELD_END = 0,        /* end to end: passed on as it is */
	FIELD_CONNECTION = 1, /* of an HTTP/1.1 connection: not passed on, malformed in HTTP/2 (RFC 9113 8.2.2) */
	FIELD_HOP = 2,        /* for the next hop alone (RFC 9110 section 7.6.1): not passed on */
	FIELD_FRAMING = 4,    /* the message's length and destination: the proxy writes its own */
	FIELD_TRAILER = 8,    /* announces trailers: passed on where trailers are */
	FIELD_OURS = 16,      /* each proxy writes its own behind what came */
	FIELD_CREDENTIAL = 32, /* who asks; Connection cannot name it away */
	FIELD_FORWARDED = 64,  /* what proxies say of the client: only a trusted proxy's counts */
	FIELD_OVERRIDE = 128,  /* some servers take another target, host, method or address from it */
};

/* By name, any case. */
enum header_id header_id(struct slice name);
extern const struct slice header_names[HEADER_IDS];
extern const uint8_t header_kinds[HEADER_IDS];

/* Is the field of one of these kinds (FIELD_A | FIELD_B)? */
static inline bool header_is(unsigned id, unsigned kinds)
{
	return (header_kinds[id] & kinds) != 0;
}
