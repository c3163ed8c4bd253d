/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
#include "base/siphash.h"

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

struct siphash_state {
	uint64_t a, b, c, d;
}; /* by value: it stays in registers */

static inline struct siphash_state once(struct siphash_state v)
{
	/* a half round is one line */
	/* clang-format off */
	v.a += v.b; v.b = rotl(v.b, 13); v.b ^= v.a; v.a = rotl(v.a, 32);
	v.c += v.d; v.d = rotl(v.d, 16); v.d ^= v.c;
	v.a += v.d; v.d = rotl(v.d, 21); v.d ^= v.a;
	v.c += v.b; v.b = rotl(v.b, 17); v.b ^= v.c; v.c = rotl(v.c, 32);
	/* clang-format on */
	return v;
}

static inline struct siphash_state take(struct siphash_state v, uint64_t word)
{
	v.d ^= word;
	v = once(once(v));
	v.a ^= word;
	return v;
}

static uint64_t load(const char *at, size_t len)
{
	uint64_t m = 0;

	for (size_t i = 0; i < len; i++)
		m |= (uint64_t)(unsigned char)at[i] << (8 * i);
	return m;
}

uint64_t siphash(struct siphash_key key, struct slice bytes)
{
	struct siphash_state v = { key.k0 ^ UINT64_C(0x736f6d6570736575), key.k1 ^ UINT64_C(0x646f72616e646f6d),
		                       key.k0 ^ UINT64_C(0x6c7967656e657261), key.k1 ^ UINT64_C(0x7465646279746573) };
	size_t whole = bytes.len / 8 * 8;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t m;
		memcpy(&m, bytes.at + i, 8); /* Linux targets are little-endian; checked in the unit test's vectors */
		v = take(v, m);
	}
	uint64_t last = (uint64_t)bytes.len << 56;
	if (bytes.len > whole)
		last |= load(bytes.at + whole, bytes.len - whole);
	v = take(v, last);
	v.c ^= 0xff;
	v = once(once(once(once(v))));
	return v.a ^ v.b ^ v.c ^ v.d;
}
