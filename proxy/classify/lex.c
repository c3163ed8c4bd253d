/* Cuts rules into words. */
#include "classify/lex.h"

struct lexer lexer_open(const char *file, struct slice text)
{
	return (struct lexer){ .rest = text, .place = { file, 1, 1 } };
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80; /* inside a UTF-8 sequence: no column of its own */
}

static void skip(struct lexer *l, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = l->rest.at[i];
		if (c == '\n') {
			l->place.line++;
			l->place.column = 1;
			l->line_began = false;
		} else if (!is_continuation(c)) {
			l->place.column++;
		}
	}
	l->rest = slice_from(l->rest, len);
}

static void skip_blank(struct lexer *l)
{
	while (l->rest.len) {
		char c = l->rest.at[0];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			skip(l, 1);
		else if (slice_starts(l->rest, S("--")))
			skip(l, slice_find(l->rest, '\n'));
		else
			return;
	}
}

static bool is_letter(char c)
{
	return (slice_lower(c) >= 'a' && slice_lower(c) <= 'z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t word_len(struct slice s)
{
	size_t len = 0;

	while (len < s.len && (is_letter(s.at[len]) || (len && is_digit(s.at[len]))))
		len++;
	return len;
}

/* Up to the closing quote; s.len where the line ends before it. */
static size_t string_len(struct slice s)
{
	size_t i = 1;

	while (i < s.len && s.at[i] != '"' && s.at[i] != '\n')
		i += s.at[i] == '\\' && i + 1 < s.len && s.at[i + 1] != '\n' ? 2 : 1;
	return i < s.len && s.at[i] == '"' ? i + 1 : s.len;
}

struct token lexer_next(struct lexer *l)
{
	struct token t;
	size_t len;

	skip_blank(l);
	t = (struct token){ .place = l->place, .first = !l->line_began };
	l->line_began = true;
	if (l->rest.len == 0)
		return t;
	if ((len = word_len(l->rest)) > 0) {
		t.kind = TOKEN_WORD;
		t.text = slice_head(l->rest, len);
	} else if (l->rest.at[0] == '"') {
		len = string_len(l->rest);
		t.kind = TOKEN_STRING;
		t.text = (struct slice){ l->rest.at + 1, len - 2 };
		if (len < 2 || l->rest.at[len - 1] != '"' || memchr(l->rest.at, '\n', len)) {
			t.kind = TOKEN_BAD;
			t.text = S("the string has no closing quote on its line");
			len = slice_find(l->rest, '\n');
		}
	} else if (slice_starts(l->rest, S("->"))) {
		t.kind = TOKEN_ARROW;
		t.text = slice_head(l->rest, len = 2);
	} else if (memchr(":,=", l->rest.at[0], 3)) {
		t.kind = TOKEN_SIGN;
		t.text = slice_head(l->rest, len = 1);
	} else {
		t.kind = TOKEN_BAD;
		t.text = S("this character has no meaning here");
		len = 1;
	}
	skip(l, len);
	return t;
}
