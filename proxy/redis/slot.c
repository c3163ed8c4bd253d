/* slot.c -- hash slots: CRC-16/XMODEM of the key, or of its {tag} (Redis Cluster specification). */
#include "redis/redis.h"

/* Of all 256 bytes, by the polynomial 0x1021. */
static const uint16_t *table(void)
{
	static uint16_t crc[256];

	if (crc[1])
		return crc;
	for (unsigned i = 0; i < 256; i++) {
		uint16_t c = (uint16_t)(i << 8);
		for (int bit = 0; bit < 8; bit++)
			c = (uint16_t)(c & 0x8000 ? c << 1 ^ 0x1021 : c << 1);
		crc[i] = c;
	}
	return crc;
}

/* What stands in the first braces, unless that is nothing. */
static struct slice hashed_part(struct slice key)
{
	struct slice inside = slice_from(key, slice_find(key, '{') + 1);
	size_t end = slice_find(inside, '}');

	return inside.len && end && end < inside.len ? slice_head(inside, end) : key;
}

uint16_t redis_slot(struct slice key)
{
	const uint16_t *crc = table();
	struct slice part = hashed_part(key);
	uint16_t c = 0;

	for (size_t i = 0; i < part.len; i++)
		c = (uint16_t)(c << 8 ^ crc[(c >> 8 ^ (unsigned char)part.at[i]) & 0xff]);
	return c % 16384;
}
