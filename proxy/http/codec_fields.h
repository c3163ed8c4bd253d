/* codec_fields.h -- what the heads of requests and answers have in common. Private to http/.
 *
 * A line is judged when its LF is there, and the bytes in order: whatever pieces a head comes in, the verdict
 * is the same, and only a new LF makes a second look worthwhile. */
#pragma once
#include "http/codec.h"

struct head_scan {
	const char *at, *end; /* not read yet */
	uint64_t seen, twice; /* bits of header ids: there; there more than once */
	bool full;            /* after HEAD_BAD: too many fields */
	bool odd_name;        /* a name is not header_is_plain */
};

/* What of `bytes` a reader may look at. HEAD_MORE where a look is in vain: nothing new ended a line,
 * and more may come. */
enum head_result head_begin(struct slice bytes, const struct head_bounds *b, size_t *seen,
                            struct head_scan *to);
/* The line that starts at `line` is wrong: HEAD_BAD, or HEAD_MORE while it has no end. */
enum head_result head_line_bad(const struct head_scan *s, const char *line);
/* CR LF at `p`; HEAD_MORE where it is cut off. */
enum head_result head_line_end(struct head_scan *s, const char *line, const char *p);
/* name ":" OWS value OWS CRLF (RFC 9112 section 5): no space before the colon, no folding. */
enum head_result head_field(struct head_scan *s, struct headers *to, uint16_t fields_max);
/* Fields up to and with the blank line. */
enum head_result head_fields(struct head_scan *s, struct headers *to, uint16_t fields_max);

static inline bool head_has(uint64_t bits, enum header_id id)
{
	return (bits >> id & 1) != 0;
}

/* "HTTP/1.1" to 11, "HTTP/1.0" to 10; other versions of HTTP 1; 0: not a version. */
unsigned head_version(const char eight[static 8]);

/* Words of the Connection fields. */
struct head_connection {
	bool close, keep_alive, upgrade;
};
struct head_connection head_connection(const struct headers *h);
