/* slice.h -- a view of bytes somebody else owns. Never NUL-terminated. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *at;
	size_t len; /* bytes */
};

#define S(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
#define SLICE(s) (int)(s).len, (s).at /* for "%.*s" */

/* A view of a C string; NULL gives the empty slice. */
static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_same(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII lower case of one byte. */
static inline char slice_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII case-insensitive equality. */
static inline bool slice_same_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (slice_lower(a.at[i]) != slice_lower(b.at[i]))
			return false;
	return true;
}

/* One byte of a name as those read it who fold the most, CGI and its kin: all that is neither letter nor
 * digit is one and the same. */
static inline char slice_folded(char c)
{
	char lower = slice_lower(c);

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ? lower : '-';
}

/* Are they one name to those? */
static inline bool slice_reads_as(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (slice_folded(a.at[i]) != slice_folded(b.at[i]))
			return false;
	return true;
}

static inline bool slice_starts(struct slice s, struct slice with)
{
	return s.len >= with.len && (with.len == 0 || memcmp(s.at, with.at, with.len) == 0);
}

static inline bool slice_ends(struct slice s, struct slice with)
{
	return s.len >= with.len && (with.len == 0 || memcmp(s.at + s.len - with.len, with.at, with.len) == 0);
}

/* The part from `from` on; empty past the end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
	return from >= s.len ? (struct slice){ s.at + s.len, 0 } : (struct slice){ s.at + from, s.len - from };
}

/* The first `len` bytes, or all there are. */
static inline struct slice slice_head(struct slice s, size_t len)
{
	return (struct slice){ s.at, len < s.len ? len : s.len };
}

/* Where `mark` first stands; s.len where it does not. */
static inline size_t slice_find(struct slice s, char mark)
{
	const char *p = s.len ? memchr(s.at, mark, s.len) : NULL;

	return p ? (size_t)(p - s.at) : s.len;
}

/* Cuts the part before `mark` off the front of *rest and returns it.
 * *rest is left after the mark; empty when there was no mark. */
static inline struct slice slice_cut(struct slice *rest, char mark)
{
	size_t at = slice_find(*rest, mark);
	struct slice head = slice_head(*rest, at);

	*rest = slice_from(*rest, at + (at < rest->len));
	return head;
}

/* Without spaces and tabs at both ends (RFC 9110 OWS). */
static inline struct slice slice_trim(struct slice s)
{
	while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
		s.at++, s.len--;
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Decimal digits only, at least one, no sign, no overflow; otherwise false and *to untouched. */
static inline bool slice_u64(struct slice s, uint64_t *to)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.at[i] - (unsigned)'0';
		if (digit > 9 || (i >= 19 && n > (UINT64_MAX - digit) / 10)) /* nineteen digits always fit */
			return false;
		n = n * 10 + digit;
	}
	*to = n;
	return true;
}
