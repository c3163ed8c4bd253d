/* h2_world.h -- a server side for tests of HTTP/2: a loop, a server, and a journey that fits into one page.
 * What a request gets depends on its path. */
#pragma once
#include "base/check.h"
#include "http/http.h"
#include <unistd.h>

struct world {
	struct loop *loop;
	struct config config;
	struct http_server server;
	struct visitor visitor;
	struct list woken;
	int peer;    /* the client's end of the socket pair */
	bool closed; /* the connection is gone */
	unsigned began, settled, gone;
	uint64_t got; /* bytes of request bodies read */
	size_t blocks_most;
	size_t gulp;  /* bytes that the slow reader takes in one walk */
	uint64_t big; /* length of /big */
	char cookie[256], last_fault[64], line[256];
};

/* In the request's stash: what this journey remembers of it. */
struct stay {
	uint64_t sent;
	bool answered, ended;
};

static struct world *world; /* one at a time */
static uint64_t skew_ns;

static inline uint64_t skewed(void)
{
	return clock_ns() + skew_ns;
}

static inline void world_wake(struct request *r)
{
	if (list_is_empty(&r->wake_link))
		list_push(&world->woken, &r->wake_link);
}

static inline void world_request(void *with, struct request *r)
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

static inline void world_closed(void *with, struct visitor *v)
{
	(void)v;
	((struct world *)with)->closed = true;
}

#include "h2_world_walk.h"
#include "h2_world_turn.h"
