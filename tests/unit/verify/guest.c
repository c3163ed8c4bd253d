/* guest.c -- what guest.h promises. */
#include "guest.h"

struct client_facts fixture_connection;
struct guest guests[STORES];

struct request *fixture_request(int which, int route, struct slice token)
{
	static char value[STORES][40000];
	struct guest *g = &guests[which];
	struct text t = TEXT(value[which]);

	memset(&g->r, 0, sizeof g->r);
	arena_init(&g->r.arena, g->store, sizeof g->store);
	g->r.route = &fixture.routes[route];
	g->r.client_facts = &fixture_connection;
	g->r.headers = (struct headers){ .at = g->fields, .cap = 4 };
	text_add(&t, S("Bearer "));
	text_add(&t, token);
	if (token.len && !headers_add(&g->r.headers, S("Authorization"), text_slice(&t)))
		abort();
	return &g->r;
}

int fixture_enter_at(struct request *r, uint64_t now_ns, uint64_t wall_s)
{
	switch (verify_enter(fixture.verify, r, now_ns, wall_s)) {
	case GO_ON:
		return FAULT_NONE;
	case WAIT:
		return FAULTS;
	default:
		return r->fault;
	}
}

int fixture_try_at(int route, struct slice token, uint64_t now_ns, uint64_t wall_s)
{
	return fixture_enter_at(fixture_request(0, route, token), now_ns, wall_s);
}

int fixture_try(int route, struct slice token)
{
	return fixture_try_at(route, token, NOW_NS, WALL_S);
}
