/* keeper.c -- the fleet's heart: each machine beats once a second into one sorted set, scored by the time of
 * Redis, and counts who beat in the last 5 s. */
#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include "redis/keeper_inside.h"
#include <stdlib.h>

#define BEAT_EVERY_NS (1 * NS_PER_S)
#define ALIVE_MS 5000  /* a proxy that has not beaten so long is not counted */
#define GONE_MS 600000 /* and is removed after this: until then operators hear that it is missing */
#define SEEN 60        /* the most of so many counts holds */

struct redis_keeper {
	struct redis_keeper_env env;
	struct redis *redis;
	struct lookups *lookups;
	uint64_t beat_ns; /* the next */
	bool beating;
	uint32_t seen[SEEN], next;
	uint32_t series;
	char key[200];
	size_t key_len;
};

static void want_name(void *with, const char *host)
{
	struct redis_keeper *k = with;

	lookups_want(k->lookups, host);
}

struct redis_keeper *redis_keeper_open(const struct redis_keeper_env *w, struct config_errors *errors)
{
	struct redis_keeper *k = w->config->root.redis ? calloc(1, sizeof *k) : NULL;
	struct redis_env env = { .config = w->config,
		                     .bundle = w->bundle,
		                     .loop = w->loop,
		                     .names = &w->published->names,
		                     .want_name = want_name,
		                     .with = k,
		                     .name = S("keeper"),
		                     .is_keeper = true,
		                     .budget_ns = REDIS_KEEPER_BUDGET_NS };

	if (!k)
		return NULL;
	k->env = *w;
	k->lookups = lookups_open(w);
	k->redis = redis_open(&env, errors);
	k->series = metrics_lone(METRIC_fleet_size);
	k->seen[0] = atomic_load(&w->published->fleet.size); /* of the keeper before us */
	k->next = 1;
	if (!k->redis) {
		redis_keeper_close(k);
		return NULL;
	}
	struct text key = TEXT(k->key);
	text_add(&key, redis_keyspace(k->redis));
	text_add(&key, S("fleet"));
	k->key_len = key.len;
	metrics_set(k->series, redis_fleet_size(&w->published->fleet, w->config));
	return k;
}

static void on_left(void *with, const struct redis_answer *a)
{
	(void)with;
	(void)a; /* who was not heard is missing for a while */
}

void redis_keeper_close(struct redis_keeper *k)
{
	if (!k)
		return;
	redis_close(k->redis);
	lookups_close(k->lookups);
	metrics_set(k->series, 0);
	free(k);
}

void redis_keeper_leave(struct redis_keeper *k)
{
	struct slice key = { k->key, k->key_len };
	const struct slice remove[] = { S("ZREM"), key, k->env.member };
	const struct redis_command command = { remove, 3 };

	(void)redis_ask(k->redis, &(struct redis_ask){ .slot = redis_slot(key),
	                                               .commands = &command,
	                                               .commands_len = 1,
	                                               .on_done = on_left,
	                                               .with = k });
	redis_flush(k->redis);
}

static void publish(struct redis_keeper *k)
{
	uint32_t most = 0;

	for (size_t i = 0; i < SEEN; i++)
		most = k->seen[i] > most ? k->seen[i] : most;
	atomic_store_explicit(&k->env.published->fleet.size, most, memory_order_relaxed);
	metrics_set(k->series, redis_fleet_size(&k->env.published->fleet, k->env.config));
}

/* ZADD, ZREMRANGEBYSCORE, ZCOUNT, PEXPIRE: the third is the count. */
static void on_beaten(void *with, const struct redis_answer *a)
{
	struct redis_keeper *k = with;

	k->beating = false;
	if (a->outcome != REDIS_ANSWERED || a->values[2].type != REDIS_INTEGER || a->values[2].integer < 1)
		return;
	int64_t count = a->values[2].integer;
	k->seen[k->next++ % SEEN] = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
	publish(k);
}

static struct slice number(char to[static 24], uint64_t n)
{
	struct text t = { .at = to, .cap = 24 };

	text_u64(&t, n);
	return text_slice(&t);
}

static void beat(struct redis_keeper *k, uint16_t slot, uint64_t now_ms)
{
	struct slice key = { k->key, k->key_len };
	char now[24], alive[24], gone[24];
	const struct slice add[] = { S("ZADD"), key, number(now, now_ms), k->env.member };
	const struct slice remove[] = { S("ZREMRANGEBYSCORE"), key, S("-inf"), number(gone, now_ms - GONE_MS) };
	const struct slice count[] = { S("ZCOUNT"), key, number(alive, now_ms - ALIVE_MS), S("+inf") };
	const struct slice expire[] = { S("PEXPIRE"), key, S("1200000") };
	const struct redis_command commands[] = { { add, 4 }, { remove, 4 }, { count, 4 }, { expire, 3 } };

	k->beating = redis_ask(k->redis, &(struct redis_ask){ .slot = slot,
	                                                      .commands = commands,
	                                                      .commands_len = 4,
	                                                      .on_done = on_beaten,
	                                                      .with = k }) != 0;
}

void redis_keeper_sweep(struct redis_keeper *k)
{
	uint64_t now_ns = k->env.loop->now_ns, error_ns;
	uint16_t slot = redis_slot((struct slice){ k->key, k->key_len });

	lookups_sweep(k->lookups);
	redis_sweep(k->redis);
	if (k->beating || now_ns < k->beat_ns || !redis_is_usable(k->redis, slot))
		return;
	uint64_t stamp_ns = redis_stamp(k->redis, slot, now_ns, &error_ns);
	k->beat_ns = now_ns + random_jitter(stamp_ns ? BEAT_EVERY_NS : BEAT_EVERY_NS / 20, 10);
	if (stamp_ns)
		beat(k, slot, stamp_ns / NS_PER_MS);
}

void redis_keeper_flush(struct redis_keeper *k)
{
	redis_flush(k->redis);
}

uint64_t redis_keeper_due_ns(const struct redis_keeper *k)
{
	uint64_t due = redis_due_ns(k->redis), names = lookups_due_ns(k->lookups);

	due = names < due ? names : due;
	if (!k->beating && redis_is_usable(k->redis, redis_slot((struct slice){ k->key, k->key_len })))
		due = k->beat_ns < due ? k->beat_ns : due;
	return due;
}

void redis_keeper_describe(const struct redis_keeper *k, struct text *t)
{
	text_printf(t, "{\"fleet\":%u,", redis_fleet_size(&k->env.published->fleet, k->env.config));
	redis_describe(k->redis, t);
	text_char(t, '}');
}

struct redis *redis_keeper_redis(struct redis_keeper *k)
{
	return k->redis;
}
