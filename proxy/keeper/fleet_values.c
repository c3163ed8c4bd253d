/* Small values that the machines of a fleet share in Redis, for the keeper's rooms: got and put by key. */
#include "base/text.h"
#include "keeper/inside.h"
#include "redis/redis.h"
#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX 512

struct getting {
	struct list link;
	struct deadline deadline; /* requests wait for the value: no longer than for a limit */
	uint64_t ticket;
	void (*done)(void *for_whom, struct slice value); /* NULL: was called */
	void *for_whom;
	struct keeper *keeper;
};

static struct redis *redis_of(const struct keeper *k)
{
	return k->redis ? redis_keeper_redis(k->redis) : NULL;
}

/* False: the key is too long for anybody's. */
static bool whole_key(struct redis *r, struct slice key, char room[KEY_MAX], struct slice *to)
{
	struct text t = { .at = room, .cap = KEY_MAX };

	text_add(&t, redis_keyspace(r));
	text_add(&t, key);
	*to = text_slice(&t);
	return !t.cut;
}

static void deliver(struct getting *g, struct slice value)
{
	void (*done)(void *for_whom, struct slice value) = g->done;

	g->done = NULL;
	if (done)
		done(g->for_whom, value);
}

static void on_overdue(struct deadline *d)
{
	deliver(list_entry(d, struct getting, deadline), (struct slice){ 0 });
}

static void let_go(struct keeper *k, struct getting *g)
{
	deadline_clear(&k->loop->brief, &g->deadline);
	free(g);
}

static void on_got(void *with, const struct redis_answer *a)
{
	struct getting *g = with;
	bool found = a->outcome == REDIS_ANSWERED && a->values[0].type == REDIS_STRING;

	list_remove(&g->link);
	deliver(g, found ? a->values[0].text : (struct slice){ 0 });
	let_go(g->keeper, g);
}

static void on_put(void *with, const struct redis_answer *a)
{
	(void)with;
	(void)a; /* a copy that was not taken is missed by nobody */
}

bool keeper_fleet_get(void *with, struct slice key, void (*done)(void *for_whom, struct slice value),
                      void *for_whom)
{
	struct keeper *k = with;
	struct redis *r = redis_of(k);
	char room[KEY_MAX];
	struct slice name;

	if (!r || !whole_key(r, key, room, &name))
		return false;
	struct getting *g = calloc(1, sizeof *g);
	const struct slice arguments[] = { S("GET"), name };
	const struct redis_command command = { arguments, 2 };
	const struct redis_ask ask = {
		.slot = redis_slot(name), .commands = &command, .commands_len = 1, .on_done = on_got, .with = g
	};
	if (!g)
		return false;
	*g = (struct getting){ .done = done, .for_whom = for_whom, .keeper = k };
	list_init(&g->link);
	deadline_init(&g->deadline, on_overdue);
	g->ticket = redis_ask(r, &ask);
	if (!g->ticket) {
		free(g);
		return false;
	}
	list_push(&k->gettings, &g->link);
	deadline_set(&k->loop->brief, &g->deadline, k->loop->now_ns + k->config->root.redis->budget);
	return true;
}

void keeper_fleet_put(void *with, struct slice key, struct slice value, uint64_t ttl_ms)
{
	struct keeper *k = with;
	struct redis *r = redis_of(k);
	char room[KEY_MAX], ttl[24];
	struct slice name;

	if (!r || !whole_key(r, key, room, &name))
		return;
	snprintf(ttl, sizeof ttl, "%llu", (unsigned long long)ttl_ms);
	const struct slice put[] = { S("SET"), name, value, S("PX"), slice_of(ttl) }, drop[] = { S("DEL"), name };
	const struct redis_command command = { ttl_ms ? put : drop, ttl_ms ? 5 : 2 };
	const struct redis_ask ask = {
		.slot = redis_slot(name), .commands = &command, .commands_len = 1, .on_done = on_put
	};
	(void)redis_ask(r, &ask);
}

void keeper_fleet_close(struct keeper *k)
{
	struct list *node;

	while ((node = list_shift(&k->gettings))) {
		struct getting *g = list_entry(node, struct getting, link);
		redis_orphan(redis_of(k), g->ticket);
		deliver(g, (struct slice){ 0 });
		let_go(k, g);
	}
}
