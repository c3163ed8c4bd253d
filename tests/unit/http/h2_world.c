/* h2_world.c -- what h2_world.h promises. */
#include "h2_world.h"

struct world *world; /* one at a time */
uint64_t skew_ns;

static uint64_t skewed(void)
{
	return clock_ns() + skew_ns;
}

static void world_wake(struct request *r)
{
	if (list_is_empty(&r->wake_link))
		list_push(&world->woken, &r->wake_link);
}

void world_request(void *with, struct request *r)
{
	struct world *w = with;
	struct slice cookie = S("");

	for (uint16_t i = 0; i < r->headers.len; i++)
		if (r->headers.at[i].id == HEADER_COOKIE)
			cookie = r->headers.at[i].value;
	w->began++;
	r->waits = arena_take(&r->arena, sizeof(struct stay));
	snprintf(w->cookie, sizeof w->cookie, "%.*s", SLICE(cookie));
	snprintf(w->last_fault, sizeof w->last_fault, "%s", fault_info[r->fault].code);
	snprintf(w->line, sizeof w->line, "%.*s %.*s %.*s %d%d %llu", SLICE(r->method), SLICE(r->target),
	         SLICE(r->authority), r->has_body, r->chunked, (unsigned long long)r->content_length);
	world_wake(r);
}

static void world_closed(void *with, struct client_facts *v)
{
	(void)v;
	((struct world *)with)->closed = true;
}

bool answer(struct request *r, uint16_t status, bool has_length, uint64_t length)
{
	static struct header field[2];
	struct headers fields = { field, 0, 2 };
	struct response a = { .status = status,
		                  .fields = &fields,
		                  .has_length = has_length,
		                  .length = length,
		                  .no_body = slice_same(r->method, S("HEAD")) };

	headers_add(&fields, S("X-From"), S("world"));
	if (slice_same(r->target, S("/named")))
		headers_add(&fields, S("Sallyport-Request-Id"), slice_of(r->id));
	((struct stay *)r->waits)->answered = true;
	return r->ops->head(r, &a);
}

static bool give(struct request *r, uint16_t status, struct slice text)
{
	bool head = slice_same(r->method, S("HEAD"));

	return answer(r, status, true, text.len) && (head || r->ops->body(r, text)) && r->ops->end(r, NULL);
}

/* true: done with it */
static bool walk_sink(struct world *w, struct request *r)
{
	char bytes[65536];
	ssize_t got = r->ops->body_read(r, bytes, w->gulp);

	if (got > 0) {
		w->got += (uint64_t)got;
		world_wake(r); /* again in the next turn */
		return false;
	}
	if (got == BODY_TOO_LONG)
		return give(r, 413, S("too long")) || true;
	if (got == BODY_BROKEN)
		r->ops->abort(r);
	return got == BODY_BROKEN || (got == BODY_END && (give(r, 200, S("swallowed")) || true));
}

static bool walk_big(struct world *w, struct request *r)
{
	static char pattern[65536];
	struct stay *stay = r->waits;
	size_t room;

	if (!stay->answered && !answer(r, 200, false, 0))
		return true;
	while (stay->sent < w->big && (room = r->ops->room(r)) > 0) {
		size_t n = room < w->big - stay->sent ? room : (size_t)(w->big - stay->sent);
		n = n < sizeof pattern ? n : sizeof pattern;
		memset(pattern, 'x', n);
		if (!r->ops->body(r, (struct slice){ pattern, n }))
			return true;
		stay->sent += n;
	}
	return stay->sent == w->big && (r->ops->end(r, NULL) || true);
}

static bool walk_trailers(struct request *r)
{
	struct header field[1];
	struct headers trailers = { field, 0, 1 };
	struct response hint = { .status = 103, .fields = &trailers };

	headers_add(&trailers, S("x-sum"), S("42"));
	r->ops->early(r, &hint);
	answer(r, 200, false, 0);
	r->ops->body(r, S("part"));
	return r->ops->end(r, &trailers) || true;
}

static bool walk_one(struct world *w, struct request *r)
{
	if (r->fault)
		return give(r, fault_info[r->fault].status, S("no")) || true;
	if (slice_same(r->target, S("/sink")) || slice_same(r->target, S("/open"))) {
		if (slice_same(r->target, S("/open")))
			r->ops->body_open(r);
		if (r->expects_continue)
			r->ops->say_continue(r);
		return walk_sink(w, r);
	}
	if (slice_same(r->target, S("/limited"))) {
		r->ops->body_limit(r, 100);
		return walk_sink(w, r);
	}
	if (slice_same(r->target, S("/big")))
		return walk_big(w, r);
	if (slice_same(r->target, S("/trailers")))
		return walk_trailers(r);
	if (slice_same(r->target, S("/early")))
		return give(r, 401, S("no body wanted")) || true;
	if (slice_same(r->target, S("/cut"))) {
		answer(r, 200, false, 0);
		r->ops->body(r, S("half"));
		r->ops->abort(r);
		return true;
	}
	return !slice_same(r->target, S("/park")) && (give(r, 200, S("hello")) || true);
}

static void world_weigh(struct world *w)
{
	if (w->loop->blocks_used > w->blocks_most)
		w->blocks_most = w->loop->blocks_used;
}

void world_turn(void *with)
{
	struct world *w = with;
	struct list batch, *node;

	list_init(&batch);
	while ((node = list_shift(&w->woken)))
		list_push(&batch, node);
	while ((node = list_shift(&batch))) {
		struct request *r = list_entry(node, struct request, wake_link);
		bool left = r->ops->is_gone(r);
		w->gone += left;
		if (!left && !walk_one(w, r))
			continue;
		w->settled++;
		r->over = true;
		list_remove(&r->wake_link);
		r->ops->finish(r);
	}
	world_weigh(w);
	http_flush(&w->server);
	world_weigh(w);
}

static void world_touched(void *with, const struct client_facts *v)
{
	(void)with;
	(void)v;
}

static bool world_is_idle(void *with)
{
	return list_is_empty(&((struct world *)with)->woken);
}

static void world_configure(struct config *c)
{
	c->root.http = (struct config_http){ .head_max = 16384,
		                                 .headers_max = 100,
		                                 .target_max = 8192,
		                                 .body_max = 1 << 30,
		                                 .requests_max = 10000,
		                                 .streams_max = 100,
		                                 .resets_max = { 100, 10 * NS_PER_S },
		                                 .controls_max = { 200, 10 * NS_PER_S } };
	c->root.timeouts.header = 10 * NS_PER_S;
	c->root.timeouts.idle = 60 * NS_PER_S;
	c->root.timeouts.write_stall = 20 * NS_PER_S;
}

void world_open_for(struct world *w, uint64_t in_flight)
{
	memset(w, 0, sizeof *w);
	world = w;
	skew_ns = 0;
	w->gulp = 4096;
	w->big = 1 << 20;
	list_init(&w->woken);
	world_configure(&w->config);
	w->config.root.http.requests_in_flight_max = in_flight;
	w->loop = loop_open();
	check(w->loop);
	w->loop->clock = skewed;
	w->loop->on_turn = world_turn;
	w->loop->is_idle = world_is_idle;
	w->loop->with = w;
	http_server_init(&w->server, w->loop, &w->config);
	w->server.on_request = world_request;
	w->server.on_closed = world_closed;
	w->server.on_touch = world_touched;
	w->server.with = w;
	w->client_facts.http2 = true;
	request_on_wake = world_wake;
}

void world_open(struct world *w)
{
	world_open_for(w, 1000);
}

void world_connect(struct world *w)
{
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	w->peer = fds[1];
	struct wire *wire = wire_open(w->loop, fds[0], false);
	check(wire);
	http_serve(&w->server, wire, &w->client_facts);
}

void world_close(struct world *w)
{
	if (w->peer >= 0)
		close(w->peer);
	http_kill(&w->server);
	for (int i = 0; i < 5; i++)
		loop_turn(w->loop, 0);
	check(w->closed && w->began == w->settled && w->loop->blocks_used == 0);
	http_server_free(&w->server);
	loop_close(w->loop);
}
