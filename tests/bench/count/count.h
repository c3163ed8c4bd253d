/* count.h -- what a decision costs: the same inputs every time, through the rooms' own doors. count.c runs
 * the cases under a clock (ns) or under callgrind (instructions of ours), cases.c says what they are, world.c
 * opens the rooms from a configuration as a worker does. */
#pragma once
#include "classify/classify.h"
#include "dev/signer.h"
#include "guard/guard.h"
#include "http/http.h"
#include "issuer/issuer.h"
#include "limit/limit.h"
#include "login/login.h"
#include "respond/respond.h"
#include "verify/verify.h"

#define COUNT_NOW_NS (UINT64_C(1000) * NS_PER_S)
#define COUNT_WALL_NS (UINT64_C(1800000000) * NS_PER_S)

struct world {
	const struct config *config;
	struct http_server http;
	struct client_facts client_facts;
	struct loop *loop;
	struct classify *classify;
	struct limits *limits;
	struct verify *verify;
	struct guard *guard;
	struct request *request; /* parsed, routed and verified once: what a station sees */
	struct slice head;       /* the bytes that it came as */
};

void world_open(struct world *w);
void world_close(struct world *w);
/* A request from bytes, checked; its head's slices lie in `bytes`. */
struct request *world_request(struct world *w, struct slice bytes);

struct count_case {
	const char *name, *what;
	unsigned times; /* for one figure under callgrind: enough that its edges do not count */
	void (*once)(struct world *w, unsigned i);
};
extern const struct count_case count_cases[];
extern const unsigned count_cases_len;
