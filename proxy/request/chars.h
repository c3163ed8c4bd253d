/* chars.h -- what each byte may be in HTTP, as one table. Part of request's door. */
#pragma once
#include "base/slice.h"

enum {
	CHAR_TOKEN = 1,       /* RFC 9110 section 5.6.2 */
	CHAR_VALUE = 2,       /* of a field value: tab, space, visible, obs-text (RFC 9110 section 5.5) */
	CHAR_TARGET = 4,      /* of a request target: visible ASCII, no '#' */
	CHAR_PATH = 8,        /* of a path as it is: visible ASCII without % / \ ? # */
	CHAR_UNRESERVED = 16, /* RFC 3986 section 2.3 */
	CHAR_HOST = 32,       /* letters, digits, '-', '.', '_' */
	CHAR_HEX = 64,
	CHAR_SPACED = 128,    /* space and tab */
};
extern const uint8_t char_kinds[256];

static inline bool char_is(char c, unsigned kinds)
{
	return (char_kinds[(unsigned char)c] & kinds) != 0;
}

/* The first byte that is not of these kinds; end where all are. */
static inline const char *char_run(const char *p, const char *end, unsigned kinds)
{
	while (p < end && char_is(*p, kinds))
		p++;
	return p;
}

/* Are all bytes of these kinds? */
static inline bool char_all(struct slice s, unsigned kinds)
{
	return s.len == 0 || char_run(s.at, s.at + s.len, kinds) == s.at + s.len;
}

/* Does one of the eight bytes lie below 0x20, or is it DEL? (Warren, Hacker's Delight, section 6-1.) */
static inline bool char_eight_odd(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t w, del;

	memcpy(&w, p, sizeof w);
	del = w ^ ones * 0x7F;
	return ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & tops) != 0;
}

/* char_run for CHAR_VALUE, eight bytes at a time. */
static inline const char *char_value_run(const char *p, const char *end)
{
	for (;;) {
		while (end - p >= 8 && !char_eight_odd(p))
			p += 8;
		const char *stop = end - p > 8 ? p + 8 : end;
		p = char_run(p, stop, CHAR_VALUE);
		if (p < stop || p == end)
			return p;
	}
}

/* 0 to 15; of a byte that is CHAR_HEX. */
static inline unsigned char_hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}
