/* codec.h -- HTTP/1.1 messages as bytes (RFC 9112): strict readers that touch no socket. Part of http's door.
 * Whatever two parsers could read differently is refused, not repaired. */
#pragma once
#include "request/request.h"

enum head_result { HEAD_MORE, HEAD_DONE, HEAD_BAD };

struct head_bounds {
	size_t head_max, target_max;
	uint16_t fields_max;
};

/* A request head from the first byte. HEAD_DONE: *len bytes were it, incl. the blank line; method, target,
 * version and headers are set as slices INTO `bytes`; r->headers.at must have room for fields_max. Sets
 * has_body (framed at all; Content-Length: 0 is a body of no bytes), chunked, content_length,
 * upgrade_websocket (all but the route's leave; with a body of no bytes at most) and client_close;
 * expects_continue comes with request_check.
 * One empty line before the request line is allowed. HEAD_BAD: *why; what could be read of method, target and
 * headers is set, the rest is empty, all within `bytes`; an unreadable version is 11.
 * Resumable cheaply: *seen (start 0) remembers how far the search for a new line got. The same bytes in
 * other pieces give the same verdict: a line is judged when its LF has come, and nothing beyond head_max is
 * read. */
enum head_result head_read_request(struct slice bytes, const struct head_bounds *b, size_t *seen,
                                   struct request *r, size_t *len, enum fault *why);

struct answer_head { /* an upstream's response head */
	uint16_t status;
	uint8_t version;                /* 10, 11 */
	struct headers headers;         /* at: room given by the caller */
	bool chunked, has_length, keep; /* keep: the connection may be used again */
	bool no_body;                   /* by method or status */
	bool too_big;                   /* HEAD_BAD for its length or for the number of its fields */
	uint64_t length;
};
/* As above. Interim (1xx) heads come like others. Repeated equal lengths are folded into one. */
enum head_result head_read_answer(struct slice bytes, const struct head_bounds *b, size_t *seen,
                                  bool to_head_request, struct answer_head *to, size_t *len);

/* Message bodies. */
enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };
static inline enum body_kind answer_body(const struct answer_head *a)
{
	if (a->no_body)
		return BODY_NONE;
	return a->chunked ? BODY_CHUNKED : a->has_length ? BODY_LENGTH : BODY_UNTIL_CLOSE;
}
struct body {
	enum body_kind kind;
	uint64_t left; /* of the length, or of this chunk */
	uint8_t state;
	uint32_t extension_len; /* bytes of extensions seen in this message; bounded (1 KiB) */
	bool ended;
	uint16_t trailer_len;
	char trailer[1024]; /* last: the trailer section, gathered; over that it is bad. Freed with its holder */
};
void body_init(struct body *b, enum body_kind kind, uint64_t length);
/* Takes framing off: looks at *from, advances it past what it consumed, and returns the next run of content
 * (may be empty), which lies inside *from. False: malformed, now and ever after. Where it returns no content,
 * *from is used up or the body has ended; b->ended: *from is at the next message. BODY_UNTIL_CLOSE never ends
 * by itself. */
bool body_decode(struct body *b, struct slice *from, struct slice *content);
bool body_is_broken(const struct body *b);
/* The trailer fields after b->ended, as slices into b->trailer; those of header_is_vouched are left out.
 * False: more than `to` takes. Forbidden ones (header_is_trailer) are refused by body_decode already. */
bool body_trailers(const struct body *b, struct headers *to);

/* A chunk's header "1a2b\r\n" into to (18 bytes); returns its length. */
size_t chunk_head(size_t len, char to[static 18]);

/* "HTTP/1.1 200 OK\r\n" reason phrase; empty for unknown. */
struct slice status_phrase(unsigned status);
