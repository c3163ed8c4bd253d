/* Redis as a worker sees it. */
#include "redis/inside.h"
#include "metrics/metrics.h"
#include <stdlib.h>

/* ---- the whole ---- */

static bool open_tls(struct redis *r, struct config_errors *errors)
{
	const struct config_redis *c = r->config;
	const struct tls_peer peer = { .ca = c->tls.ca,
		                           .server_name = c->tls.server_name,
		                           .chain = c->tls.chain,
		                           .key = c->tls.key,
		                           .place = c->tls.place.line ? c->tls.place : c->place };

	if (!r->servers[0].secure)
		return true;
	r->tls = tls_client_open_for(&peer, r->env.bundle, errors);
	return r->tls != NULL;
}

static bool read_servers(struct redis *r, struct config_errors *errors)
{
	const struct config_texts *all = &r->config->servers;

	for (size_t i = 0; i < all->len && i < REDIS_SERVERS_MAX; i++) {
		if (!node_parse(all->at[i], &r->servers[i])) {
			config_complain(errors, r->config->place, "\"%.*s\" is not a valid Redis server",
			                SLICE(all->at[i]));
			return false;
		}
		r->servers_len++;
	}
	return r->servers_len > 0;
}

static void name_things(struct redis *r)
{
	struct text name = TEXT(r->name);

	text_add(&name, S("sallyport-"));
	text_add(&name, r->env.name);
	if (!text_end(&name))
		r->name[0] = '\0';
	r->keyspace = TEXT(r->keyspace_bytes);
	text_add(&r->keyspace, r->config->keyspace);
	text_char(&r->keyspace, ':');
	text_add(&r->keyspace, r->env.config->root.environment);
	text_char(&r->keyspace, ':');
	r->series_seconds = metrics_lone(METRIC_redis_seconds);
	r->series_refused_down = metrics_series(METRIC_redis_refused_total, S("down"), S(""), S(""), S(""));
	r->series_refused_full = metrics_series(METRIC_redis_refused_total, S("full"), S(""), S(""), S(""));
	r->series_clock = metrics_lone(METRIC_redis_clock_error_seconds);
}

struct redis *redis_open(const struct redis_env *w, struct config_errors *errors)
{
	struct redis *r = w->config->root.redis ? calloc(1, sizeof *r) : NULL;

	if (!r)
		return NULL;
	r->env = *w;
	r->config = w->config->root.redis;
	r->budget_ns = w->budget_ns ? w->budget_ns : r->config->budget;
	r->loop = w->loop;
	list_init(&r->asks_idle);
	list_init(&r->asks_age);
	for (unsigned i = 0; i < REDIS_SHARDS_MAX; i++)
		r->shards[i].redis = r;
	channel_init(&r->guide, r, CHANNEL_SEED);
	name_things(r);
	if (read_servers(r, errors) && open_tls(r, errors)) {
		topology_open(r);
		return r;
	}
	redis_close(r);
	return NULL;
}

void redis_close(struct redis *r)
{
	if (!r)
		return;
	r->env.on_event = NULL;
	for (uint32_t i = 0; i < r->asks_len; i++)
		r->asks[i]->on_done = NULL;
	for (unsigned i = 0; i < r->shards_len; i++)
		if (r->shards[i].used)
			shard_close(&r->shards[i]);
	channel_close(&r->guide);
	asks_free(r);
	tls_client_close(r->tls);
	free(r);
}

void redis_report(struct shard *s, enum redis_event what)
{
	const struct redis_env *w = &s->redis->env;

	if (w->on_event)
		w->on_event(w->with, shard_number(s), what);
}

/* ---- the turn ---- */

void redis_sweep(struct redis *r)
{
	asks_sweep(r);
	topology_sweep(r);
	for (unsigned i = 0; i < r->shards_len; i++)
		if (r->shards[i].used)
			shard_sweep(&r->shards[i]);
}

void redis_flush(struct redis *r)
{
	r->turn_ns = r->loop->now_ns;
	r->busy_ns = r->loop->clock() - r->turn_ns;
	for (unsigned i = 0; i < r->shards_len; i++)
		if (r->shards[i].used)
			channel_flush(&r->shards[i].channel);
	channel_flush(&r->guide);
}

uint64_t redis_due_ns(const struct redis *r)
{
	uint64_t due = asks_due_ns(r), guide = topology_due_ns(r);

	due = guide < due ? guide : due;
	for (unsigned i = 0; i < r->shards_len; i++) {
		uint64_t shard = r->shards[i].used ? shard_due_ns(&r->shards[i]) : UINT64_MAX;
		due = shard < due ? shard : due;
	}
	return due;
}

/* ---- questions ---- */

struct slice redis_keyspace(const struct redis *r)
{
	return text_slice(&r->keyspace);
}

unsigned redis_shard(const struct redis *r, uint16_t slot)
{
	return r->slots[slot % SLOTS];
}

enum redis_state redis_state(const struct redis *r, uint16_t slot)
{
	unsigned number = redis_shard(r, slot);

	return number < REDIS_SHARDS_MAX ? r->shards[number].state : REDIS_DOWN;
}

uint64_t redis_stamp(const struct redis *r, uint16_t slot, uint64_t now_ns, uint64_t *error_ns)
{
	unsigned number = redis_shard(r, slot);
	const struct other_clock *c = number < REDIS_SHARDS_MAX ? &r->shards[number].clock : NULL;

	*error_ns = 0;
	if (!c || !c->measured_ns)
		return 0;
	*error_ns = other_clock_error(c, now_ns);
	return now_ns + (uint64_t)c->offset_ns;
}

uint32_t redis_fleet_size(const struct redis_fleet *f, const struct config *c)
{
	uint64_t floor = c->root.redis ? c->root.redis->fleet_floor : 1;
	uint32_t seen = f ? atomic_load_explicit(&f->size, memory_order_relaxed) : 0;

	return seen > floor ? seen : (uint32_t)floor;
}
