/* key.h -- what a limit counts by: the parts as they were configured, and a request's values for them.
 * Private to limit/. */
#pragma once
#include "request/request.h"

#define PIECE_MAX 64 /* bytes; a longer value goes into the key as its hash */

enum part_kind {
	PART_ADDRESS = 1,
	PART_PREFIX, /* of the address, which every request has */
	PART_SUBJECT,
	PART_CLIENT,
	PART_TENANT, /* of the token */
	PART_JA4,
	PART_ROUTE,
	PART_CLASS,
	PART_CERTIFICATE,
	PART_HEADER,
	PART_COOKIE,
	PART_FORM,
	PART_JSON, /* of a small body */
};

struct key_part {
	enum part_kind kind;
	struct prefix_bits bits;
	struct slice name; /* of a header, cookie or field */
	enum header_id id; /* of PART_HEADER */
};

/* A part's value, or the address where the request lacks it (kind PART_ADDRESS then). */
struct key_piece {
	enum part_kind kind;
	bool hashed;         /* value is the hash of a longer one */
	bool unreadable;     /* there is something in the body that may be it */
	struct slice issuer; /* of what a token says: its name in the configuration */
	struct slice value;
	struct in6_addr net;  /* what value is for PART_ADDRESS and PART_PREFIX, masked */
	char room[PIECE_MAX]; /* what value may lie in */
};

struct limit_key {
	struct key_piece at[KEY_PARTS_MAX];
	size_t len;
	bool unreadable;
};

static inline bool part_is_of_token(enum part_kind kind)
{
	return kind >= PART_SUBJECT && kind <= PART_TENANT;
}

static inline bool part_is_of_body(enum part_kind kind)
{
	return kind >= PART_FORM;
}

/* False: nothing can be counted by that word. */
bool part_read(struct slice word, struct key_part *to);
