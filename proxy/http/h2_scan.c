/* Follows the frames of a connection by their headers alone. */
#include "http/h2_scan.h"
#include <nghttp2/nghttp2.h>

#define HEAD_LEN 9

static uint32_t payload_len(const struct h2_scan *s)
{
	return (uint32_t)s->head[0] << 16 | (uint32_t)s->head[1] << 8 | s->head[2];
}

static bool is_padded(const struct h2_scan *s)
{
	return s->head[3] == NGHTTP2_DATA && s->head[4] & NGHTTP2_FLAG_PADDED && payload_len(s);
}

size_t h2_scan_head_len(const struct h2_scan *s)
{
	return HEAD_LEN + is_padded(s);
}

size_t h2_scan_step(struct h2_scan *s, struct slice bytes)
{
	size_t want = s->have < HEAD_LEN ? HEAD_LEN : h2_scan_head_len(s);
	size_t n = slice_head(bytes, s->left ? s->left : want - s->have).len;

	s->whole = false;
	if (s->left) {
		s->left -= (uint32_t)n;
		return n;
	}
	memcpy(s->head + s->have, bytes.at, n);
	s->have = (uint8_t)(s->have + n);
	if (s->have >= HEAD_LEN && s->have == h2_scan_head_len(s)) {
		s->left = payload_len(s) - is_padded(s);
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

bool h2_scan_ends_stream(const struct h2_scan *s)
{
	return s->head[4] & NGHTTP2_FLAG_END_STREAM;
}

bool h2_scan_is_empty(const struct h2_scan *s)
{
	return payload_len(s) == 0 || (is_padded(s) && payload_len(s) == 1u + s->head[HEAD_LEN]);
}
