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
	struct client_facts client_facts;
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

extern struct world *world; /* one at a time */
extern uint64_t skew_ns;    /* the loop's clock before the real one */

void world_request(void *with, struct request *r);

bool answer(struct request *r, uint16_t status, bool has_length, uint64_t length);

void world_turn(void *with);

/* Everything but the connection; room for so many requests. */
void world_open_for(struct world *w, uint64_t in_flight);

void world_open(struct world *w);

void world_connect(struct world *w);

void world_close(struct world *w);
