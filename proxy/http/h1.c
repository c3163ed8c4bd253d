/* h1.c -- a connection's states: reading heads, lingering, leaving. The exchange itself is in h1_exchange.c.
 */
#include "http/h1.h"
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include <stdlib.h>

void h1_move(struct h1 *h, enum h1_state to)
{
	static const uint8_t legal[] = {
		[H1_IDLE] = 1 << H1_HEAD | 1 << H1_REQUEST | 1 << H1_LINGER | 1 << H1_GONE,
		[H1_HEAD] = 1 << H1_REQUEST | 1 << H1_LINGER | 1 << H1_GONE,
		[H1_REQUEST] = 1 << H1_IDLE | 1 << H1_TUNNEL | 1 << H1_LINGER | 1 << H1_GONE,
		[H1_TUNNEL] = 1 << H1_LINGER | 1 << H1_GONE,
		[H1_LINGER] = 1 << H1_GONE,
		[H1_GONE] = 0,
	};

	check(legal[h->state] & 1 << to);
	h->state = (uint8_t)to;
}

static void timeout(struct h1 *h, uint64_t ns)
{
	struct loop *l = h->c.server->loop;

	deadline_set(&l->wheel, &h->c.deadline, l->now_ns + ns);
}

void h1_close(struct h1 *h)
{
	struct http_server *s = h->c.server;

	check(!h->request);
	h1_move(h, H1_GONE);
	deadline_clear(&s->loop->wheel, &h->c.deadline);
	if (h->in)
		block_give(s->loop, h->in);
	list_remove(&h->c.link);
	s->connections_len--;
	wire_close(h->c.wire);
	s->on_closed(s->with, h->c.client_facts);
	free(h);
}

static void linger(struct h1 *h, uint64_t quiet_ns)
{
	h1_move(h, H1_LINGER);
	wire_shut(h->c.wire);
	h->linger_ns = quiet_ns;
	h->linger_until_ns = h->c.server->loop->now_ns + H1_LINGER_MOST_NS;
	timeout(h, quiet_ns);
	wire_nudge(h->c.wire);
}

/* The end, once all that we said has left: until then it is ours, and counted. */
static void leave_when_sent(struct h1 *h)
{
	struct wire *w = h->c.wire;
	uint64_t now = h->c.server->loop->now_ns;

	bool unsent = wire_unsent(w) > 0;

	h->deaf = true;
	if (unsent && now < w->moved_ns + h->c.server->config->root.timeouts.write_stall) {
		timeout(h, H1_LOOK_NS);
		return;
	}
	if (unsent)
		wire_abandon(w);
	h1_close(h);
}

/* The answer was cut and must not look like a whole one: no goodbye, and the end once its bytes have left. */
static void leave_cut(struct h1 *h)
{
	h1_move(h, H1_LINGER);
	leave_when_sent(h);
}

static void discard(struct h1 *h)
{
	struct loop *l = h->c.server->loop;
	size_t total = 0;
	ssize_t got = WIRE_LATER;

	while (total < H1_LINGER_TURN && (got = wire_read(h->c.wire, l->scratch_in, SCRATCH_SIZE)) > 0)
		total += (size_t)got;
	if (got < 0) {
		leave_when_sent(h);
		return;
	}
	uint64_t left = h->linger_until_ns > l->now_ns ? h->linger_until_ns - l->now_ns : 0;
	if (total)
		timeout(h, h->linger_ns < left ? h->linger_ns : left);
	if (got > 0)
		wire_nudge(h->c.wire);
}

/* The target of a request line, empty where there is none. */
static struct slice target_in(struct slice line)
{
	slice_cut(&line, ' ');
	return slice_cut(&line, ' ');
}

/* Nothing can be taken for this request: say so without one. */
static void refuse_unborn(struct h1 *h, enum fault why, struct slice line)
{
	unsigned status = http_unborn(h->c.server, why, target_in(line));
	char store[1024], problem[256];
	struct text t = TEXT(store), body = TEXT(problem);

	text_add(&body, S("{\"title\":\""));
	text_add(&body, slice_of(fault_info[why].text));
	text_add(&body, S("\",\"status\":503,\"retry_after\":2}"));
	text_add(&t, S("HTTP/1.1 "));
	text_u64(&t, status);
	text_char(&t, ' ');
	text_add(&t, status_phrase(status));
	text_add(&t, S("\r\nContent-Type: application/problem+json\r\nRetry-After: 2\r\n"
	               "Cache-Control: no-store\r\nConnection: close\r\n"));
	text_field(&t, S("Sallyport-Reason"), slice_of(fault_info[why].code));
	if (status != 503)
		text_field(&t, S("Sallyport-Status"), S("503"));
	text_add(&t, S("Content-Length: "));
	text_u64(&t, body.len);
	text_add(&t, S("\r\n\r\n"));
	text_add(&t, text_slice(&body));
	check(!t.cut && !body.cut);
	wire_write(h->c.wire, text_slice(&t));
	linger(h, H1_LINGER_NS);
}

static void wait_for_more(struct h1 *h)
{
	if (h->state != H1_IDLE)
		return;
	h1_move(h, H1_HEAD);
	timeout(h, h->c.server->config->root.timeouts.header);
}

/* The head lies in memory that will be used again: moves it, and all slices into it, to the request's arena.
 */
static bool settle_head(struct request *r, struct slice head)
{
	struct slice to = arena_copy(&r->arena, head);

	if (!to.at)
		return false;
	r->method.at = to.at + (r->method.at - head.at);
	r->target.at = to.at + (r->target.at - head.at);
	for (uint16_t i = 0; i < r->headers.len; i++) {
		struct header *f = &r->headers.at[i];
		f->name.at = to.at + (f->name.at - head.at);
		f->value.at = to.at + (f->value.at - head.at);
	}
	return true;
}

static void begin(struct h1 *h, struct request *r)
{
	struct h1_exchange *x = arena_room(&r->arena, sizeof *x);

	check(x); /* the arena is sized for it */
	memset(x, 0, offsetof(struct h1_exchange, body.trailer));
	h->request = r;
	h->exchange = x;
	h->requests++;
	r->ops = &h1_ops;
	r->client = (struct client *)h;
	x->limit = UINT64_MAX;
	body_init(&x->body,
	          !r->has_body ? BODY_NONE
	          : r->chunked ? BODY_CHUNKED
	                       : BODY_LENGTH,
	          r->content_length);
	h1_move(h, H1_REQUEST);
	deadline_clear(&h->c.server->loop->wheel, &h->c.deadline);
	h->c.server->on_request(h->c.server->with, r);
}

/* Keeps what was not used of `bytes`, which lie in the scratch buffer or in h->in. */
static void keep_rest(struct h1 *h, struct slice bytes, size_t used)
{
	if (h->in) {
		h->in->from += (uint32_t)used;
		if (h->in->from == h->in->to) {
			block_give(h->c.server->loop, h->in);
			h->in = NULL;
		}
		return;
	}
	if (bytes.len == used)
		return;
	h->in = block_take(h->c.server->loop);
	h->in->to = (uint32_t)(bytes.len - used);
	memcpy(h->in->bytes, bytes.at + used, bytes.len - used);
}

static void head_is_bad(struct h1 *h, struct request *r, enum fault why)
{
	r->fault = (uint8_t)why;
	r->has_body = false;
	r->client_close = true;
	if (!r->method.at || !r->target.at) /* nothing readable: the log says so with empty fields */
		r->method = r->target = S("");
	if (h->in)
		block_give(h->c.server->loop, h->in);
	h->in = NULL;
	begin(h, r);
}

static void parse(struct h1 *h, struct slice bytes)
{
	const struct config_http *o = &h->c.server->config->root.http;
	struct head_bounds bounds = { (size_t)o->head_max, (size_t)o->target_max, (uint16_t)o->headers_max };
	struct request *r = http_request_take(h->c.server, h->c.client_facts);
	enum fault why = FAULT_NONE;
	size_t len = 0;

	if (!r) {
		struct slice line = slice_head(bytes, slice_find(bytes, '\n'));
		if (line.len < bytes.len || bytes.len >= BLOCK_SIZE) {
			refuse_unborn(h, (enum fault)h->c.server->why_unborn, line);
			return;
		}
		keep_rest(h, bytes, 0); /* who asks is known by the whole line */
		wait_for_more(h);
		return;
	}
	enum head_result result = head_read_request(bytes, &bounds, &h->seen, r, &len, &why);
	if (result == HEAD_MORE) {
		http_request_give(h->c.server, r);
		keep_rest(h, bytes, 0);
		wait_for_more(h);
		return;
	}
	h->seen = 0;
	if (!settle_head(r, slice_head(bytes, result == HEAD_DONE ? len : bytes.len)))
		why = FAULT_HEAD_TOO_BIG;
	if (result == HEAD_BAD || why != FAULT_NONE) {
		head_is_bad(h, r, why);
		return;
	}
	keep_rest(h, bytes, len);
	r->fault = (uint8_t)request_check(r);
	begin(h, r);
}

/* How many more bytes may lie behind those held: a head that fills its block gets another one, up to its
 * bound. */
static size_t room_for_more(struct h1 *h)
{
	const struct config_http *o = &h->c.server->config->root.http;

	if (!h->in)
		return BLOCK_SIZE;
	if (h->in->to == h->in->cap && h->in->cap < o->head_max)
		h->in = block_grow(h->c.server->loop, h->in);
	return h->in->cap - h->in->to;
}

/* More bytes behind those held; false where there are none to parse again. */
static bool read_more(struct h1 *h, struct slice *bytes)
{
	struct loop *l = h->c.server->loop;
	size_t have = 0;

	if (h->in) {
		have = h->in->to - h->in->from;
		memmove(h->in->bytes, h->in->bytes + h->in->from, have);
		h->in->from = 0;
		h->in->to = (uint32_t)have;
	}
	size_t room = room_for_more(h);
	char *to = h->in ? h->in->bytes : l->scratch_in;
	ssize_t got = room ? wire_read(h->c.wire, to + have, room) : WIRE_LATER;
	if (got < 0) {
		if (got == WIRE_END && wire_unsent(h->c.wire)) /* it still listens */
			linger(h, H1_LINGER_NS);
		else
			h1_close(h);
		return false;
	}
	if (h->in)
		h->in->to += (uint32_t)got;
	*bytes = (struct slice){ to, have + (size_t)got };
	return got > 0;
}

static void read_head(struct h1 *h)
{
	struct slice bytes;

	/* whoever does not take its answers is not asked what else it wants */
	if (h->state == H1_IDLE && wire_backlog(h->c.wire) >= WIRE_HIGH)
		return;
	if (h->state == H1_IDLE && h->in) { /* pipelined: try what is here before asking for more */
		struct slice held = { h->in->bytes + h->in->from, h->in->to - h->in->from };
		parse(h, held);
		if (h->state != H1_HEAD)
			return;
	}
	while (read_more(h, &bytes)) {
		parse(h, bytes);
		if (h->state != H1_HEAD || !wire_is_readable(h->c.wire)) /* else it filled its block, and goes on */
			return;
	}
}

static void on_ready(struct wire *w)
{
	struct h1 *h = w->owner;

	h->c.server->on_touch(h->c.server->with, h->c.client_facts);
	switch ((enum h1_state)h->state) {
	case H1_IDLE:
	case H1_HEAD:
		read_head(h);
		break;
	case H1_REQUEST:
		if (w->readable && !w->hung_up) /* where its upstream takes nothing, nobody reads */
			wire_look(w);
		request_wake(h->request);
		break;
	case H1_TUNNEL:
		request_wake(h->request);
		break;
	case H1_LINGER:
		if (!h->deaf)
			discard(h);
		break;
	case H1_GONE:
		break;
	}
}

static void on_due(struct deadline *d)
{
	struct h1 *h = list_entry(d, struct h1, c.deadline);
	struct request *r;

	if (h->state == H1_IDLE)
		linger(h, H1_LINGER_NS);
	else if (h->state == H1_LINGER)
		leave_when_sent(h);
	else if (h->state == H1_HEAD && (r = http_request_take(h->c.server, h->c.client_facts)))
		head_is_bad(h, r, FAULT_HEADER_TIMEOUT);
	else
		h1_close(h);
}

void h1_next(struct h1 *h)
{
	struct http_server *s = h->c.server;
	struct h1_exchange *x = h->exchange;
	bool tunnel = h->state == H1_TUNNEL, whole = x->answered && x->ended && !x->broken;
	bool stay = whole && !tunnel && !x->close && h1_swallow(h, x);
	bool unwanted = !tunnel && !x->body.ended;

	http_request_give(s, h->request);
	h->request = NULL;
	h->exchange = NULL;
	if (h->c.wire->failed || h->c.wire->abandoned || h->killed) {
		h1_close(h);
		return;
	}
	if (!whole && !tunnel) {
		leave_cut(h);
		return;
	}
	if (!stay) {
		linger(h, unwanted ? H1_LINGER_BODY_NS : H1_LINGER_NS);
		return;
	}
	h1_move(h, H1_IDLE);
	timeout(h, s->draining ? H1_DRAIN_NS : s->config->root.timeouts.idle);
	if (h->in || wire_is_readable(h->c.wire))
		wire_nudge(h->c.wire);
}

static void drain(struct http_connection *c)
{
	struct h1 *h = (struct h1 *)c;

	if (h->state == H1_IDLE)
		timeout(h, H1_DRAIN_NS);
}

static void kill(struct http_connection *c)
{
	struct h1 *h = (struct h1 *)c;

	h->killed = true;
	if (h->request) {
		h->exchange->broken = true;
		request_wake(h->request);
		return;
	}
	h1_close(h);
}

/* A request that is here, read or not, is answered first; of a head that is not whole nobody waits for. */
static bool give_way(struct http_connection *c)
{
	struct h1 *h = (struct h1 *)c;

	if (h->request || (h->state == H1_IDLE && (h->in || wire_is_readable(c->wire))) ||
	    !http_is_quiet(c->server, c->wire))
		return false;
	wire_shut(c->wire);
	h1_close(h);
	return true;
}

struct http_connection *http_serve_h1(struct http_server *s, struct wire *w, struct client_facts *v)
{
	struct h1 *h = calloc(1, sizeof *h);

	check(h);
	h->c = (struct http_connection){
		.server = s, .wire = w, .client_facts = v, .drain = drain, .kill = kill, .give_way = give_way
	};
	deadline_init(&h->c.deadline, on_due);
	list_push(&s->connections, &h->c.link);
	s->connections_len++;
	w->owner = h;
	w->on_ready = on_ready;
	timeout(h, s->config->root.timeouts.idle);
	if (wire_is_readable(w))
		wire_nudge(w);
	return &h->c;
}
