/* proxies.h -- workers of several machines, each a process with its real limits and its real connection to a
 * real Redis, on real clocks; what each request got is logged with its stamp and judged afterwards. */
#pragma once
#include "long_wire.h"

/* ---- one asker ---- */

struct visit {
	struct request r;
	uint64_t at_ns;
	bool waits, woken, hot;
	char name[24], *store;
	struct header h;
};

struct one {
	unsigned id;
	struct loop *loop;
	struct redis *redis;
	struct journey journey;
	struct limits *limits;
	struct client_facts client_facts;
	struct visit guests[WAITING_MAX];
	struct log *log;
	uint64_t next_ns[2];
	unsigned turns; /* of bystanders */
	uint64_t hot_tag, granted_to_ns;
};
extern struct one a;

void on_wake(struct request *r);

uint64_t sources(uint64_t to[SOURCES]);

void request(bool hot);

/* Arrivals are spread evenly around their rate. */
void arrive(unsigned kind, uint64_t per_s);

uint64_t rest_ns(void);

void walk(struct visit *g);

void turn(bool arrivals);

/* ---- the trial ---- */

void load(const char *socket);

/* relay: through a wire whose length can be changed. */
void trial_open(struct trial t, bool relay);

/* Requests begin as soon as everybody has found Redis. */
void trial_start(void);

/* The scenario's own time: so long after the beginning. */
void trial_until(uint64_t after_ns);

void trial_wait(void);

void trial_end(void);
