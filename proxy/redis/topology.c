/* topology.c -- which server is the master: the one that is configured, the one that the sentinels name (who
 * are asked again and again: +switch-master without a subscription), or those of the cluster. */
#include "base/log.h"
#include "base/random.h"
#include "redis/inside.h"

#define STABLE_NS (1 * NS_PER_S)            /* between two looks at the sentinels */
#define CLUSTER_STABLE_NS (10 * NS_PER_S)   /* and at the cluster, which tells of moves by itself ... */
#define CLUSTER_MOVING_NS (500 * NS_PER_MS) /* ... but not of a master that is replaced */

void topology_open(struct redis *r)
{
	bool cluster = r->config->mode == MODE_CLUSTER;

	memset(r->slots, cluster ? REDIS_SHARDS_MAX : 0, sizeof r->slots);
	channel_init(&r->guide, r, cluster ? CHANNEL_SEED : CHANNEL_SENTINEL);
	r->guide.node = r->servers[0];
	r->guide.retry_ns = r->guide_ns = r->loop->now_ns;
	if (r->config->mode == MODE_SINGLE) {
		r->shards_len = 1;
		shard_open(&r->shards[0], &r->servers[0], true);
	}
}

void topology_doubt(struct redis *r)
{
	uint64_t soon = r->loop->now_ns + PROBE_NS / 2;

	if (r->guide_ns > soon)
		r->guide_ns = soon;
}

void topology_lost(struct redis *r)
{
	char name[HOST_MAX + 8];

	node_say(&r->guide.node, name);
	if (!r->name_told_ns || r->loop->now_ns - r->name_told_ns > CLUSTER_STABLE_NS) {
		r->name_told_ns = r->loop->now_ns;
		log_warn("redis: %s does not tell where the master is%s%s", name, r->guide.error[0] ? ": " : "",
		         r->guide.error);
	}
	r->guided = false;
	r->servers[r->server].turn = r->guide.node.turn;
	r->server = (r->server + 1) % r->servers_len;
	r->guide.node = r->servers[r->server];
	r->guide.retry_ns = r->loop->now_ns + random_jitter(PROBE_NS / r->servers_len, 20);
}

/* ---- Sentinel ---- */

static void follow(struct redis *r, const struct redis_node *n)
{
	if (!r->shards_len) {
		r->shards_len = 1;
		shard_open(&r->shards[0], n, true);
	} else if (!node_same(n, &r->shards[0].channel.node)) {
		shard_move(&r->shards[0], n);
	}
}

static void on_master(void *with, const struct redis_answer *a)
{
	struct redis *r = with;
	const struct redis_value *v = a->values;
	struct redis_node n;
	uint64_t port;

	r->guided = false;
	if (a->outcome == REDIS_LOST)
		return;
	if (a->outcome == REDIS_REFUSED)
		channel_doom(&r->guide, END_ROLE, v->text);
	else if (v->type != REDIS_ARRAY || v->len != 2 || !slice_u64(v->array[1].text, &port) ||
	         !node_of(v->array[0].text, port, r->servers[0].secure, &n))
		channel_doom(&r->guide, END_ROLE, S("it knows no master of the name redis.master"));
	else
		follow(r, &n);
}

static void ask_sentinel(struct redis *r)
{
	const struct slice words[] = { S("SENTINEL"), S("GET-MASTER-ADDR-BY-NAME"), r->config->master };

	r->guided = channel_ask(&r->guide, words, 3, on_master, r);
}

/* ---- both ---- */

static bool is_stable(const struct redis *r)
{
	for (unsigned i = 0; i < r->shards_len; i++)
		if (r->shards[i].used && r->shards[i].state == REDIS_DOWN)
			return false;
	return r->shards_len > 0;
}

/* Of a cluster any node that answers knows the others; a connection for that alone is only for the start. */
static struct channel *guide_of(struct redis *r)
{
	for (unsigned i = 0; r->config->mode == MODE_CLUSTER && i < r->shards_len; i++)
		if (r->shards[i].used && r->shards[i].state != REDIS_DOWN &&
		    r->shards[i].channel.state == CHANNEL_READY)
			return &r->shards[i].channel;
	return &r->guide;
}

static bool is_needed(const struct redis *r, const struct channel *guide)
{
	return guide == &r->guide && r->config->mode != MODE_SINGLE;
}

void topology_sweep(struct redis *r)
{
	uint64_t now_ns = r->loop->now_ns;
	bool cluster = r->config->mode == MODE_CLUSTER;
	struct channel *guide = guide_of(r);

	if (r->config->mode == MODE_SINGLE)
		return;
	if (r->loose && !r->guided)
		cluster_release(r);
	if (is_needed(r, guide))
		channel_sweep(&r->guide);
	else if (r->guide.state != CHANNEL_OFF && !r->guided)
		channel_close(&r->guide);
	if (r->guided || guide->state != CHANNEL_READY || now_ns < r->guide_ns)
		return;
	if (cluster)
		cluster_ask(r, guide);
	else
		ask_sentinel(r);
	uint64_t stable = cluster ? CLUSTER_STABLE_NS : STABLE_NS,
	         moving = cluster ? CLUSTER_MOVING_NS : PROBE_NS;
	r->guide_ns = now_ns + random_jitter(is_stable(r) ? stable : moving, 20);
}

uint64_t topology_due_ns(const struct redis *r)
{
	const struct channel *guide = guide_of((struct redis *)(uintptr_t)r);
	uint64_t due = UINT64_MAX;

	if (r->config->mode == MODE_SINGLE)
		return due;
	if (is_needed(r, guide))
		due = channel_due_ns(&r->guide);
	if (!r->guided && guide->state == CHANNEL_READY && r->guide_ns < due)
		due = r->guide_ns;
	return due;
}
