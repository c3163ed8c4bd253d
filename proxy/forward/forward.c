/* forward.c -- FORWARD and RESPOND of one request: choose, connect, send, wait for the head, pump, settle. */
#include "forward/inside.h"
#include "base/check.h"
#include "base/log.h"
#include "metrics/metrics.h"

#define RETRIES 1       /* of one request, out of the budget */
#define INTERIM_MOST 64 /* interim heads before the answer; more are a flood */

static bool is_idempotent(struct slice m) /* RFC 9110 section 9.2.2 */
{
	return slice_same(m, S("GET")) || slice_same(m, S("HEAD")) || slice_same(m, S("OPTIONS")) ||
	       slice_same(m, S("TRACE")) || slice_same(m, S("PUT")) || slice_same(m, S("DELETE"));
}

static struct upstream *upstream_of(struct forward *f, const struct request *r)
{
	for (size_t i = 0; i < f->upstreams_len; i++)
		if (slice_same(f->upstreams[i].config->id, r->route->upstream))
			return &f->upstreams[i];
	return NULL;
}

static void release(struct upstream_call *p, bool keep)
{
	struct link *l = p->link;

	if (!l)
		return;
	p->link = NULL;
	l->endpoint->in_flight--;
	if (keep)
		link_keep(l);
	else
		link_close(l);
}

/* May it be tried once more? Takes from the budget where it may. */
static bool may_retry(struct request *r, struct upstream_call *p)
{
	if (p->retries >= RETRIES || p->upstream->retry_tenths < 10)
		return false;
	p->retries++;
	p->upstream->retry_tenths -= 10;
	r->retried = true;
	metrics_add(p->upstream->series_retries, 1);
	return true;
}

/* The endpoint tried last is not tried again. False: no memory to remember it in. */
static bool give_up(struct request *r, struct upstream_call *p)
{
	size_t i = (size_t)(p->endpoint - p->upstream->endpoints), words = (p->upstream->endpoints_len + 63) / 64;

	if (!p->tried)
		p->tried = arena_take(&r->arena, words * sizeof *p->tried);
	if (p->tried)
		p->tried[i / 64] |= UINT64_C(1) << i % 64;
	return p->tried;
}

/* No connection, and no byte of the request was written: another endpoint may have it. One that refuses costs
 * nothing; anything else may have cost the endpoint some work. Where it was sent before, by a connection that
 * ended, this endpoint may have died of it, or of its neighbours: no other one gets it. */
static bool may_go_elsewhere(struct request *r, struct upstream_call *p, enum link_result how)
{
	static const uint8_t outcomes[] = {
		[LINK_REFUSED] = CONNECT_REFUSED, [LINK_FAILED] = CONNECT_REFUSED, [LINK_TLS] = CONNECT_TLS
	};

	metrics_add(p->upstream->series_connect[outcomes[how]], 1);
	balance_failed(p->endpoint, how == LINK_REFUSED);
	if (p->written || !give_up(r, p) || !balance_choose(p->upstream, p->tried))
		return false;
	return how == LINK_REFUSED || may_retry(r, p);
}

static enum step_result ready(struct request *r, struct upstream_call *p)
{
	if (!head_write(r, p))
		return request_fail(r, FAULT_HEAD_TOO_BIG);
	p->state = CALL_WAIT_HEAD;
	p->written = true;
	p->sent_ns = r->loop->now_ns;
	r->marks_ns[MARK_SENT] = r->loop->now_ns;
	r->ops->body_open(r);
	if (r->expects_continue)
		r->ops->say_continue(r);
	return GO_ON;
}

static enum step_result fail(struct request *r, enum link_result how)
{
	return request_fail(r, how == LINK_TLS ? FAULT_UPSTREAM_TLS : FAULT_UPSTREAM_REFUSED);
}

/* A connection to the endpoint chosen; `fresh`: a new one. */
static enum link_result reach(struct request *r, struct upstream_call *p, bool fresh)
{
	enum link_result how;

	p->tried_ns = r->loop->now_ns;
	r->endpoint = p->endpoint->text;
	how = link_take(p->endpoint, r, fresh, &p->link);
	if (p->link)
		link_uses(p->endpoint);
	return how;
}

/* An endpoint and a connection to it; `same`: on the endpoint tried before, by a new connection. */
static enum step_result choose(struct request *r, struct upstream_call *p, bool same)
{
	for (;;) {
		if (!same)
			p->endpoint = balance_choose(p->upstream, p->tried);
		enum link_result how = reach(r, p, same);
		switch (how) {
		case LINK_READY:
			return ready(r, p);
		case LINK_WAIT:
			p->state = CALL_CONNECT;
			return WAIT;
		case LINK_FULL:
			return request_fail(r, FAULT_UPSTREAM_FULL);
		case LINK_NO_ADDRESS:
			return request_fail(r, FAULT_NO_UPSTREAM);
		default:
			release(p, false);
			if (!may_go_elsewhere(r, p, how))
				return fail(r, how);
		}
	}
}

static enum step_result connecting(struct request *r, struct upstream_call *p)
{
	enum link_result how = link_progress(p->link);

	if (how == LINK_WAIT)
		return WAIT;
	if (how == LINK_READY)
		return ready(r, p);
	release(p, false);
	return may_go_elsewhere(r, p, how) ? choose(r, p, false) : fail(r, how);
}

/* The connection ended before a response byte. A kept one that the upstream had closed is nobody's fault. */
static enum step_result converse(struct request *r, struct upstream_call *p);

static enum step_result ended_early(struct request *r, struct upstream_call *p)
{
	bool reused = p->link->reused, clean = !p->in || p->in->to == 0;

	release(p, false);
	if (reused && clean && !p->interim && !p->beyond_stash && is_idempotent(r->method) && may_retry(r, p)) {
		p->stash_used = 0;
		p->up_done = false;
		enum step_result result = choose(r, p, true);
		return result == GO_ON ? converse(r, p) : result; /* ready at once: its answer is yet to come */
	}
	balance_failed(p->endpoint, false);
	return request_fail(r, clean ? FAULT_UPSTREAM_RESET : FAULT_UPSTREAM_NONSENSE);
}

/* It is a tunnel now, or will never be one. */
static void end_upgrade(struct upstream_call *p)
{
	p->upstream->forward->upgrades_len -= p->upgrades;
	p->upgrades = false;
}

static enum step_result got_head(struct request *r, struct upstream_call *p)
{
	struct answer_head *h = &p->head;
	bool tunnel = h->status == 101;

	end_upgrade(p);
	balance_answered(p->link->endpoint, r->loop->now_ns - p->sent_ns);
	metrics_add(p->upstream->series_status[h->status / 100 < 6 ? h->status / 100 : 0], 1);
	r->status = h->status;
	if (tunnel && !r->upgrade_websocket)
		return request_fail(r, FAULT_UPSTREAM_NONSENSE);
	body_init(&p->body,
	          h->no_body      ? BODY_NONE
	          : h->chunked    ? BODY_CHUNKED
	          : h->has_length ? BODY_LENGTH
	                          : BODY_UNTIL_CLOSE,
	          h->length);
	p->state = tunnel ? CALL_TUNNEL : CALL_BODIES;
	return tunnel ? GO_ON : pump_first(r, p);
}

/* 100 and 102 are between the upstream and us; 103 is passed on (RFC 8297). */
static void interim(struct request *r, struct upstream_call *p)
{
	struct response early = { .status = p->head.status, .fields = &p->head.headers, .no_body = true };

	p->interim++;
	if (p->head.status != 103 || r->ops->room(r) == 0)
		return; /* only a hint */
	request_strip_answer(r, &p->head.headers, p->head.status);
	r->ops->early(r, &early);
}

/* Too big a head is our bound, and no sign that the endpoint is ill. */
static enum step_result head_is_bad(struct request *r, struct upstream_call *p)
{
	if (p->head.too_big)
		return request_fail(r, FAULT_UPSTREAM_HEAD_TOO_BIG);
	balance_failed(p->link->endpoint, false);
	return request_fail(r, FAULT_UPSTREAM_NONSENSE);
}

/* Whole heads among the bytes held; WAIT where none is. */
static enum step_result parse_head(struct request *r, struct upstream_call *p)
{
	const struct config_http *o = &r->config->root.http;
	struct head_bounds bounds = { .head_max = (size_t)o->answer_head_max,
		                          .fields_max = (uint16_t)o->answer_headers_max };
	bool head = slice_same(r->method, S("HEAD"));

	while (p->in->from < p->in->to) {
		struct slice bytes = { p->in->bytes + p->in->from, p->in->to - p->in->from };
		size_t len = 0;
		switch (head_read_answer(bytes, &bounds, &p->seen, head, &p->head, &len)) {
		case HEAD_MORE:
			return WAIT;
		case HEAD_BAD:
			return head_is_bad(r, p);
		case HEAD_DONE:
			break;
		}
		p->in->from += (uint32_t)len;
		p->seen = 0;
		if (p->head.status >= 200 || p->head.status == 101)
			return got_head(r, p);
		if (p->interim == INTERIM_MOST) {
			balance_failed(p->link->endpoint, false);
			return request_fail(r, FAULT_UPSTREAM_NONSENSE);
		}
		interim(r, p);
		p->head.headers.len = 0;
	}
	return WAIT;
}

/* Space behind the bytes held. None is longer than its bound, since parse_head has looked at it. */
static void make_space(struct request *r, struct upstream_call *p)
{
	struct block *b = p->in ? p->in : block_take(r->loop);

	if (b->from == b->to)
		b->from = b->to = 0;
	if (b->to == b->cap && b->from) {
		memmove(b->bytes, b->bytes + b->from, b->to - b->from);
		b->to -= b->from;
		b->from = 0;
	}
	p->in = b->to == b->cap ? block_grow(r->loop, b) : b;
}

static enum step_result read_head(struct request *r, struct upstream_call *p)
{
	for (;;) {
		make_space(r, p);
		ssize_t got = wire_read(p->link->wire, p->in->bytes + p->in->to, p->in->cap - p->in->to);
		if (got == WIRE_LATER)
			return WAIT;
		if (got < 0)
			return ended_early(r, p);
		p->in->to += (uint32_t)got;
		enum step_result result = parse_head(r, p);
		if (result != WAIT)
			return result;
	}
}

/* The connection is ready: the body goes up, the head of the answer is waited for. */
static enum step_result converse(struct request *r, struct upstream_call *p)
{
	enum step_result result =
	    r->upgrade_websocket ? GO_ON : pump_up(r, p); /* a tunnel's bytes wait for the 101 */

	return result == ANSWER || result == HANG_UP ? result : read_head(r, p);
}

static enum step_result start(struct forward *f, struct request *r)
{
	struct upstream_call *p = arena_room(&r->arena, sizeof *p);
	size_t fields = r->config->root.http.answer_headers_max;

	if (p)
		memset(p, 0, offsetof(struct upstream_call, body.trailer));
	if (!p || !(p->head.headers.at = arena_room(&r->arena, (fields + 16) * sizeof(struct header))))
		return request_fail(r, FAULT_HEAD_TOO_BIG);
	p->head.headers.cap = (uint16_t)(fields + 16); /* room for what respond/ adds */
	list_init(&p->tunnel_link);
	r->call = p;
	p->upstream = upstream_of(f, r);
	check(p->upstream); /* config/ refuses a route to nowhere */
	r->upstream = p->upstream->config->id;
	if (p->upstream->retry_tenths < 100)
		p->upstream->retry_tenths++;
	request_strip(r);
	if (r->upgrade_websocket && !forward_has_room(f))
		return request_fail(r, FAULT_TUNNELS_FULL);
	p->upgrades = r->upgrade_websocket;
	f->upgrades_len += p->upgrades;
	return GO_ON;
}

/* What may be sent again is gathered first; so is an empty body whose end is not there yet (HTTP/2): its head
 * alone would be the whole request for the upstream. */
static bool gathers(const struct request *r)
{
	return r->has_body && (is_idempotent(r->method) || (!r->chunked && !r->content_length));
}

enum step_result forward_enter(struct forward *f, struct request *r)
{
	struct upstream_call *p = r->call;
	enum step_result result = GO_ON;

	if (!p) {
		result = start(f, r);
		p = r->call;
	}
	if (result == GO_ON && p->state == CALL_START) {
		result = gathers(r) ? http_stash(r) : GO_ON;
		r->marks_ns[MARK_GATHERED] = r->loop->now_ns;
		if (result == GO_ON)
			result = choose(r, p, false);
	} else if (result == GO_ON && p->state == CALL_CONNECT) {
		result = connecting(r, p);
	}
	if (result != GO_ON)
		return result;
	return converse(r, p);
}

void forward_leave(struct forward *f, struct request *r)
{
	(void)f;
	if (r->call)
		release(r->call, false);
}

struct answer_head *forward_head(struct request *r)
{
	return &r->call->head;
}

enum step_result forward_pump(struct forward *f, struct request *r)
{
	struct upstream_call *p = r->call;

	if (p->state == CALL_TUNNEL) {
		if (list_is_empty(&p->tunnel_link))
			tunnel_begins(f, p);
		return pump_tunnel(r, p);
	}
	enum step_result up = p->up_done ? GO_ON : pump_up(r, p);
	if (up == ANSWER || up == HANG_UP)
		return HANG_UP; /* the answer has begun: it can only be cut */
	enum step_result down = p->down_done ? GO_ON : pump_down(r, p);
	/* an answer that came before the body's end stands; http/ discards what is left of the body */
	return down;
}

bool forward_try_another(struct forward *f, struct request *r)
{
	struct upstream_call *p = r->call;

	(void)f;
	if (p->state == CALL_START || r->ops->is_gone(r))
		return false;
	balance_failed(p->endpoint, false);
	if (p->state != CALL_CONNECT)
		return false;
	metrics_add(p->upstream->series_connect[CONNECT_TIMEOUT], 1);
	if (p->written || !give_up(r, p) || !balance_choose(p->upstream, p->tried) || !may_retry(r, p))
		return false;
	release(p, false);
	p->state = CALL_START;
	return true;
}

void forward_settle(struct forward *f, struct request *r)
{
	struct upstream_call *p = r->call;

	if (!p)
		return;
	if (p->state == CALL_WAIT_HEAD && p->up_done)
		balance_waited(p->endpoint, r->loop->now_ns - p->sent_ns);
	end_upgrade(p);
	if (!list_is_empty(&p->tunnel_link)) {
		list_remove(&p->tunnel_link);
		f->tunnels_len--;
	}
	pump_swallow(r, p);
	bool whole = p->state == CALL_BODIES && p->up_done && p->down_done && p->head.keep && !p->unread_sent &&
	             p->in->from == p->in->to && p->body.kind != BODY_UNTIL_CLOSE;
	release(p, whole);
	pump_free(r, p);
	p->state = CALL_OVER;
}
