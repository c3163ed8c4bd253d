/* keeper.h -- what the keeper's files of forward/ share. Private to forward/. */
#pragma once
#include "base/refresh.h"
#include "forward/endpoint.h"

/* A question that was asked of the world. It outlives an endpoint that no longer waits for it: then
 * `endpoint` is NULL, and the answer is dropped. Freed when answered. */
struct watch_call {
	struct watched *endpoint;
};

struct watched { /* one endpoint */
	struct forward_keeper *keeper;
	const struct config_upstream *upstream;
	struct slice text; /* as configured */
	struct endpoint_url url;
	char probe_url[640], host[256], socket[128]; /* NUL-terminated */
	size_t record;                            /* index among the published; RECORDS where there was no room */
	struct endpoint_state state;              /* as published last */
	unsigned passed, failed;                  /* checks in a row */
	struct watch_call *probe, *lookup, *dial; /* under way; NULL: none */
	uint64_t probe_due_ns;  /* the next check; while one is under way, when it is given up */
	struct refresh refresh; /* of its name; due_ns the same */
	uint64_t dial_due_ns;   /* the same; UINT64_MAX: it does not refuse, as far as is known */
	uint64_t dial_wait_ns;  /* from the last try to the next */
	unsigned dials;
	uint32_t series;
};

struct forward_keeper {
	struct forward_published *published;
	struct forward_env env;
	struct watched *watched;
	size_t len;
	const struct config_upstream *upstreams;
	size_t upstreams_len;
};

uint64_t watched_now(const struct watched *e);
struct watch_call *inquire(struct watched *e);

/* dial.c: what refused is tried in the background. The next try is due. */
void dial_endpoint(struct watched *e, uint64_t now_ns);

/* Finds or makes the endpoint's record and takes over what it says. */
void record_open(struct watched *e, const struct config *c, uint64_t now_ns);
/* Publishes e->state. */
void record_publish(struct watched *e);
