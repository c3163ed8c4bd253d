/* cluster.c -- which master serves which slots: CLUSTER SLOTS at the start, every 10 s, and soon after any
 * sign of a move; MOVED and ASK in between (Redis Cluster specification). */
#include "base/log.h"
#include "redis/inside.h"

/* ---- shards of nodes ---- */

static struct shard *find(struct redis *r, const struct redis_node *n)
{
	for (unsigned i = 0; i < r->shards_len; i++)
		if (r->shards[i].used && node_same(&r->shards[i].channel.node, n))
			return &r->shards[i];
	return NULL;
}

struct shard *cluster_shard(struct redis *r, const struct redis_node *n, bool fresh)
{
	struct shard *s = find(r, n);
	unsigned i = 0;

	if (s)
		return s;
	while (i < r->shards_len && r->shards[i].used)
		i++;
	if (i == REDIS_SHARDS_MAX)
		return NULL;
	if (i == r->shards_len)
		r->shards_len++;
	shard_open(&r->shards[i], n, fresh);
	return &r->shards[i];
}

static struct shard *shard_at(struct redis *r, uint16_t slot)
{
	unsigned number = redis_shard(r, slot);

	return number < REDIS_SHARDS_MAX ? &r->shards[number] : NULL;
}

void cluster_assign(struct redis *r, uint16_t slot, struct shard *s)
{
	struct shard *was = shard_at(r, slot);

	if (was == s)
		return;
	if (was)
		was->slots--;
	s->slots++;
	r->slots[slot] = (uint8_t)shard_number(s);
}

void cluster_release(struct redis *r)
{
	r->loose = false;
	for (unsigned i = 0; i < r->shards_len; i++) {
		struct shard *s = &r->shards[i];
		bool asked = !list_is_empty(&s->channel.sent) || !list_is_empty(&s->channel.pending);
		if (s->used && !s->slots && !asked)
			shard_close(s);
		r->loose |= s->used && !s->slots;
	}
}

/* ---- redirections ---- */

/* "host:port", where an empty host, or ?, is that of whoever says so. */
static bool endpoint(const struct channel *from, struct slice host, uint64_t port, struct redis_node *to)
{
	if (!host.len || slice_same(host, S("?")))
		host = slice_of(from->node.host);
	return node_of(host, port, from->node.secure, to);
}

bool redirect_parse(const struct channel *from, struct slice error, struct redirect *to)
{
	struct slice rest = error, kind = slice_cut(&rest, ' '), slot = slice_cut(&rest, ' ');
	uint64_t number, port;
	size_t colon = rest.len;

	to->ask = slice_same(kind, S("ASK"));
	if (!to->ask && !slice_same(kind, S("MOVED")))
		return false;
	while (colon && rest.at[colon - 1] != ':') /* the last one: a host may be an IPv6 address */
		colon--;
	if (!colon || !slice_u64(slot, &number) || number >= SLOTS || !slice_u64(slice_from(rest, colon), &port))
		return false;
	to->slot = (uint16_t)number;
	return endpoint(from, slice_head(rest, colon - 1), port, &to->node);
}

/* ---- CLUSTER SLOTS ---- */

/* Who takes over from a shard that is down has had decisions made without it. */
static bool takes_over(struct redis *r, uint64_t from, uint64_t to)
{
	for (uint64_t slot = from; slot <= to; slot++) {
		const struct shard *was = shard_at(r, (uint16_t)slot);
		if (was && was->state == REDIS_DOWN && !was->fresh)
			return true;
	}
	return false;
}

/* [from, to, [host, port, id ...], replicas ...] */
static bool take_range(struct redis *r, const struct channel *l, const struct redis_value *v)
{
	const struct redis_value *at = v->array;
	struct redis_node n;

	if (v->type != REDIS_ARRAY || v->len < 3 || at[0].type != REDIS_INTEGER || at[1].type != REDIS_INTEGER ||
	    at[2].type != REDIS_ARRAY || at[2].len < 2 || at[2].array[1].type != REDIS_INTEGER)
		return false;
	if (at[0].integer < 0 || at[1].integer >= SLOTS || at[0].integer > at[1].integer)
		return false;
	uint64_t from = (uint64_t)at[0].integer, to = (uint64_t)at[1].integer;
	if (!endpoint(l, at[2].array[0].text, (uint64_t)at[2].array[1].integer, &n))
		return false;
	struct shard *s = cluster_shard(r, &n, !takes_over(r, from, to));
	for (uint64_t slot = from; s && slot <= to; slot++)
		cluster_assign(r, (uint16_t)slot, s);
	return s != NULL;
}

static void on_slots(void *with, const struct redis_answer *a)
{
	struct redis *r = with;
	struct channel *l = r->guiding;

	r->guided = false;
	r->guiding = NULL;
	if (a->outcome == REDIS_LOST)
		return;
	if (a->outcome == REDIS_REFUSED || a->values->type != REDIS_ARRAY) {
		bool error = a->values->type == REDIS_ERROR;
		channel_doom(l, END_ROLE, error ? a->values->text : S("it is of no cluster"));
		return;
	}
	for (size_t i = 0; i < a->values->len; i++)
		if (!take_range(r, l, &a->values->array[i]))
			log_warn("redis: a range of CLUSTER SLOTS is not understood, or there are over %u masters",
			         REDIS_SHARDS_MAX);
	r->loose = true;
}

void cluster_ask(struct redis *r, struct channel *l)
{
	const struct slice words[] = { S("CLUSTER"), S("SLOTS") };

	r->guiding = l;
	r->guided = channel_ask(l, words, 2, on_slots, r);
}
