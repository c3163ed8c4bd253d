/* guest.h -- requests to the house of fixture.h. */
#pragma once
#include "fixture.h"

#define STORES 8

static struct visitor house_visitor;

static struct guest { /* a request */
	_Alignas(max_align_t) char store[4096];
	struct header fields[4];
	struct request r;
} guests[STORES];

/* A request to that route with this Authorization token (empty: none). */
static inline struct request *house_guest(int which, int route, struct slice token)
{
	static char value[STORES][40000];
	struct guest *g = &guests[which];
	struct text t = TEXT(value[which]);

	memset(&g->r, 0, sizeof g->r);
	arena_init(&g->r.arena, g->store, sizeof g->store);
	g->r.route = &house.routes[route];
	g->r.visitor = &house_visitor;
	g->r.headers = (struct headers){ .at = g->fields, .cap = 4 };
	text_add(&t, S("Bearer "));
	text_add(&t, token);
	if (token.len && !headers_add(&g->r.headers, S("Authorization"), text_slice(&t)))
		abort();
	return &g->r;
}

/* Its fault; FAULT_NONE where it may go on; FAULTS where it waits. */
static inline int house_enter_at(struct request *r, uint64_t now_ns, uint64_t wall_s)
{
	switch (verify_enter(house.verify, r, now_ns, wall_s)) {
	case GO_ON:
		return FAULT_NONE;
	case WAIT:
		return FAULTS;
	default:
		return r->fault;
	}
}

static inline int house_try_at(int route, struct slice token, uint64_t now_ns, uint64_t wall_s)
{
	return house_enter_at(house_guest(0, route, token), now_ns, wall_s);
}

static inline int house_try(int route, struct slice token)
{
	return house_try_at(route, token, NOW_NS, WALL_S);
}
