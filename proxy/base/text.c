/* Writes text into a buffer of fixed size; whatever does not fit is cut and marked. */
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>

/* 00 01 .. 99: two digits for one division. */
#define TEN(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"
static const char pairs[] =
    TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");

static unsigned digits_of(uint64_t n)
{
	unsigned len = 1;

	for (uint64_t more = 10; n >= more && len < 20; more *= 10) /* 2^64-1 has twenty */
		len++;
	return len;
}

void text_u64(struct text *t, uint64_t n)
{
	unsigned len = digits_of(n);

	if (t->cut || len > t->cap - t->len) {
		t->cut = true;
		return;
	}
	char *at = t->at + (t->len += len);
	for (; n > UINT32_MAX; n /= 100)
		memcpy(at -= 2, pairs + n % 100 * 2, 2);
	uint32_t rest = (uint32_t)n; /* nearly always all of it, and cheaper to divide */
	for (; rest >= 100; rest /= 100)
		memcpy(at -= 2, pairs + rest % 100 * 2, 2);
	if (rest >= 10)
		memcpy(at - 2, pairs + rest * 2, 2);
	else
		at[-1] = (char)('0' + rest);
}

/* 00 01 .. ff */
#define SIXTEEN(d) TEN(d) d "a" d "b" d "c" d "d" d "e" d "f"
static const char hex_pairs[] = SIXTEEN("0") SIXTEEN("1") SIXTEEN("2") SIXTEEN("3") SIXTEEN("4") SIXTEEN("5")
    SIXTEEN("6") SIXTEEN("7") SIXTEEN("8") SIXTEEN("9") SIXTEEN("a") SIXTEEN("b") SIXTEEN("c") SIXTEEN("d")
        SIXTEEN("e") SIXTEEN("f");

void text_hex(struct text *t, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;
	char *to = t->at + t->len;

	if (t->cut || len * 2 > t->cap - t->len) {
		t->cut = true;
		return;
	}
	for (size_t i = 0; i < len; i++)
		memcpy(to + 2 * i, hex_pairs + 2 * b[i], 2);
	t->len += 2 * len;
}

void text_printf(struct text *t, const char *format, ...)
{
	char piece[1024];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(piece, sizeof piece, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof piece)
		t->cut = true;
	else
		text_add(t, (struct slice){ piece, (size_t)len });
}

/* Length of the valid UTF-8 sequence at the front of s; 0 where there is none (RFC 3629). */
static size_t utf8_len(struct slice s)
{
	const unsigned char *b = (const unsigned char *)s.at;
	size_t len = b[0] < 0x80 ? 1 : b[0] < 0xC2 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF5 ? 4 : 0;

	if (len == 0 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((b[i] & 0xC0) != 0x80)
			return 0;
	if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) || (b[0] == 0xF0 && b[1] < 0x90) ||
	    (b[0] == 0xF4 && b[1] > 0x8F))
		return 0;
	return len;
}

static bool plain_json(unsigned char c)
{
	return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void json_escape(struct text *t, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		text_char(t, '\\');
		text_char(t, (char)c);
		return;
	}
	text_add(t, S("\\u00"));
	text_char(t, hex[c >> 4]);
	text_char(t, hex[c & 15]);
}

/* One character, escaped where it must be; returns how many bytes of s it was. */
static size_t json_unit(struct text *t, struct slice s)
{
	unsigned char c = (unsigned char)s.at[0];
	size_t wide = c >= 0x80 ? utf8_len(s) : 0;

	if (plain_json(c)) {
		text_char(t, (char)c);
		return 1;
	}
	if (wide == 2 && c == 0xC2 && (unsigned char)s.at[1] < 0xA0) { /* a C1 control: terminals obey them */
		json_escape(t, (unsigned char)s.at[1]);
		return 2;
	}
	if (wide)
		text_add(t, slice_head(s, wide));
	else
		json_escape(t, c);
	return wide ? wide : 1;
}

/* Bytes of w that are zero, marked in their highest bits; exact for the lowest one, which is all we ask. */
static uint64_t zeros(uint64_t w)
{
	return (w - UINT64_C(0x0101010101010101)) & ~w & UINT64_C(0x8080808080808080);
}

/* Are eight bytes all plain_json? */
static bool plain_eight(const char *at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
	uint64_t w;

	memcpy(&w, at, sizeof w);
	/* below the highest bit: 0x7F overflows into it, what is under 0x20 does not */
	uint64_t low = (w & ~highs) + ones, printable = (w & ~highs) + ones * 0x60;
	return !(((w | low | ~printable | zeros(w ^ ones * '"') | zeros(w ^ ones * '\\'))) & highs);
}

static size_t plain_run(struct slice s)
{
	size_t run = 0;

	while (s.len - run >= 8 && plain_eight(s.at + run))
		run += 8;
	if (s.len - run < 8 && run >= 8 && plain_eight(s.at + s.len - 8))
		return s.len; /* the last eight overlap those before */
	while (run < s.len && plain_json((unsigned char)s.at[run]))
		run++;
	return run;
}

void text_json(struct text *t, struct slice s)
{
	for (;;) {
		size_t run = plain_run(s);
		text_add(t, slice_head(s, run));
		s = slice_from(s, run);
		if (!s.len)
			return;
		s = slice_from(s, json_unit(t, s));
	}
}

void text_json_most(struct text *t, struct slice s, size_t most)
{
	const struct slice mark = S("\xE2\x80\xA6");
	size_t from = t->len, fits = t->len; /* up to `fits` the mark has room behind it */

	if (s.len <= most && plain_run(s) == s.len) {
		text_add(t, s);
		return;
	}
	while (s.len) {
		s = slice_from(s, json_unit(t, s));
		if (t->len - from > most) {
			t->len = fits;
			text_add(t, mark);
			return;
		}
		if (t->len - from + mark.len <= most)
			fits = t->len;
	}
}

void text_html(struct text *t, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		switch (s.at[i]) {
		case '&':
			text_add(t, S("&amp;"));
			break;
		case '<':
			text_add(t, S("&lt;"));
			break;
		case '>':
			text_add(t, S("&gt;"));
			break;
		case '"':
			text_add(t, S("&quot;"));
			break;
		case '\'':
			text_add(t, S("&#39;"));
			break;
		default:
			if ((unsigned char)s.at[i] >= 0x20)
				text_char(t, s.at[i]);
		}
	}
}

bool text_end(struct text *t)
{
	if (t->cut || t->len == t->cap)
		return false;
	t->at[t->len] = '\0';
	return true;
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void text_base64url(struct text *t, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t three = (uint32_t)b[i] << 16;
		if (i + 1 < len)
			three |= (uint32_t)b[i + 1] << 8;
		if (i + 2 < len)
			three |= b[i + 2];
		text_char(t, base64url[three >> 18]);
		text_char(t, base64url[three >> 12 & 63]);
		if (i + 1 < len)
			text_char(t, base64url[three >> 6 & 63]);
		if (i + 2 < len)
			text_char(t, base64url[three & 63]);
	}
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool text_base64url_decode(struct slice from, void *to, size_t cap, size_t *len)
{
	unsigned char *out = to;
	uint32_t bits = 0;
	unsigned held = 0;

	*len = 0;
	if (from.len % 4 == 1)
		return false;
	for (size_t i = 0; i < from.len; i++) {
		int six = sextet(from.at[i]);
		if (six < 0)
			return false;
		bits = bits << 6 | (uint32_t)six;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (*len == cap)
			return false;
		out[(*len)++] = (unsigned char)(bits >> held);
		bits &= (1u << held) - 1;
	}
	return bits == 0;
}
