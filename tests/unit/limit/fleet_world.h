/* fleet_world.h -- proxies on one clock of the test's own, and a Redis that answers when it is told to. */
#pragma once
#include "bitfield.h"
#include "limit/fleet.h"
#include <stdlib.h>

#define PROXIES 8
#define GUESTS 256
#define LIMITS 3
#define FIELDS 64
#define ASKS 512
#define TABLE_SLOTS 4096
#define STORE 8192
#define WORLD_NOW (NS_PER_S * 1000)
#define WALL (UINT64_C(1764000000) * NS_PER_S) /* the server's clock minus ours */

struct told { /* a question on its way */
	char key[128], number[22][24], ms[24];
	struct slice word[22], expire[3];
	size_t len;
	struct limit_asked *asked;
};

struct guest {        /* a request */
	struct request r; /* first */
	struct proxy *proxy;
	uint64_t arrived_ns, stamp_ns;
	enum step_result result;
	bool woken;
	char *store;
};

struct proxy {
	struct limits *l;
	struct buckets *table;
	void *memory;
	struct config config;
	bool apart; /* its way to Redis is in a state of its own */
	enum limit_remote_state state;
};

struct world {
	uint64_t now_ns, wall_ns; /* wall: the server's clock minus ours */
	struct config config;
	struct config_limit limits[LIMITS];
	struct slice names[LIMITS], keys[LIMITS];
	struct config_route route;
	struct config_redis redis;
	struct secret secret;
	struct client_facts client_facts;
	struct proxy proxies[PROXIES];
	struct guest guests[GUESTS];
	size_t guests_len;
	enum limit_remote_state state;
	unsigned size; /* of the fleet */
	bool full;     /* takes no more questions */
	char field_name[FIELDS][128];
	struct field fields[FIELDS];
	struct told asks[ASKS];
	size_t asks_len, asked; /* on the way; in all */
	uint64_t error_ns;
};
extern struct world w;

uint16_t world_slot(struct slice key);

struct slice kept(char room[24], struct slice s);

/* Redis executes and answers what was asked so far. */
void world_deliver(void);

/* What was asked is lost: executed all the same, or not. */
void world_lose(bool executed);

void on_wake(struct request *r);

void world_reset(void);

struct config_limit *world_limit(const char *name, const char *key, uint64_t per_s, uint64_t burst);

/* A proxy, or another worker on the table of one that is there. */
struct proxy *world_proxy(size_t i, struct proxy *beside);

void world_close(void);

/* Who was admitted is stamped as its lease has it. */
enum step_result world_enter(struct guest *g);

struct guest *world_request(struct proxy *p, uint8_t address);

/* The end of every proxy's turn: the woken are walked, and what is asked leaves. */
void world_turn(void);

/* Questions go out, answers come, until nobody waits. */
void world_answer(void);

/* As the driver does when patience ends. */
void world_hurry(struct guest *g);

/* Of the only limit, for the address: what Redis has as V, minus the present. */
int64_t world_debt_ns(void);
