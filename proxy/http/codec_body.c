/* codec_body.c -- takes the framing of bodies off (RFC 9112 sections 6 and 7). Sizes are hexadecimal digits
 * and nothing else, lines end in CR LF, extensions are skipped within a bound. */
#include "http/codec_fields.h"
#include "base/check.h"

#define EXTENSIONS_MAX 1024 /* bytes a message; leading zeros of sizes count, too */

enum state { SIZE_FIRST, SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, BROKEN };

void body_init(struct body *b, enum body_kind kind, uint64_t length)
{
	b->kind = kind;
	b->left = kind == BODY_LENGTH ? length : 0;
	b->state = SIZE_FIRST;
	b->extension_len = 0;
	b->trailer_len = 0;
	b->ended = kind == BODY_NONE || (kind == BODY_LENGTH && length == 0);
}

static struct slice take(struct slice *from, uint64_t most)
{
	struct slice run = slice_head(*from, from->len < most ? from->len : (size_t)most);

	*from = slice_from(*from, run.len);
	return run;
}

static bool add_digit(struct body *b, char c)
{
	bool padding = b->left == 0 && c == '0';

	if (b->left > INT64_MAX >> 4 || (padding && ++b->extension_len > EXTENSIONS_MAX))
		return false;
	b->left = b->left << 4 | char_hex(c);
	b->state = SIZE;
	return true;
}

static bool read_size(struct body *b, char c)
{
	if (char_is(c, CHAR_HEX))
		return add_digit(b, c);
	if (b->state == SIZE_FIRST || (c != ';' && c != '\r'))
		return false;
	b->state = c == ';' ? EXTENSION : SIZE_LF;
	return true;
}

static bool skip_extension(struct body *b, char c)
{
	if (c == '\r') {
		b->state = SIZE_LF;
		return true;
	}
	return char_is(c, CHAR_VALUE) && ++b->extension_len <= EXTENSIONS_MAX;
}

static bool expect(struct body *b, char c, char wanted, enum state then)
{
	b->state = (uint8_t)then;
	return c == wanted;
}

/* The line in b->trailer from `line` on is whole. */
static bool end_trailer_line(struct body *b, const char *line)
{
	struct head_scan s = { .at = line, .end = b->trailer + b->trailer_len };
	struct header field;
	struct headers one = { .at = &field, .cap = 1 };

	if (s.end - line == 2 && line[0] == '\r') {
		b->trailer_len = (uint16_t)(b->trailer_len - 2);
		b->ended = true;
		return true;
	}
	return head_field(&s, &one, 1) == HEAD_DONE && s.at == s.end && header_is_trailer(field.name);
}

static bool gather_trailer(struct body *b, struct slice *from)
{
	size_t lf = slice_find(*from, '\n');
	struct slice run = take(from, lf < from->len ? lf + 1 : lf);
	const char *line = b->trailer + b->trailer_len;

	if (run.len > sizeof b->trailer - b->trailer_len)
		return false;
	while (line > b->trailer && line[-1] != '\n')
		line--;
	memcpy(b->trailer + b->trailer_len, run.at, run.len);
	b->trailer_len = (uint16_t)(b->trailer_len + run.len);
	return lf == run.len || end_trailer_line(b, line);
}

/* Takes some bytes of framing off; at least one is there. */
static bool take_framing(struct body *b, struct slice *from)
{
	if (b->state == TRAILER)
		return gather_trailer(b, from);

	char c = take(from, 1).at[0];
	switch ((enum state)b->state) {
	case SIZE_FIRST:
	case SIZE:
		return read_size(b, c);
	case EXTENSION:
		return skip_extension(b, c);
	case SIZE_LF:
		return expect(b, c, '\n', b->left ? DATA : TRAILER);
	case DATA_CR:
		return expect(b, c, '\r', DATA_LF);
	case DATA_LF:
		return expect(b, c, '\n', SIZE_FIRST);
	default:
		return false;
	}
}

static bool decode_chunked(struct body *b, struct slice *from, struct slice *content)
{
	while (from->len && !b->ended) {
		if (b->state == DATA) {
			*content = take(from, b->left);
			b->left -= content->len;
			b->state = b->left ? DATA : DATA_CR;
			return true;
		}
		if (!take_framing(b, from)) {
			b->state = BROKEN;
			return false;
		}
	}
	return b->state != BROKEN;
}

bool body_decode(struct body *b, struct slice *from, struct slice *content)
{
	*content = slice_head(*from, 0);
	switch (b->kind) {
	case BODY_NONE:
		return true;
	case BODY_LENGTH:
		*content = take(from, b->left);
		b->left -= content->len;
		b->ended = b->left == 0;
		return true;
	case BODY_CHUNKED:
		return decode_chunked(b, from, content);
	case BODY_UNTIL_CLOSE:
		*content = take(from, from->len);
		return true;
	}
	return false;
}

bool body_is_broken(const struct body *b)
{
	return b->kind == BODY_CHUNKED && b->state == BROKEN;
}

bool body_trailers(const struct body *b, struct headers *to)
{
	struct head_scan s = { .at = b->trailer, .end = b->trailer + b->trailer_len };

	check(b->ended);
	while (b->kind == BODY_CHUNKED && s.at < s.end) {
		if (head_field(&s, to, to->cap) != HEAD_DONE)
			return false;
		if (header_is_vouched(to->at[to->len - 1].name))
			to->len--;
	}
	return true;
}
