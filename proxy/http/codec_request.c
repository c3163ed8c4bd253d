/* Reads a request head. */
#include "http/codec_fields.h"

#define TLS_HANDSHAKE 22 /* the first byte of a client that speaks TLS (RFC 8446 section 5.1) */

/* The window ended before the head did, and no more than it will be looked at. */
static enum fault too_long(struct slice window, size_t target_max)
{
	size_t space = slice_find(window, ' ');

	if (slice_find(window, '\n') == window.len && window.len - space > target_max)
		return FAULT_TARGET_TOO_LONG;
	return FAULT_HEAD_TOO_BIG;
}

/* method SP target SP version CRLF (RFC 9112 section 3). */
static enum head_result read_line(struct head_scan *s, struct request *r, size_t target_max, enum fault *why)
{
	const char *line = s->at, *space = char_token_run(line, s->end), *target, *p;

	*why = line < s->end && *line == TLS_HANDSHAKE ? FAULT_HTTP_EXPECTED : FAULT_BAD_REQUEST;
	if (space == line || space == s->end || *space != ' ')
		return head_line_bad(s, line);
	target = space + 1;
	p = memchr(target, ' ', (size_t)(s->end - target));
	if (!p || p == target || s->end - p < 11 || char_value_run(target, p) != p)
		return head_line_bad(s, line);
	unsigned version = head_version(p + 1);
	if (version == 0 || head_line_end(s, line, p + 9) != HEAD_DONE)
		return head_line_bad(s, line);
	r->method = (struct slice){ line, (size_t)(space - line) };
	r->target = (struct slice){ target, (size_t)(p - target) };
	r->version = (uint8_t)version;
	*why = version == 1 ? FAULT_BAD_VERSION : r->target.len > target_max ? FAULT_TARGET_TOO_LONG : FAULT_NONE;
	return *why == FAULT_NONE ? HEAD_DONE : HEAD_BAD;
}

/* A well-formed list of codings that ends in chunked is only unknown to us; all else is ambiguous. */
static enum fault judge_codings(struct slice codings)
{
	struct slice rest = codings, last = codings;
	unsigned count = 0, chunked = 0;

	for (; rest.len; count++) {
		last = slice_trim(slice_cut(&rest, ','));
		if (!header_is_name(last))
			return FAULT_BAD_FRAMING;
		chunked += slice_same_nocase(last, S("chunked"));
	}
	if (chunked > 1 || (chunked && (count == 1 || !slice_same_nocase(last, S("chunked")))))
		return FAULT_BAD_FRAMING; /* "chunked," is a list of one to some */
	return count ? FAULT_BAD_CODING : FAULT_BAD_FRAMING;
}

/* RFC 9112 section 6. */
static enum fault set_framing(struct request *r, const struct head_scan *s)
{
	bool coded = head_has(s->seen, HEADER_TRANSFER_ENCODING);
	bool sized = head_has(s->seen, HEADER_CONTENT_LENGTH);

	if (!coded && !sized)
		return FAULT_NONE;
	if ((coded && sized) || head_has(s->twice, HEADER_TRANSFER_ENCODING) ||
	    head_has(s->twice, HEADER_CONTENT_LENGTH) || (coded && r->version == 10))
		return FAULT_BAD_FRAMING;
	r->has_body = true;
	if (sized)
		return header_length(headers_find(&r->headers, HEADER_CONTENT_LENGTH)->value, &r->content_length)
		           ? FAULT_NONE
		           : FAULT_BAD_FRAMING;
	struct slice coding = headers_find(&r->headers, HEADER_TRANSFER_ENCODING)->value;
	r->chunked = slice_same_nocase(coding, S("chunked"));
	return r->chunked ? FAULT_NONE : judge_codings(coding);
}

static void set_connection(struct request *r, const struct head_scan *s)
{
	struct head_connection words = { 0 };

	if (head_has(s->seen, HEADER_CONNECTION))
		words = head_connection(&r->headers);
	r->client_close = words.close || (r->version == 10 && !words.keep_alive);
	bool empty = !r->has_body || (!r->chunked && r->content_length == 0);
	r->upgrade_websocket =
	    words.upgrade && r->version == 11 && empty && slice_same(r->method, S("GET")) &&
	    head_has(s->seen, HEADER_UPGRADE) && !head_has(s->twice, HEADER_UPGRADE) &&
	    !head_has(s->twice, HEADER_SEC_WEBSOCKET_KEY) && /* RFC 6455 section 11.3.1 */
	    slice_same_nocase(headers_find(&r->headers, HEADER_UPGRADE)->value, S("websocket"));
}

static void forget(struct request *r, struct slice bytes)
{
	r->method = r->target = slice_head(bytes, 0);
	r->version = 11;
	r->headers.len = 0;
	r->has_body = r->chunked = r->client_close = r->upgrade_websocket = r->odd_name = false;
	r->content_length = 0;
}

static enum head_result read_head(struct head_scan *s, const struct head_bounds *b, struct request *r,
                                  enum fault *why)
{
	if (s->end - s->at >= 2 && s->at[0] == '\r' && s->at[1] == '\n')
		s->at += 2; /* RFC 9112 section 2.2: left over from a body */
	enum head_result result = read_line(s, r, b->target_max, why);
	if (result != HEAD_DONE)
		return result;
	result = head_fields(s, &r->headers, b->fields_max);
	*why = s->full ? FAULT_HEAD_TOO_BIG : FAULT_BAD_REQUEST;
	if (result != HEAD_DONE)
		return result;
	r->odd_name = s->odd_name;
	*why = set_framing(r, s);
	set_connection(r, s);
	return *why == FAULT_NONE ? HEAD_DONE : HEAD_BAD;
}

enum head_result head_read_request(struct slice bytes, const struct head_bounds *b, size_t *seen,
                                   struct request *r, size_t *len, enum fault *why)
{
	struct head_scan s;
	enum head_result result = head_begin(bytes, b, seen, &s);

	forget(r, bytes);
	if (result == HEAD_DONE)
		result = read_head(&s, b, r, why);
	if (result == HEAD_MORE && bytes.len >= b->head_max) {
		*why = too_long(slice_head(bytes, b->head_max), b->target_max);
		return HEAD_BAD;
	}
	if (result == HEAD_DONE)
		*len = (size_t)(s.at - bytes.at);
	return result;
}
