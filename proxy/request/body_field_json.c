/* JSON (RFC 8259) in one pass, without a tree: every byte is held to the grammar, and what the field names is
 * kept. */
#include "request/body_found.h"

#define DEPTH_MAX 32

struct reader {
	struct slice rest;
	struct found found;
	unsigned depth;
};

static bool read_value(struct reader *j, struct slice field);

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The next byte that is no white space; 0 at the end. */
static char peek(struct reader *j)
{
	while (j->rest.len && j->rest.at[0] && strchr(" \t\r\n", j->rest.at[0]))
		j->rest = slice_from(j->rest, 1);
	return (char)(j->rest.len ? j->rest.at[0] : '\0');
}

static bool take(struct reader *j, char c)
{
	if (!j->rest.len || peek(j) != c)
		return false;
	j->rest = slice_from(j->rest, 1);
	return true;
}

/* ---- strings ---- */

static bool read_hex(struct reader *j, uint32_t *to)
{
	*to = 0;
	if (j->rest.len < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = slice_lower(j->rest.at[i]);
		if (!is_digit(c) && !(c >= 'a' && c <= 'f'))
			return false;
		*to = *to << 4 | (uint32_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	j->rest = slice_from(j->rest, 4);
	return true;
}

static void add_utf8(struct text *t, uint32_t c)
{
	if (c < 0x80) {
		text_char(t, (char)c);
		return;
	}
	if (c < 0x800) {
		text_char(t, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			text_char(t, (char)(0xe0 | c >> 12));
		} else {
			text_char(t, (char)(0xf0 | c >> 18));
			text_char(t, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		text_char(t, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	text_char(t, (char)(0x80 | (c & 0x3f)));
}

/* What follows \u; half a surrogate pair is refused. */
static bool read_escaped(struct reader *j)
{
	uint32_t high, low;

	if (!read_hex(j, &high) || (high >= 0xdc00 && high < 0xe000))
		return false;
	if (high >= 0xd800 && high < 0xdc00) {
		if (!slice_starts(j->rest, S("\\u")))
			return false;
		j->rest = slice_from(j->rest, 2);
		if (!read_hex(j, &low) || low < 0xdc00 || low >= 0xe000)
			return false;
		high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(&j->found.text, high);
	return true;
}

static bool read_escape(struct reader *j)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = (char)(j->rest.len ? j->rest.at[0] : '\0');
	const char *at = c ? strchr(from, c) : NULL;

	j->rest = slice_from(j->rest, 1);
	if (at)
		text_char(&j->found.text, to[at - from]);
	return at || (c == 'u' && read_escaped(j));
}

/* Decoded behind what was found so far. */
static bool read_string(struct reader *j)
{
	if (!take(j, '"'))
		return false;
	while (j->rest.len) {
		char c = j->rest.at[0];
		j->rest = slice_from(j->rest, 1);
		if (c == '"')
			return true;
		if ((unsigned char)c < ' ' || (c == '\\' && !read_escape(j)))
			return false;
		if (c != '\\')
			text_char(&j->found.text, c);
	}
	return false;
}

/* ---- other values ---- */

static size_t digits(struct slice s)
{
	size_t n = 0;

	while (n < s.len && is_digit(s.at[n]))
		n++;
	return n;
}

/* The bytes of a number, 0 where it is none; whether it is written as an integer. */
static size_t number_len(struct slice s, bool *integer)
{
	size_t at = slice_starts(s, S("-")), n = digits(slice_from(s, at));

	if (n == 0 || (n > 1 && s.at[at] == '0'))
		return 0;
	at += n;
	*integer = true;
	if (at < s.len && s.at[at] == '.') {
		n = digits(slice_from(s, at + 1));
		if (n == 0)
			return 0;
		at += n + 1;
		*integer = false;
	}
	if (at < s.len && slice_lower(s.at[at]) == 'e') {
		at++;
		at += at < s.len && (s.at[at] == '+' || s.at[at] == '-');
		n = digits(slice_from(s, at));
		if (n == 0)
			return 0;
		at += n;
		*integer = false;
	}
	return at;
}

static bool read_bare(struct reader *j, bool wanted)
{
	static const char *const words[] = { "true", "false", "null" };
	bool integer = false;
	size_t len = number_len(j->rest, &integer);

	for (size_t i = 0; i < 3 && !len; i++)
		if (slice_starts(j->rest, slice_of(words[i])))
			len = strlen(words[i]);
	if (wanted && integer)
		text_add(&j->found.text, slice_head(j->rest, len));
	j->found.bad |= wanted && !integer;
	j->rest = slice_from(j->rest, len);
	return len > 0;
}

/* ---- members ---- */

/* A member's value, where `name` (which lies at the end of text) is compared to the next part of field. */
static bool read_member(struct reader *j, struct slice field)
{
	struct slice none = S(""), first = slice_cut(&field, '.');
	size_t from = j->found.text.len;

	if (!read_string(j) || !take(j, ':'))
		return false;
	struct slice name = { j->found.text.at + from, j->found.text.len - from };
	bool here = first.len && slice_same_nocase(name, first);
	j->found.text.len = from;
	if (!here)
		return read_value(j, none);
	if (field.len)
		return read_value(j, field);
	char c = peek(j);
	j->found.bad |= c == '{' || c == '[';
	if (c == '{' || c == '[')
		return read_value(j, none);
	if (!(c == '"' ? read_string(j) : read_bare(j, true)))
		return false;
	found_add(&j->found, from);
	return true;
}

static bool read_object(struct reader *j, struct slice field)
{
	if (take(j, '}'))
		return true;
	do {
		if (!read_member(j, field))
			return false;
	} while (take(j, ','));
	return take(j, '}');
}

static bool read_array(struct reader *j)
{
	struct slice none = S("");

	if (take(j, ']'))
		return true;
	do {
		if (!read_value(j, none))
			return false;
	} while (take(j, ','));
	return take(j, ']');
}

/* A value in which the field is looked for, where it is an object; nothing is where field is empty. */
static bool read_value(struct reader *j, struct slice field)
{
	size_t from = j->found.text.len;
	bool good;

	if (j->depth == DEPTH_MAX)
		return false;
	j->depth++;
	switch (peek(j)) {
	case '{':
		take(j, '{');
		good = read_object(j, field);
		break;
	case '[':
		take(j, '[');
		good = read_array(j);
		break;
	case '"':
		good = read_string(j);
		j->found.text.len = from;
		break;
	default:
		good = read_bare(j, false);
	}
	j->depth--;
	return good;
}

bool found_in_json(struct slice body, struct slice field, struct found *f)
{
	struct reader j = { .rest = body, .found = *f };
	bool good = read_value(&j, field) && !peek(&j) && !j.rest.len && !j.found.text.cut;

	*f = j.found;
	return good;
}
