/* h2_client.c -- what h2_client.h promises. */
#include "h2_client.h"

struct answer_seen *seen(struct client_side *c, int32_t id)
{
	check(id > 0 && (id - 1) / 2 < ANSWERS);
	return &c->seen[(id - 1) / 2];
}

static int see_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                      const uint8_t *value, size_t len, uint8_t flags, void *with)
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

static int see_chunk(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
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

static int see_frame(nghttp2_session *s, const nghttp2_frame *frame, void *with)
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

static int see_close(nghttp2_session *s, int32_t id, uint32_t code, void *with)
{
	(void)s;
	seen(with, id)->closed = true;
	seen(with, id)->code = code;
	return 0;
}

static ssize_t upload_read(nghttp2_session *s, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
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

void client_open(struct client_side *c, struct world *w)
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

/* H2_TAPES=DIR records the beginning of what each client sends: seeds for fuzz_h2, which does not want the
 * connection preface but a byte in front (see there). */
static void client_record(struct client_side *c, const void *bytes, size_t len)
{
	static unsigned tapes;
	char path[256];

	if (!c->tape && getenv("H2_TAPES")) {
		snprintf(path, sizeof path, "%s/%s-%02u", getenv("H2_TAPES"), program_invocation_short_name, tapes++);
		c->tape = fopen(path, "w");
		check(c->tape && fputc(8, c->tape) == 8);
	}
	if (c->tape && (len != 24 || memcmp(bytes, "PRI", 3) != 0) && ftell(c->tape) < 2000)
		fwrite(bytes, 1, len < 2000 ? len : 2000, c->tape);
}

void client_close(struct client_side *c)
{
	if (c->tape)
		fclose(c->tape);
	nghttp2_session_del(c->session);
}

bool client_raw(struct client_side *c, const void *bytes, size_t len)
{
	const char *at = bytes;

	client_record(c, bytes, len);
	for (int timeout = 0; len && timeout < 10000; timeout++) {
		ssize_t n = send(c->w->peer, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0)
			at += n, len -= (size_t)n;
		if (len)
			loop_turn(c->w->loop, 0);
	}
	return len == 0;
}

void client_send(struct client_side *c)
{
	const uint8_t *bytes;
	ssize_t len;

	while ((len = nghttp2_session_mem_send(c->session, &bytes)) > 0)
		if (!client_raw(c, bytes, (size_t)len))
			return;
}

void client_receive(struct client_side *c)
{
	static uint8_t bytes[65536];
	ssize_t len;

	while (!c->greedless && (len = recv(c->w->peer, bytes, sizeof bytes, 0)) != -1) {
		c->over = c->over || len == 0;
		if (len <= 0 || nghttp2_session_mem_recv(c->session, bytes, (size_t)len) < 0)
			return;
	}
}

void client_turns(struct client_side *c, int turns)
{
	while (turns-- > 0) {
		client_send(c);
		loop_turn(c->w->loop, 0);
		client_receive(c);
	}
}

struct answer_seen *client_await(struct client_side *c, int32_t id)
{
	for (int i = 0; i < 20000 && !seen(c, id)->closed && !c->over; i++)
		client_turns(c, 1);
	return seen(c, id);
}

void client_until_over(struct client_side *c)
{
	for (int i = 0; i < 2000 && !c->over; i++)
		client_turns(c, 1);
}

nghttp2_nv nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
		                 NGHTTP2_NV_FLAG_NONE };
}

int32_t client_ask_with(struct client_side *c, const char *method, const char *path, struct upload *body,
                        const char *const *more)
{
	nghttp2_nv fields[700] = { nv(":method", method), nv(":scheme", "http"), nv(":authority", "example.com"),
		                       nv(":path", path) };
	nghttp2_data_provider source = { .source.ptr = body, .read_callback = upload_read };
	size_t len = 4;

	for (; more && *more && len < 700; more += 2)
		fields[len++] = nv(more[0], more[1]);
	return nghttp2_submit_request(c->session, NULL, fields, len, body ? &source : NULL, NULL);
}

int32_t client_ask(struct client_side *c, const char *method, const char *path, struct upload *body)
{
	return client_ask_with(c, method, path, body, NULL);
}
