/* h2_discard.c -- streams whose answer was whole before their body: nobody wants the rest.
 * RST_STREAM(NO_ERROR) right behind the answer is what RFC 9113 section 8.1 allows, but clients that read
 * both at once lose the answer (curl 7.88 does). So the rest is discarded for a while, as HTTP/1.1
 * connections linger. */
#include "http/h2.h"

static struct h2_rest *find(struct h2 *h, int32_t id)
{
	for (size_t i = 0; i < h->rests_len; i++)
		if (h->rests[i].id == id)
			return &h->rests[i];
	return NULL;
}

void h2_rest_forget(struct h2 *h, int32_t id)
{
	struct h2_rest *e = find(h, id);

	if (!e)
		return;
	size_t behind = h->rests_len - 1 - (size_t)(e - h->rests);
	memmove(e, e + 1, behind * sizeof *e);
	h->rests_len--;
}

static void reset(struct h2 *h, int32_t id)
{
	h2_rest_forget(h, id);
	nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
	h2_touch(h);
}

void h2_rest_add(struct h2 *h, int32_t id)
{
	if (h->rests_len == H2_RESTS_MOST)
		reset(h, h->rests[0].id); /* the oldest */
	h->rests[h->rests_len++] = (struct h2_rest){ .id = id,
		                                         .left = H2_LINGER_BYTES,
		                                         .until_ns = h->c.server->loop->now_ns + H2_LINGER_NS };
}

void h2_rest_data(struct h2 *h, int32_t id, size_t len)
{
	struct h2_rest *e = find(h, id);

	nghttp2_session_consume_stream(h->session, id, len);
	if (!e)
		return;
	if (len >= e->left)
		reset(h, id);
	else
		e->left -= (uint32_t)len;
}

uint64_t h2_rest_until(const struct h2 *h)
{
	return h->rests_len ? h->rests[0].until_ns : UINT64_MAX;
}

void h2_rest_sweep(struct h2 *h)
{
	while (h2_rest_until(h) <= h->c.server->loop->now_ns)
		reset(h, h->rests[0].id);
}
