/* Follows the frames of a connection by their headers alone. */
#include "http/h2_scan.h"
#include <nghttp2/nghttp2.h>

size_t h2_scan_step(struct h2_scan *s, struct slice bytes)
{
	size_t n = slice_head(bytes, s->left ? s->left : sizeof s->head - s->have).len;

	s->whole = false;
	if (s->left) {
		s->left -= (uint32_t)n;
		return n;
	}
	memcpy(s->head + s->have, bytes.at, n);
	s->have = (uint8_t)(s->have + n);
	if (s->have == sizeof s->head) {
		s->left = (uint32_t)s->head[0] << 16 | (uint32_t)s->head[1] << 8 | s->head[2];
		s->have = 0;
		s->whole = true;
	}
	return n;
}

int32_t h2_scan_data(const struct h2_scan *s)
{
	const uint8_t *id = s->head + 5;

	if (!s->whole || s->head[3] != NGHTTP2_DATA)
		return 0;
	return (int32_t)((uint32_t)(id[0] & 0x7f) << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]);
}
