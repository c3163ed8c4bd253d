/* h2_client.h -- an HTTP/2 client for tests: nghttp2's client session on the world's other end. */
#pragma once
#include "h2_world.h"
#include <nghttp2/nghttp2.h>

#define ANSWERS 512

struct answer_seen {
	int status;
	size_t len;     /* bytes of content */
	char text[128]; /* its beginning */
	char from[16], trailer[16], id[40];
	unsigned interim; /* heads with 1xx */
	bool ended;       /* END_STREAM came */
	bool closed;
	uint32_t code; /* that the stream was closed with */
};

struct upload {
	uint64_t len, sent;
	bool stuck, trailers;
};

struct client_side {
	struct world *w;
	nghttp2_session *session;
	struct answer_seen seen[ANSWERS]; /* by (id - 1) / 2 */
	int32_t goaway;                   /* error code; -1: none came */
	int32_t goaway_last;
	unsigned goaways;
	bool over;      /* the server closed */
	bool greedless; /* reads nothing from the socket */
	FILE *tape;     /* see client_record */
};

static inline struct answer_seen *seen(struct client_side *c, int32_t id)
{
	check(id > 0 && (id - 1) / 2 < ANSWERS);
	return &c->seen[(id - 1) / 2];
}

static inline int see_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *with)
{
	struct answer_seen *a = seen(with, frame->hd.stream_id);
	struct slice is = { (const char *)name, name_len }, says = { (const char *)value, len };
	uint64_t status;

	(void)s;
	(void)flags;
	if (slice_same(is, S(":status")) && slice_u64(says, &status)) {
		a->interim += status < 200;
		a->status = (int)status;
	}
	if (slice_same(is, S("x-from")))
		snprintf(a->from, sizeof a->from, "%.*s", SLICE(says));
	if (slice_same(is, S("sallyport-request-id")))
		snprintf(a->id, sizeof a->id, "%.*s", SLICE(says));
	if (slice_same(is, S("x-sum")))
		snprintf(a->trailer, sizeof a->trailer, "%.*s", SLICE(says));
	return 0;
}

static inline int see_chunk(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                            void *with)
{
	struct answer_seen *a = seen(with, id);

	(void)s;
	(void)flags;
	for (size_t i = 0; i < len; i++)
		if (a->len + i < sizeof a->text - 1)
			a->text[a->len + i] = (char)data[i];
	a->len += len;
	return 0;
}

static inline int see_frame(nghttp2_session *s, const nghttp2_frame *frame, void *with)
{
	struct client_side *c = with;

	(void)s;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		c->goaways++;
		c->goaway = (int32_t)frame->goaway.error_code;
		c->goaway_last = frame->goaway.last_stream_id;
	}
	if (frame->hd.stream_id && frame->hd.flags & NGHTTP2_FLAG_END_STREAM && frame->hd.type <= 1)
		seen(c, frame->hd.stream_id)->ended = true;
	return 0;
}

static inline int see_close(nghttp2_session *s, int32_t id, uint32_t code, void *with)
{
	(void)s;
	seen(with, id)->closed = true;
	seen(with, id)->code = code;
	return 0;
}

static inline ssize_t upload_read(nghttp2_session *s, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
                                  nghttp2_data_source *source, void *with)
{
	struct upload *u = source->ptr;
	size_t n = u->len - u->sent < len ? (size_t)(u->len - u->sent) : len;
	nghttp2_nv late = { (uint8_t *)"x-late", (uint8_t *)"1", 6, 1, NGHTTP2_NV_FLAG_NONE };

	(void)with;
	if (!n && u->stuck)
		return NGHTTP2_ERR_DEFERRED;
	memset(to, 'u', n);
	u->sent += n;
	if (u->sent == u->len && !u->stuck)
		*flags |= NGHTTP2_DATA_FLAG_EOF | (u->trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0u);
	if (u->sent == u->len && u->trailers)
		nghttp2_submit_trailer(s, id, &late, 1);
	return (ssize_t)n;
}

static inline void client_open(struct client_side *c, struct world *w)
{
	nghttp2_session_callbacks *cb;

	memset(c, 0, sizeof *c);
	c->w = w;
	c->goaway = -1;
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_header_callback(cb, see_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, see_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, see_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, see_close);
	nghttp2_session_client_new(&c->session, cb, c);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
	world_connect(w);
}

#include "h2_client_turn.h"
