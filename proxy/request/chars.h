/* chars.h -- what each byte may be in HTTP, as one table. Part of request's door.
 *
 * Where SSE2 is there, names and values are read sixteen bytes at a time, inline since their readers call it
 * for each field. By `make count` a browser's head with a token takes 3,672 instructions so, and 8,760 byte
 * by byte; an answer's head 2,490 and 3,363. */
#pragma once
#include "base/slice.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
	CHAR_TOKEN = 1,       /* RFC 9110 section 5.6.2 */
	CHAR_VALUE = 2,       /* of a field value: tab, space, visible, obs-text (RFC 9110 section 5.5) */
	CHAR_TARGET = 4,      /* of a request target: visible ASCII, no '#' */
	CHAR_PATH = 8,        /* of a path as it is: visible ASCII without % / \ ? # */
	CHAR_UNRESERVED = 16, /* RFC 3986 section 2.3 */
	CHAR_HOST = 32,       /* letters, digits, '-', '.', '_' */
	CHAR_HEX = 64,
	CHAR_SPACED = 128, /* space and tab */
	CHAR_WAY = 256,    /* stands for itself in the form by which routes are chosen (base/way.h) */
};
extern const uint16_t char_kinds[256];

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

#if defined(__SSE2__)
static inline __m128i char_sixteen(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}
#endif

/* char_run for CHAR_VALUE: sixteen bytes at a time, since values are the bulk of a head. */
static inline const char *char_value_run(const char *p, const char *end)
{
#if defined(__SSE2__)
	while (end - p >= 16) {
		__m128i bytes = char_sixteen(p), del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F));
		__m128i control = _mm_cmpeq_epi8(bytes, _mm_min_epu8(bytes, _mm_set1_epi8(0x1F)));
		int stops = _mm_movemask_epi8(_mm_or_si128(control, del));
		p += stops ? __builtin_ctz((unsigned)stops) : 16;
		if (stops && *p++ != '\t')
			return p - 1;
	}
#endif
	return char_run(p, end, CHAR_VALUE);
}

/* char_run for names: letters and '-' sixteen at a time, then those of `kinds`. */
static inline const char *char_name_run(const char *p, const char *end, unsigned kinds)
{
#if defined(__SSE2__)
	if (end - p >= 16) {
		__m128i bytes = char_sixteen(p), lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
		__m128i letter = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
		                               _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
		__m128i usual = _mm_or_si128(letter, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
		p += __builtin_ctz(~(unsigned)_mm_movemask_epi8(usual));
	}
#endif
	return char_run(p, end, kinds);
}

static inline const char *char_token_run(const char *p, const char *end)
{
	return char_name_run(p, end, CHAR_TOKEN);
}

/* For CHAR_HOST: what header_is_plain wants. */
static inline const char *char_plain_run(const char *p, const char *end)
{
	return char_name_run(p, end, CHAR_HOST);
}

/* 0 to 15; of a byte that is CHAR_HEX. */
static inline unsigned char_hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}
