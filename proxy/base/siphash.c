#include "base/siphash.h"

static uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void rounds(uint64_t v[4], int n)
{
	while (n--) {
		v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
		v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
		v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
		v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
	}
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
	uint64_t v[4] = { key.k0 ^ UINT64_C(0x736f6d6570736575), key.k1 ^ UINT64_C(0x646f72616e646f6d),
	                  key.k0 ^ UINT64_C(0x6c7967656e657261), key.k1 ^ UINT64_C(0x7465646279746573) };
	size_t whole = bytes.len / 8 * 8;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t m;
		memcpy(&m, bytes.at + i, 8); /* Linux targets are little-endian; checked in the unit test's vectors */
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}
	uint64_t last = (uint64_t)bytes.len << 56;
	if (bytes.len > whole)
		last |= load(bytes.at + whole, bytes.len - whole);
	v[3] ^= last;
	rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
