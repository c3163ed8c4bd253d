/* h2_world_turn.h -- the second half of h2_world.h: its turn, its beginning and its end. */
#pragma once

static inline void world_weigh(struct world *w)
{
	if (w->loop->blocks_used > w->blocks_most)
		w->blocks_most = w->loop->blocks_used;
}

static inline void world_turn(void *with)
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

static inline void world_touched(void *with, const struct visitor *v)
{
	(void)with;
	(void)v;
}

static inline bool world_is_idle(void *with)
{
	return list_is_empty(&((struct world *)with)->woken);
}

static inline void world_configure(struct config *c)
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

/* Everything but the connection; room for so many requests. */
static inline void world_open_for(struct world *w, uint64_t in_flight)
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
	w->visitor.http2 = true;
	request_on_wake = world_wake;
}

static inline void world_open(struct world *w)
{
	world_open_for(w, 1000);
}

static inline void world_connect(struct world *w)
{
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	w->peer = fds[1];
	struct wire *wire = wire_open(w->loop, fds[0], false);
	check(wire);
	http_serve(&w->server, wire, &w->visitor);
}

static inline void world_close(struct world *w)
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
