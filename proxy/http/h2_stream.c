/* h2_stream.c -- one request on an HTTP/2 connection: its life, and its body in. */
#include "http/h2.h"
#include "base/check.h"

static struct loop *loop_of(const struct h2_stream *s)
{
	return s->h->c.server->loop;
}

/* ---- life ---- */

struct h2_stream *h2_stream_open(struct h2 *h, int32_t id)
{
	struct request *r = http_request_take(h->c.server, h->c.client_facts);

	if (!r)
		return NULL;
	struct h2_stream *s = arena_take(&r->arena, sizeof *s);
	check(s); /* the arena is sized for it */
	s->h = h;
	s->request = r;
	s->id = id;
	s->limit = UINT64_MAX;
	s->taken_ns = h->c.server->loop->now_ns;
	r->ops = &h2_ops;
	r->client = (struct client *)(void *)s;
	if (list_is_empty(&h->streams))
		h->looked_ns = s->taken_ns;
	list_push(&h->streams, &s->link);
	return s;
}

void h2_report(struct h2_stream *s)
{
	struct http_server *server = s->h->c.server;

	s->told = true;
	s->request->fault = s->fault;
	server->on_request(server->with, s->request);
}

void h2_drop(struct h2 *h, struct block *first)
{
	while (first) {
		struct block *next = first->next;
		block_give(h->c.server->loop, first);
		first = next;
	}
}

static void forget(struct h2_stream *s)
{
	if (s->h->heading == s)
		s->h->heading = NULL;
}

static void release(struct h2_stream *s)
{
	struct h2 *h = s->h;

	h->out_len -= s->out_len;
	h->opened -= s->opened;
	h2_drop(h, s->in);
	h2_drop(h, s->out);
	forget(s);
	list_remove(&s->link);
	if (list_is_empty(&h->streams))
		h->idle_ns = h->c.server->loop->now_ns;
	h2_touch(h);
	http_request_give(h->c.server, s->request);
}

/* A head that was cut off in its middle is told of too: a request like any other, for the log. */
static void report_stillborn(struct h2_stream *s, enum fault why)
{
	if (!s->fault)
		s->fault = (uint8_t)why;
	s->stillborn = fault_info[s->fault].status != 0;
	s->request->version = 20;
	if (!s->request->method.at)
		s->request->method = S("");
	if (!s->request->target.at)
		s->request->target = S("");
	h2_report(s);
}

void h2_stream_closes(struct h2_stream *s, enum fault why)
{
	if (s->closed)
		return;
	s->closed = true;
	forget(s);
	if (s->finished)
		release(s);
	else if (!s->told)
		report_stillborn(s, why);
	else
		request_wake(s->request);
}

/* The answer is whole, the rest of the body is not wanted: the stream goes on without its request. */
static void part(struct h2_stream *s)
{
	nghttp2_session_set_stream_user_data(s->h->session, s->id, NULL);
	h2_rest_add(s->h, s->id);
	release(s);
}

void h2_reset(struct h2_stream *s, uint32_t code)
{
	if (s->closed || s->aborted)
		return;
	s->aborted = true;
	nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, code);
	h2_touch(s->h);
}

void h2_stream_sent(struct h2_stream *s)
{
	s->sent = true;
	s->taken_ns = loop_of(s)->now_ns;
	if (!s->finished)
		request_wake(s->request);
	else if (!s->in_ended)
		part(s);
}

static void finish(struct request *r)
{
	struct h2_stream *s = h2_of(r);

	s->finished = true;
	if (s->closed) {
		release(s);
		return;
	}
	h2_drop(s->h, s->in);
	s->in = s->in_last = NULL;
	if (s->sent && !s->in_ended && !s->aborted)
		part(s);
	else if (!s->sent && !s->ended && !s->cut)
		h2_reset(s, NGHTTP2_INTERNAL_ERROR); /* nobody will complete it */
}

/* What its upstream cut goes out as far as it came, as it does over HTTP/1: the reset follows it. */
static void abort_answer(struct request *r)
{
	struct h2_stream *s = h2_of(r);

	if (r->fault != FAULT_UPSTREAM_CUT || !s->answered || s->bare || s->ended || s->closed || s->aborted) {
		h2_reset(s, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	s->cut = true;
	h2_resume(s);
}

static bool is_gone(const struct request *r)
{
	const struct h2_stream *s = h2_of(r);

	return s->closed && !s->sent && !s->stillborn; /* of a stillborn one the fault is the reason, not this */
}

static bool is_flushed(const struct request *r)
{
	const struct h2_stream *s = h2_of(r);

	return s->sent || s->closed;
}

static uint64_t taken_ns(const struct request *r)
{
	const struct h2_stream *s = h2_of(r);
	struct wire *w = s->h->c.wire;
	uint64_t moved = wire_taken_ns(w);

	/* with nothing of its own to take, or behind a backlog, it is held up by the whole connection */
	return (s->out_len == 0 || wire_backlog(w)) && moved > s->taken_ns ? moved : s->taken_ns;
}

static struct wire *tunnel(struct request *r, struct slice *unread)
{
	(void)r;
	*unread = S("");
	return NULL;
}

/* ---- the body in ---- */

static void is_fed(struct h2_stream *s)
{
	if (s->hungry && !s->finished)
		request_wake(s->request);
	s->hungry = false;
}

/* The window bounds what can be held. */
void h2_take_in(struct h2_stream *s, struct slice bytes)
{
	s->taken_ns = loop_of(s)->now_ns;
	while (bytes.len) {
		struct block *b = s->in_last;
		if (!b || b->to == BLOCK_SIZE) {
			b = block_take(loop_of(s));
			if (s->in_last)
				s->in_last->next = b;
			else
				s->in = b;
			s->in_last = b;
		}
		size_t n = slice_head(bytes, BLOCK_SIZE - b->to).len;
		memcpy(b->bytes + b->to, bytes.at, n);
		b->to += (uint32_t)n;
		bytes = slice_from(bytes, n);
	}
	is_fed(s);
}

void h2_in_ends(struct h2_stream *s)
{
	s->in_ended = true;
	s->h->opened -= s->opened;
	s->opened = false;
	is_fed(s);
}

static size_t copy_out(struct h2_stream *s, char *to, size_t cap)
{
	size_t len = 0;

	while (s->in && len < cap) {
		struct block *b = s->in;
		size_t n = b->to - b->from < cap - len ? b->to - b->from : cap - len;
		memcpy(to + len, b->bytes + b->from, n);
		len += n;
		b->from += (uint32_t)n;
		if (b->from < b->to)
			break;
		s->in = b->next;
		if (!s->in)
			s->in_last = NULL;
		block_give(loop_of(s), b);
	}
	return len;
}

static ssize_t nothing_left(struct h2_stream *s)
{
	if (s->in_ended)
		return BODY_END;
	if (s->closed || s->aborted)
		return BODY_BROKEN;
	s->hungry = true;
	return BODY_LATER;
}

/* The byte that completes a told length is kept until the end is known: DATA beyond it makes the whole
 * request malformed (RFC 9113 section 8.1.1), which must not be whole elsewhere by then. */
static size_t readable(const struct h2_stream *s, size_t cap)
{
	const struct request *r = s->request;

	if (s->in_ended || r->chunked || !r->content_length || s->got + cap < r->content_length)
		return cap;
	return s->got < r->content_length ? (size_t)(r->content_length - s->got - 1) : 0;
}

static ssize_t body_read(struct request *r, void *to, size_t cap)
{
	struct h2_stream *s = h2_of(r);

	if (r->has_body && !r->chunked && r->content_length > s->limit)
		return BODY_TOO_LONG;
	size_t len = copy_out(s, to, readable(s, cap));
	if (len == 0)
		return cap ? nothing_left(s) : BODY_LATER;
	s->got += len;
	r->body_in = s->got;
	if (!s->closed && !s->in_ended) {
		nghttp2_session_consume_stream(s->h->session, s->id, len);
		h2_touch(s->h);
	}
	return s->got > s->limit ? BODY_TOO_LONG : (ssize_t)len;
}

static bool trailers(const struct request *r, struct headers *to)
{
	const struct headers *from = &h2_of(r)->in_trailers;

	for (uint16_t i = 0; i < from->len; i++)
		if (!headers_add(to, from->at[i].name, from->at[i].value))
			return false;
	return from->len > 0;
}

static void body_limit(struct request *r, uint64_t bytes)
{
	h2_of(r)->limit = bytes;
}

static void body_open(struct request *r)
{
	struct h2_stream *s = h2_of(r);
	struct h2 *h = s->h;

	if (s->opened || s->closed || s->aborted || s->in_ended || h->opened >= H2_OPENED_MOST)
		return;
	s->opened = true;
	h->opened++;
	nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, s->id, H2_WINDOW_OPEN);
	h2_touch(h);
}

static void flush(struct request *r)
{
	h2_touch(h2_of(r)->h); /* it goes out at the end of this turn, with that of all other streams */
}

const struct client_ops h2_ops = {
	.body_read = body_read,
	.trailers = trailers,
	.body_limit = body_limit,
	.body_open = body_open,
	.say_continue = h2_say_continue,
	.head = h2_head,
	.early = h2_early,
	.room = h2_room,
	.body = h2_body,
	.end = h2_end,
	.flush = flush,
	.abort = abort_answer,
	.is_gone = is_gone,
	.is_flushed = is_flushed,
	.taken_ns = taken_ns,
	.tunnel = tunnel,
	.finish = finish,
};
