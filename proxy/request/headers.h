/* headers.h -- header fields as slices into somebody's memory. Part of request's door. */
#pragma once
#include "base/arena.h"
#include "base/header.h"
#include "request/chars.h"
#include "request/path.h"

struct header {
	struct slice name, value; /* name as received (HTTP/2: lower case), value trimmed */
	uint16_t id;              /* enum header_id */
	bool dropped;             /* not sent on */
};

struct headers {
	struct header *at; /* room for `cap`, in an arena */
	uint16_t len, cap;
};

/* Adds; false where full. */
bool headers_add(struct headers *h, struct slice name, struct slice value);
bool headers_add_as(struct headers *h, enum header_id id, struct slice name, struct slice value);

/* The first one that is not dropped; NULL where there is none. Of a name that is in headers.def. */
struct header *headers_find(const struct headers *h, enum header_id id);
/* By any name, any case. */
struct header *headers_find_name(const struct headers *h, struct slice name);
size_t headers_count(const struct headers *h, enum header_id id);

/* A valid field name (RFC 9110 token) / value (no control but tab; RFC 9110 section 5.5). */
bool header_is_name(struct slice s);
bool header_is_value(struct slice s);

/* Does a comma-separated list hold the word (any case)? */
bool header_list_has(struct slice list, struct slice word);

/* Cuts the next cookie off a Cookie field: cookie-name "=" ( *cookie-octet / DQUOTE *cookie-octet DQUOTE )
 * (RFC 6265 section 4.1.1). name: empty where there is no '='; value: without the quotes. */
struct cookie {
	struct slice whole, name, value;
};
struct cookie cookie_cut(struct slice *rest);

/* A Content-Length: digits only, at most 19 of them, at most 2^63-1; otherwise false. */
bool header_length(struct slice value, uint64_t *to);
