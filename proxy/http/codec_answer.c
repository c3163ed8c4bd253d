/* Reads an upstream's response head. */
#include "http/codec_fields.h"

/* version SP status SP reason CRLF (RFC 9112 section 4); the reason, and the space before it, may lack. */
static enum head_result read_line(struct head_scan *s, struct answer_head *to)
{
	const char *line = s->at;
	uint64_t status;

	if (s->end - line < 12)
		return head_line_bad(s, line);
	unsigned version = head_version(line);
	if (version < 10 || line[8] != ' ' || !slice_u64((struct slice){ line + 9, 3 }, &status) ||
	    status < 100 || status > 999)
		return head_line_bad(s, line);
	const char *p = line + 12;
	if (p < s->end && *p == ' ')
		p = char_value_run(p, s->end);
	to->version = (uint8_t)version;
	to->status = (uint16_t)status;
	return head_line_end(s, line, p);
}

/* One length, however often it is said; false where the fields disagree (RFC 9112 section 6.3). */
static bool fold_lengths(struct answer_head *to)
{
	for (uint16_t i = 0; i < to->headers.len; i++) {
		struct slice list = to->headers.at[i].value;
		if (to->headers.at[i].id != HEADER_CONTENT_LENGTH)
			continue;
		do {
			uint64_t length;
			bool more = slice_find(list, ',') < list.len;
			if (!header_length(slice_trim(slice_cut(&list, ',')), &length) || (more && !list.len))
				return false;
			if (to->has_length && length != to->length)
				return false;
			to->has_length = true;
			to->length = length;
		} while (list.len);
	}
	return true;
}

static bool set_framing(struct answer_head *to, const struct head_scan *s)
{
	bool coded = head_has(s->seen, HEADER_TRANSFER_ENCODING);
	bool sized = head_has(s->seen, HEADER_CONTENT_LENGTH);

	if (!coded)
		return !sized || fold_lengths(to);
	struct slice coding = headers_find(&to->headers, HEADER_TRANSFER_ENCODING)->value;
	to->chunked = slice_same_nocase(coding, S("chunked"));
	return to->chunked && !sized && to->version == 11 && !head_has(s->twice, HEADER_TRANSFER_ENCODING);
}

/* Answers that have no body but announce one may be followed by bytes that nobody asked for. */
static bool lies(const struct answer_head *to)
{
	return (to->status < 200 || to->status == 204) && (to->chunked || to->length);
}

static void set_keep(struct answer_head *to, const struct head_scan *s)
{
	struct head_connection words = { 0 };

	if (head_has(s->seen, HEADER_CONNECTION))
		words = head_connection(&to->headers);
	to->keep = !words.close && (to->version == 11 || words.keep_alive) && to->status != 101 && !lies(to) &&
	           answer_body(to) != BODY_UNTIL_CLOSE;
}

enum head_result head_read_answer(struct slice bytes, const struct head_bounds *b, size_t *seen,
                                  bool to_head_request, struct answer_head *to, size_t *len)
{
	struct head_scan s;
	enum head_result result = head_begin(bytes, b, seen, &s);

	*to = (struct answer_head){ .headers = { .at = to->headers.at, .cap = to->headers.cap } };
	if (result == HEAD_DONE)
		result = read_line(&s, to);
	if (result == HEAD_DONE)
		result = head_fields(&s, &to->headers, b->fields_max);
	to->too_big = s.full || (result == HEAD_MORE && bytes.len >= b->head_max);
	if (to->too_big)
		return HEAD_BAD;
	if (result != HEAD_DONE)
		return result;
	to->no_body = to_head_request || to->status < 200 || to->status == 204 || to->status == 304;
	if (!set_framing(to, &s))
		return HEAD_BAD;
	set_keep(to, &s);
	*len = (size_t)(s.at - bytes.at);
	return HEAD_DONE;
}
