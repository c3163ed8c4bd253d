/* guest.h -- requests to the fixture. */
#pragma once
#include "fixture.h"

#define STORES 8

extern struct client_facts fixture_connection;

/* a request */
struct guest {
	_Alignas(max_align_t) char store[4096];
	struct header fields[4];
	struct request r;
};
extern struct guest guests[STORES];

/* A request to that route with this Authorization token (empty: none). */
struct request *fixture_request(int which, int route, struct slice token);

/* Its fault; FAULT_NONE where it may go on; FAULTS where it waits. */
int fixture_enter_at(struct request *r, uint64_t now_ns, uint64_t wall_s);

int fixture_try_at(int route, struct slice token, uint64_t now_ns, uint64_t wall_s);

int fixture_try(int route, struct slice token);
