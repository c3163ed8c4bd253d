/* client_http2.c -- a client of a scene that speaks HTTP/2: each request is a stream, also beside others. */
#include "scene.h"
#include "base/check.h"
#include "client_tls.h"
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define STREAMS 256

struct stream {
	unsigned status;
	char head[4096], body[4096], upload[2048];
	size_t head_len, body_len, upload_len;
	bool closed;
	uint32_t code; /* that it was closed with */
};

struct http2_client {
	nghttp2_session *session;
	struct stream streams[STREAMS]; /* by (id - 1) / 2 */
	bool over;
};

static struct stream *stream_of(struct http2_client *h, int32_t id)
{
	check(id > 0 && id / 2 < STREAMS);
	return &h->streams[id / 2];
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t len, uint8_t flags, void *with)
{
	struct stream *t = stream_of(with, frame->hd.stream_id);
	struct slice is = { (const char *)name, name_len }, says = { (const char *)value, len };
	struct text head = { t->head, t->head_len, sizeof t->head - 1, false };
	uint64_t status;

	(void)s, (void)flags;
	if (slice_same(is, S(":status")) && slice_u64(says, &status))
		t->status = (unsigned)status;
	text_field(&head, is, says);
	t->head_len = head.len;
	return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *with)
{
	struct stream *t = stream_of(with, id);

	(void)s, (void)flags;
	check(len < sizeof t->body - t->body_len);
	memcpy(t->body + t->body_len, data, len);
	t->body_len += len;
	return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *with)
{
	(void)s;
	stream_of(with, id)->closed = true;
	stream_of(with, id)->code = code;
	return 0;
}

static ssize_t on_upload(nghttp2_session *s, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *with)
{
	struct stream *t = stream_of(with, id);

	(void)s, (void)source;
	check(t->upload_len <= len);
	memcpy(to, t->upload, t->upload_len);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)t->upload_len;
}

struct http2_client *http2_open(struct fake_client *c)
{
	struct http2_client *h = calloc(1, sizeof *h);
	nghttp2_session_callbacks *cb;

	(void)c;
	check(h && nghttp2_session_callbacks_new(&cb) == 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	check(nghttp2_session_client_new(&h->session, cb, h) == 0);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, NULL, 0);
	return h;
}

void http2_close(struct http2_client *h)
{
	if (h)
		nghttp2_session_del(h->session);
	free(h);
}

static void exchange(struct scene *s, struct fake_client *c)
{
	struct http2_client *h = c->tls->http2;
	static char bytes[16384];
	const uint8_t *out;
	ssize_t len;

	while ((len = nghttp2_session_mem_send(h->session, &out)) > 0)
		h->over = !client_tls_write(c, (struct slice){ (const char *)out, (size_t)len }) || h->over;
	world_turn(s);
	while ((len = client_tls_read(c, bytes, sizeof bytes)) > 0)
		if (nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes, (size_t)len) < 0)
			h->over = true;
	h->over = h->over || len == 0;
}

static nghttp2_nv pair(struct slice name, struct slice value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.at, (uint8_t *)(uintptr_t)value.at, name.len, value.len,
		                 NGHTTP2_NV_FLAG_NONE };
}

/* The lines of an HTTP/1.1 head as HTTP/2 has them: Host becomes :authority. */
static size_t fields_of(struct slice lines, char *room, size_t cap, nghttp2_nv *to)
{
	size_t len = 0;
	struct text t = { .at = room, .cap = cap };

	while (lines.len) {
		struct slice line = slice_cut(&lines, '\n'), name = slice_cut(&line, ':');
		line = slice_trim(slice_head(line, line.len ? line.len - 1 : 0));
		size_t from = t.len;
		for (size_t i = 0; i < name.len; i++)
			text_char(&t, slice_lower(name.at[i]));
		struct slice lower = { room + from, t.len - from };
		to[len++] = pair(slice_same(lower, S("host")) ? S(":authority") : lower, line);
		check(!t.cut && len < 40);
	}
	return len;
}

void http2_send(struct scene *s, struct fake_client *c, struct slice method, struct slice target,
                struct slice fields, struct slice body)
{
	nghttp2_nv all[64] = { pair(S(":method"), method), pair(S(":scheme"), S("https")),
		                   pair(S(":path"), target) };
	nghttp2_data_provider source = { .read_callback = on_upload };
	char names[2048];
	size_t len = 3 + fields_of(fields, names, sizeof names, all + 3);
	struct http2_client *h = c->tls->http2;

	for (size_t i = 3; i < len; i++) /* pseudo fields come first (RFC 9113 section 8.3) */
		if (all[i].name[0] == ':') {
			nghttp2_nv authority = all[i];
			memmove(all + 4, all + 3, (i - 3) * sizeof *all);
			all[3] = authority;
		}
	c->stream = nghttp2_submit_request(h->session, NULL, all, len, body.len ? &source : NULL, NULL);
	check(c->stream > 0);
	struct stream *t = stream_of(h, c->stream);
	check(body.len < sizeof t->upload);
	if (body.len)
		memcpy(t->upload, body.at, body.len);
	t->upload_len = body.len;
	exchange(s, c);
}

/* A stream that was reset before its answer has status 0. */
void http2_take(struct scene *s, struct fake_client *c, struct said *to, bool part)
{
	struct http2_client *h = c->tls->http2;
	struct stream *t = stream_of(h, c->stream);

	for (int i = 0; i < (part ? 40 : 400) && !t->closed && !h->over; i++)
		exchange(s, c);
	to->ended = t->closed && !t->code;
	to->status = part || to->ended ? t->status : 0;
	memcpy(to->head, t->head, sizeof t->head);
	memcpy(to->body, t->body, sizeof t->body);
	to->body[t->body_len] = '\0';
	if (!h->over)
		return;
	client_leave(c);
	world_settle(s);
}
