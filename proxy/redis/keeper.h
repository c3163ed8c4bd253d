/* keeper.h -- what the keeper does about Redis for its machine: it looks up the names of servers, beats the
 * fleet's heart, and publishes both for the workers. Part of redis's door. */
#pragma once
#include "config/config.h"
#include "connection/connection.h"
#include <stdatomic.h>

/* ---- addresses of names ---- */
#define REDIS_ADDRESSES 8
#define REDIS_NAMES 128
struct redis_name {
	char host[256];
	_Atomic uint32_t copy; /* which of the two is valid; flipped last */
	struct redis_addresses {
		uint32_t len;
		struct sockaddr_storage at[REDIS_ADDRESSES]; /* without port */
	} addresses[2];
};
struct redis_names {
	_Atomic uint64_t generation; /* moves with every flip */
	_Atomic uint32_t len;
	struct redis_name name[REDIS_NAMES];
};
/* How many addresses the name has; 0: it is not published (yet). */
size_t redis_names_read(const struct redis_names *n, const char *host,
                        struct sockaddr_storage to[static REDIS_ADDRESSES]);

/* ---- the fleet: how many proxies share this Redis ---- */
struct redis_fleet {
	_Atomic uint32_t size; /* most heartbeats seen in the last 60 that were answered; 0: never */
};
/* Never below redis.fleet_floor; while Redis is away, as last seen. */
uint32_t redis_fleet_size(const struct redis_fleet *f, const struct config *c);

struct redis_published { /* one writer: the keeper */
	struct redis_names names;
	struct redis_fleet fleet;
};

/* ---- the keeper's side ---- */
/* What machines tell each other (heartbeats, revocations, copies of keys) may take longer than a request
 * waits for a limit. */
#define REDIS_KEEPER_BUDGET_NS (1 * NS_PER_S)
struct redis;
struct redis_keeper;
struct redis_keeper_env {
	const struct config *config;
	struct bundle *bundle;
	struct loop *loop;
	struct redis_published *published;
	struct slice member; /* of the fleet, "id name": the same over restarts */
	/* done is called later, exactly once; len 0: nothing was found. */
	void (*resolve)(void *with, const char *host, uint16_t port,
	                void (*done)(void *for_whom, const struct sockaddr_storage *found, size_t len),
	                void *for_whom);
	void *with;
};
/* NULL where the configuration has no redis:, and errors->count is 0; or with complaints. */
struct redis_keeper *redis_keeper_open(const struct redis_keeper_env *w, struct config_errors *errors);
/* After the resolver: what it still looks up must not be answered any more. */
void redis_keeper_close(struct redis_keeper *k);
/* Before that, where the whole Sallyport ends: the fleet is told, and nobody waits for this machine. */
void redis_keeper_leave(struct redis_keeper *k);
/* At the beginning and the end of a turn, as redis_sweep and redis_flush; and how long it may sleep. */
void redis_keeper_sweep(struct redis_keeper *k);
void redis_keeper_flush(struct redis_keeper *k);
uint64_t redis_keeper_due_ns(const struct redis_keeper *k);
/* For status: {...}, as redis_describe, with the size of the fleet. */
struct text;
void redis_keeper_describe(const struct redis_keeper *k, struct text *t);
/* For the keeper's other work. */
struct redis *redis_keeper_redis(struct redis_keeper *k);
