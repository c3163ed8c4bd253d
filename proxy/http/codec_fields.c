/* Reads what the heads of requests and answers have in common. */
#include "http/codec_fields.h"

enum head_result head_begin(struct slice bytes, const struct head_bounds *b, size_t *seen,
                            struct head_scan *to)
{
	struct slice window = slice_head(bytes, b->head_max), fresh = slice_from(window, *seen);

	*to = (struct head_scan){ .at = window.at, .end = window.at + window.len };
	*seen = window.len;
	if (bytes.len >= b->head_max)
		return HEAD_DONE;
	return slice_find(fresh, '\n') < fresh.len ? HEAD_DONE : HEAD_MORE;
}

enum head_result head_line_bad(const struct head_scan *s, const char *line)
{
	struct slice rest = { line, (size_t)(s->end - line) };

	return slice_find(rest, '\n') < rest.len ? HEAD_BAD : HEAD_MORE;
}

enum head_result head_line_end(struct head_scan *s, const char *line, const char *p)
{
	if (s->end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return head_line_bad(s, line);
	s->at = p + 2;
	return HEAD_DONE;
}

static void note(struct head_scan *s, enum header_id id)
{
	uint64_t bit = UINT64_C(1) << id;

	s->twice |= s->seen & bit;
	s->seen |= bit;
}

enum head_result head_field(struct head_scan *s, struct headers *to, uint16_t fields_max)
{
	const char *line = s->at, *odd = char_plain_run(line, s->end), *colon = odd;

	if (odd < s->end && *odd != ':')
		colon = char_run(odd, s->end, CHAR_TOKEN);
	if (colon == line || colon == s->end || *colon != ':')
		return head_line_bad(s, line);
	const char *from = char_run(colon + 1, s->end, CHAR_SPACED), *p = char_value_run(from, s->end);
	enum head_result result = head_line_end(s, line, p);
	if (result != HEAD_DONE)
		return result;
	while (p > from && char_is(p[-1], CHAR_SPACED))
		p--;
	if (to->len >= fields_max || !headers_add(to, (struct slice){ line, (size_t)(colon - line) },
	                                          (struct slice){ from, (size_t)(p - from) })) {
		s->full = true;
		return HEAD_BAD;
	}
	s->odd_name |= colon != odd;
	note(s, (enum header_id)to->at[to->len - 1].id);
	return HEAD_DONE;
}

enum head_result head_fields(struct head_scan *s, struct headers *to, uint16_t fields_max)
{
	for (;;) {
		if (s->at < s->end && *s->at == '\r')
			return head_line_end(s, s->at, s->at);
		enum head_result result = head_field(s, to, fields_max);
		if (result != HEAD_DONE)
			return result;
	}
}

unsigned head_version(const char eight[static 8])
{
	if (memcmp(eight, "HTTP/", 5) != 0 || eight[6] != '.')
		return 0;
	if (eight[5] < '0' || eight[5] > '9' || eight[7] < '0' || eight[7] > '9')
		return 0;
	if (eight[5] != '1' || eight[7] > '1')
		return 1;
	return eight[7] == '1' ? 11 : 10;
}

struct head_connection head_connection(const struct headers *h)
{
	struct head_connection words = { 0 };

	for (uint16_t i = 0; i < h->len; i++) {
		struct slice list = h->at[i].id == HEADER_CONNECTION ? h->at[i].value : S("");
		while (list.len) {
			struct slice word = slice_trim(slice_cut(&list, ','));
			words.close |= slice_same_nocase(word, S("close"));
			words.keep_alive |= slice_same_nocase(word, S("keep-alive"));
			words.upgrade |= slice_same_nocase(word, S("upgrade"));
		}
	}
	return words;
}
