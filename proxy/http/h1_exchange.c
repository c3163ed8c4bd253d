/* h1_exchange.c -- one request and its answer on an HTTP/1.1 connection: the body in, the answer out. */
#include "http/h1.h"
#include "base/check.h"
#include "base/text.h"

static struct h1 *of(const struct request *r)
{
	return (struct h1 *)(void *)r->client;
}

/* ---- the body in ---- */

/* Unused bytes: those held, or else a block filled from the wire. Empty: *state says why. */
static struct slice bytes_at_hand(struct h1 *h, ssize_t *state)
{
	struct loop *l = h->c.server->loop;

	*state = 1;
	if (!h->in) {
		struct block *b = block_take(l);
		*state = wire_read(h->c.wire, b->bytes, BLOCK_SIZE);
		if (*state <= 0) {
			block_give(l, b);
			return S("");
		}
		b->to = (uint32_t)*state;
		h->in = b;
	}
	return (struct slice){ h->in->bytes + h->in->from, h->in->to - h->in->from };
}

static void use(struct h1 *h, size_t len)
{
	h->in->from += (uint32_t)len;
	if (h->in->from < h->in->to)
		return;
	block_give(h->c.server->loop, h->in);
	h->in = NULL;
}

/* Content straight from the wire, where no framing lies between. */
static ssize_t read_plain(struct h1 *h, struct h1_exchange *x, char *to, size_t cap)
{
	size_t most = x->body.left < cap ? (size_t)x->body.left : cap;
	ssize_t got = wire_read(h->c.wire, to, most);

	if (got <= 0)
		return got;
	x->body.left -= (uint64_t)got;
	x->body.ended = x->body.left == 0;
	return got;
}

static ssize_t read_framed(struct h1 *h, struct h1_exchange *x, char *to, size_t cap)
{
	ssize_t state = 1;
	size_t len = 0;

	while (len < cap && !x->body.ended) {
		struct slice bytes = bytes_at_hand(h, &state), content;
		if (!bytes.len)
			break;
		struct slice from = slice_head(bytes, cap - len); /* content beyond cap stays where it is */
		size_t offered = from.len;
		if (!body_decode(&x->body, &from, &content))
			return BODY_BROKEN;
		memcpy(to + len, content.at, content.len);
		len += content.len;
		use(h, offered - from.len);
		if (offered == from.len && content.len == 0)
			break;
	}
	if (len || x->body.ended)
		return (ssize_t)len;
	return state;
}

static ssize_t count_in(struct request *r, struct h1_exchange *x, ssize_t got)
{
	if (got == WIRE_END || got == WIRE_FAILED || got == BODY_BROKEN) {
		x->malformed = true;
		return BODY_BROKEN;
	}
	x->got += (uint64_t)got;
	r->body_in = x->got;
	if (x->got > x->limit)
		return BODY_TOO_LONG;
	return got == 0 && x->body.ended ? BODY_END : got;
}

static ssize_t body_read(struct request *r, void *to, size_t cap)
{
	struct h1 *h = of(r);
	struct h1_exchange *x = h->exchange;

	if (x->broken || x->malformed)
		return BODY_BROKEN;
	if (x->body.ended)
		return BODY_END;
	if (x->body.kind == BODY_LENGTH && x->body.left > x->limit - x->got)
		return BODY_TOO_LONG;
	if (x->body.kind == BODY_LENGTH && !h->in)
		return count_in(r, x, read_plain(h, x, to, cap));
	return count_in(r, x, read_framed(h, x, to, cap));
}

static bool trailers(const struct request *r, struct headers *to)
{
	const struct body *b = &of(r)->exchange->body;

	return b->ended && b->trailer_len && body_trailers(b, to) && to->len;
}

static void body_limit(struct request *r, uint64_t bytes)
{
	of(r)->exchange->limit = bytes;
}

static void body_open(struct request *r)
{
	(void)r; /* TCP's own window is all the flow control there is */
}

bool h1_swallow(struct h1 *h, struct h1_exchange *x)
{
	struct slice content;

	while (!x->body.ended && h->in) {
		struct slice from = { h->in->bytes + h->in->from, h->in->to - h->in->from };
		size_t offered = from.len;
		if (!body_decode(&x->body, &from, &content) || offered == from.len)
			return false;
		use(h, offered - from.len);
	}
	return x->body.ended;
}

/* ---- the answer out ---- */

static void say_continue(struct request *r)
{
	struct h1 *h = of(r);

	if (h->exchange->continued || h->exchange->answered || r->version < 11)
		return;
	h->exchange->continued = true;
	wire_write(h->c.wire, S("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void write_fields(struct text *t, const struct headers *fields)
{
	for (uint16_t i = 0; fields && i < fields->len; i++) {
		const struct header *f = &fields->at[i];
		if (!f->dropped)
			text_field(t, f->name, f->value);
	}
}

static void write_status(struct text *t, unsigned status)
{
	if (status == 200) {
		text_add(t, S("HTTP/1.1 200 OK\r\n"));
		return;
	}
	text_add(t, S("HTTP/1.1 "));
	text_u64(t, status);
	text_char(t, ' ');
	text_add(t, status_phrase(status));
	text_add(t, S("\r\n"));
}

static void write_framing(struct text *t, const struct request *r, struct h1_exchange *x,
                          const struct response *a)
{
	bool never = a->status < 200 || a->status == 204 || a->status == 304;

	if (a->has_length && !never) {
		text_add(t, S("Content-Length: "));
		text_u64(t, a->length);
		text_add(t, S("\r\n"));
	} else if (!a->no_body && !never && r->version >= 11) {
		x->chunked = true;
		text_add(t, S("Transfer-Encoding: chunked\r\n"));
	} else if (!a->no_body && !never) {
		x->close = true;
	}
}

static void write_connection(struct text *t, const struct request *r, const struct h1_exchange *x,
                             const struct response *a)
{
	if (a->status == 426 && headers_find(a->fields, HEADER_UPGRADE)) /* RFC 9110 section 7.8 */
		text_add(t, x->close ? S("Connection: Upgrade, close\r\n") : S("Connection: Upgrade\r\n"));
	else if (a->status == 101)
		text_add(t, S("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	else if (x->close)
		text_add(t, S("Connection: close\r\n"));
	else if (r->version == 10)
		text_add(t, S("Connection: keep-alive\r\n"));
}

static bool ends_after(struct h1 *h, const struct request *r, const struct response *a)
{
	const struct http_server *s = h->c.server;
	bool own = r->fault || r->answer.status;

	return a->close || r->client_close || s->draining || h->requests >= s->config->root.http.requests_max ||
	       (own && !h1_swallow(h, h->exchange));
}

static bool head(struct request *r, const struct response *a)
{
	struct h1 *h = of(r);
	struct h1_exchange *x = h->exchange;
	struct text t = { .at = h->c.server->loop->scratch_head, .cap = SCRATCH_SIZE };

	check(!x->answered);
	x->answered = true;
	x->close = a->status != 101 && ends_after(h, r, a);
	write_status(&t, a->status);
	write_fields(&t, a->fields);
	write_framing(&t, r, x, a);
	write_connection(&t, r, x, a);
	text_add(&t, S("\r\n"));
	x->pending = arena_copy(&r->arena, text_slice(&t));
	if (t.cut || !x->pending.at) {
		x->broken = true;
		return false;
	}
	if (a->status == 101) {
		h1_move(h, H1_TUNNEL);
		http_request_tunnels(h->c.server, r);
	}
	return true;
}

static bool early(struct request *r, const struct response *a)
{
	struct h1 *h = of(r);
	struct text t = { .at = h->c.server->loop->scratch_head, .cap = SCRATCH_SIZE };

	if (h->exchange->answered || r->version < 11)
		return true;
	write_status(&t, a->status);
	write_fields(&t, a->fields);
	text_add(&t, S("\r\n"));
	return !t.cut && wire_write(h->c.wire, text_slice(&t));
}

static size_t room(const struct request *r)
{
	return wire_room(of(r)->c.wire);
}

/* Head, chunk header, content and chunk end leave in one call where they fit the scratch buffer. */
static bool write_gathered(struct h1 *h, struct h1_exchange *x, struct slice content, struct slice last)
{
	struct loop *l = h->c.server->loop;
	struct text t = { .at = l->scratch_out, .cap = SCRATCH_SIZE };
	char size[18];
	bool framed = x->chunked && content.len;

	text_add(&t, x->pending);
	x->pending.len = 0;
	if (framed)
		text_add(&t, (struct slice){ size, chunk_head(content.len, size) });
	if (content.len + 2 + last.len > t.cap - t.len) {
		if (!wire_write(h->c.wire, text_slice(&t)) || !wire_write(h->c.wire, content))
			return false;
		t.len = 0;
	} else {
		text_add(&t, content);
	}
	if (framed)
		text_add(&t, S("\r\n"));
	text_add(&t, last);
	return wire_write(h->c.wire, text_slice(&t));
}

static bool body(struct request *r, struct slice bytes)
{
	struct h1 *h = of(r);
	struct h1_exchange *x = h->exchange;

	r->body_out += bytes.len;
	if (!x->pending.len && !x->chunked)
		return wire_write(h->c.wire, bytes);
	return write_gathered(h, x, bytes, S(""));
}

static bool end(struct request *r, const struct headers *trailers)
{
	struct h1 *h = of(r);
	struct h1_exchange *x = h->exchange;
	struct text t = { .at = h->c.server->loop->scratch_head, .cap = SCRATCH_SIZE };

	x->ended = true;
	if (x->chunked) {
		text_add(&t, S("0\r\n"));
		write_fields(&t, trailers);
		text_add(&t, S("\r\n"));
	}
	if (!x->pending.len && !t.len)
		return true;
	return write_gathered(h, x, S(""), text_slice(&t));
}

static void flush(struct request *r)
{
	struct h1 *h = of(r);

	if (h->exchange->pending.len)
		write_gathered(h, h->exchange, S(""), S(""));
}

static void abort_answer(struct request *r)
{
	struct h1 *h = of(r);

	h->exchange->broken = true;
	if (r->fault == FAULT_CLIENT_STALLED)
		wire_abandon(h->c.wire);
}

static bool is_gone(const struct request *r)
{
	const struct h1 *h = of(r);

	return h->c.wire->failed || h->c.wire->write_failed || h->c.wire->ended || h->exchange->broken ||
	       (h->c.wire->hung_up && h->state != H1_TUNNEL);
}

static bool is_flushed(const struct request *r)
{
	return of(r)->exchange->pending.len == 0 && wire_backlog(of(r)->c.wire) == 0;
}

static uint64_t taken_ns(const struct request *r)
{
	return wire_taken_ns(of(r)->c.wire);
}

static struct wire *tunnel(struct request *r, struct slice *unread)
{
	struct h1 *h = of(r);

	flush(r); /* the 101 goes before whatever comes through the tunnel */
	*unread = h->in ? (struct slice){ h->in->bytes + h->in->from, h->in->to - h->in->from } : S("");
	return h->c.wire;
}

static void finish(struct request *r)
{
	h1_next(of(r));
}

const struct client_ops h1_ops = {
	.body_read = body_read,
	.trailers = trailers,
	.body_limit = body_limit,
	.body_open = body_open,
	.say_continue = say_continue,
	.head = head,
	.early = early,
	.room = room,
	.body = body,
	.end = end,
	.flush = flush,
	.abort = abort_answer,
	.is_gone = is_gone,
	.is_flushed = is_flushed,
	.taken_ns = taken_ns,
	.tunnel = tunnel,
	.finish = finish,
};
