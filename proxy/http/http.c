/* http.c -- what both protocols share: the pool of requests, the way in, the way out. */
#include "http/http.h"
#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include "http/h2_memory.h"
#include "metrics/metrics.h"
#include <stdlib.h>

/* A request and its arena are one piece of memory, taken newest first. Beyond KEPT free ones they go back to
 * malloc. */
#define KEPT 1024

#define BODY_GRACE_NS (10 * NS_PER_S) /* before timeouts.body_rate is asked for */

struct pooled {
	struct pooled *next;
	struct request request;
	_Alignas(max_align_t) char store[];
};

struct request_pool {
	struct pooled *free;
	size_t kept, used, tunnels, most, store_len;
};

/* Room for the request's head, for what is written again of it (the target, a cookie joined from pieces or
 * without some of them), for the answer's head, the field tables, one of them grown, and what we add. */
static size_t store_len(const struct config *c)
{
	const struct config_http *o = &c->root.http;
	size_t heads = 3 * (size_t)o->head_max + (size_t)o->answer_head_max;
	size_t fields = (size_t)o->headers_max + 2 * (size_t)o->answer_headers_max;
	size_t len = heads + fields * sizeof(struct header) + 16 * 1024;

	return (len + 63) / 64 * 64;
}

void http_server_init(struct http_server *s, struct loop *loop, const struct config *c)
{
	*s = (struct http_server){ .loop = loop, .config = c };
	list_init(&s->connections);
	list_init(&s->dirty);
	s->pool = calloc(1, sizeof *s->pool);
	s->h2_memory = h2_memory_open();
	check(s->pool && s->h2_memory);
	s->pool->store_len = store_len(c);
	s->pool->most = (size_t)c->root.http.requests_in_flight_max;
}

void http_server_free(struct http_server *s)
{
	check(s->pool->used == 0 && s->pool->tunnels == 0);
	while (s->pool->free) {
		struct pooled *p = s->pool->free;
		s->pool->free = p->next;
		free(p);
	}
	free(s->pool);
	s->pool = NULL;
	h2_memory_close(s->h2_memory);
}

static struct pooled *take(struct request_pool *pool)
{
	struct pooled *p = pool->free;

	if (p) {
		pool->free = p->next;
		pool->kept--;
	} else {
		p = malloc(sizeof *p + pool->store_len);
	}
	if (p)
		pool->used++;
	return p;
}

static void keep(struct request_pool *pool, struct pooled *p)
{
	if (pool->kept >= KEPT) {
		free(p);
		return;
	}
	p->next = pool->free;
	pool->free = p;
	pool->kept++;
}

static void name(struct request *r)
{
	uint64_t random[3];
	struct text id = TEXT(r->id), span = TEXT(r->span);

	random_bytes(random, sizeof random);
	text_hex(&id, random, 16);
	text_hex(&span, random + 2, 8);
	check(text_end(&id) && text_end(&span));
}

struct request *http_request_take(struct http_server *s, struct client_facts *v)
{
	struct pooled *p = s->pool->used < s->pool->most ? take(s->pool) : NULL;

	s->why_unborn = FAULT_OVERLOADED;
	if (!p)
		return NULL;
	struct request *r = &p->request;
	memset(r, 0, sizeof *r);
	arena_init(&r->arena, p->store, s->pool->store_len);
	r->config = s->config;
	r->loop = s->loop;
	r->client_facts = v;
	r->headers.cap = (uint16_t)s->config->root.http.headers_max;
	r->headers.at = arena_room(&r->arena, r->headers.cap * sizeof(struct header));
	check(r->headers.at);
	list_init(&r->wake_link);
	r->marks_ns[MARK_BEGAN] = s->loop->now_ns;
	if (s->on_take && !s->on_take(s->with, r, s->pool->used, s->pool->most)) {
		s->why_unborn = FAULT_CLIENT_SHARE;
		s->pool->used--;
		keep(s->pool, p);
		return NULL;
	}
	name(r);
	return r;
}

void http_request_give(struct http_server *s, struct request *r)
{
	struct pooled *p = list_entry(r, struct pooled, request);

	check(list_is_empty(&r->wake_link));
	if (s->on_give)
		s->on_give(s->with, r);
	if (r->stash_block)
		block_give(s->loop, r->stash_block);
	arena_reset(&r->arena);
	if (r->tunnel)
		s->pool->tunnels--;
	else
		s->pool->used--;
	keep(s->pool, p);
}

size_t http_requests_used(const struct http_server *s)
{
	return s->pool->used;
}

unsigned http_unborn(const struct http_server *s, enum fault why, struct slice target)
{
	struct slice no = S(""), code = slice_of(fault_info[why].code);
	uint8_t ext_auth = s->on_unborn ? s->on_unborn(s->with, target) : EXT_AUTH_NONE;

	metrics_add(metrics_series(METRIC_faults_total, code, no, no, no), 1);
	return ext_auth_status((enum ext_auth_kind)ext_auth, fault_info[why].status);
}

void http_request_tunnels(struct http_server *s, struct request *r)
{
	check(!r->tunnel);
	r->tunnel = true;
	s->pool->used--;
	s->pool->tunnels++;
	if (s->on_tunnel)
		s->on_tunnel(s->with, r);
}

enum step_result http_stash(struct request *r)
{
	struct block *b = r->stash_block;

	if (!r->has_body)
		r->stash_ended = true;
	while (!r->stash_ended && r->stash.len < BLOCK_SIZE) {
		if (!b)
			r->stash_block = b = block_take(r->loop);
		ssize_t got = r->ops->body_read(r, b->bytes + r->stash.len, BLOCK_SIZE - r->stash.len);
		if (got == BODY_LATER) {
			if (r->expects_continue)
				r->ops->say_continue(r);
			return WAIT;
		}
		if (got == BODY_BROKEN || got == BODY_TOO_LONG)
			return request_fail(r, got == BODY_BROKEN ? FAULT_BAD_FRAMING : FAULT_BODY_TOO_BIG);
		r->stash_ended = got == BODY_END;
		r->stash = (struct slice){ b->bytes, r->stash.len + (got > 0 ? (size_t)got : 0) };
	}
	return GO_ON;
}

uint64_t http_body_due(const struct request *r)
{
	uint64_t rate = r->config->root.timeouts.body_rate;

	if (!rate || !r->has_body)
		return UINT64_MAX;
	return r->marks_ns[MARK_BEGAN] + BODY_GRACE_NS + r->body_in / rate * NS_PER_S +
	       r->body_in % rate * NS_PER_S / rate;
}

ssize_t http_body_read(struct request *r, size_t *stash_used, void *to, size_t cap)
{
	struct slice left = slice_from(r->stash, *stash_used);

	if (left.len) {
		size_t len = left.len < cap ? left.len : cap;
		memcpy(to, left.at, len);
		*stash_used += len;
		return (ssize_t)len;
	}
	return r->stash_ended ? BODY_END : r->ops->body_read(r, to, cap);
}

struct http_connection *http_serve(struct http_server *s, struct wire *w, struct client_facts *v)
{
	return v->http2 ? http_serve_h2(s, w, v) : http_serve_h1(s, w, v);
}

bool http_is_quiet(const struct http_server *s, struct wire *w)
{
	if (wire_backlog(w))
		return false;
	if (!wire_unsent(w))
		return true;
	if (w->moved_ns + s->config->root.timeouts.write_stall / 4 > s->loop->now_ns)
		return false;
	wire_abandon(w);
	return true;
}

void http_drain(struct http_server *s)
{
	struct list *node, *next;

	s->draining = true;
	for (node = s->connections.next; node != &s->connections; node = next) {
		struct http_connection *c = list_entry(node, struct http_connection, link);
		next = node->next;
		c->drain(c);
	}
}

void http_kill(struct http_server *s)
{
	struct list *node, *next;

	s->draining = true;
	for (node = s->connections.next; node != &s->connections; node = next) {
		struct http_connection *c = list_entry(node, struct http_connection, link);
		next = node->next;
		c->kill(c);
	}
}
