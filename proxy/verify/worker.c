/* Opening, closing, and keeping up with what the keeper publishes. */
#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "metrics/metrics.h"
#include "verify/inside.h"

static void open_issuer(const struct config *c, struct issuer *i, const struct config_issuer *config)
{
	static const char *const told[TOLDS] = { "valid", "invalid", "forbidden", "unknown" };

	*i = (struct issuer){ .config = config };
	list_init(&i->waiters);
	check(!config->opaque || opaque_who(c, config, i->opaque_who));
	check(published_who(config, i->who));
	for (int t = 0; t < TOLDS; t++)
		i->series[t] = metrics_series(METRIC_verify_total, config->id, slice_of(told[t]), S(""), S(""));
}

static bool take_memory(struct verify *v)
{
	const struct config_root *root = &v->config->root;

	v->scratch.size = root->verification.token_max;
	v->scratch.decoded = malloc(v->scratch.size);
	v->scratch.text = malloc(v->scratch.size);
	v->issuer = calloc(root->issuers_len + 1, sizeof *v->issuer);
	v->policy = calloc(root->routes_len + 1, sizeof *v->policy);
	v->cache = cache_open(root->verification.cache_size);
	return v->scratch.decoded && v->scratch.text && v->issuer && v->policy && v->cache &&
	       crypt_open(&v->crypt);
}

static void open_series(struct verify *v)
{
	v->hit = metrics_series(METRIC_verify_cache_total, S("hit"), S(""), S(""), S(""));
	v->miss = metrics_series(METRIC_verify_cache_total, S("miss"), S(""), S(""), S(""));
	v->negative = metrics_series(METRIC_verify_cache_total, S("negative"), S(""), S(""), S(""));
}

struct verify *verify_open(const struct config *c, const struct published_issuers *p, struct verify_ask ask)
{
	struct verify *v = calloc(1, sizeof *v);

	check(v && c->root.issuers_len <= ISSUERS_MAX);
	v->config = c;
	v->published = p;
	v->ask = ask;
	v->moved = UINT64_MAX;                      /* so that the first look reads everything */
	json_object_seed((size_t)random_u64() | 1); /* else jansson opens a file at its first object */
	list_init(&v->opaque_waiters);
	check(take_memory(v));
	open_series(v);
	for (size_t i = 0; i < c->root.issuers_len; i++)
		open_issuer(c, &v->issuer[i], &c->root.issuers[i]);
	route_policies_open(v);
	worker_catch_up(v);
	return v;
}

void verify_close(struct verify *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->config->root.issuers_len; i++)
		keyset_free(v->issuer[i].keys);
	cache_close(v->cache);
	crypt_close(&v->crypt);
	free(v->scratch.decoded);
	free(v->scratch.text);
	free(v->issuer);
	route_policies_close(v);
	free(v);
}

/* Takes over what the slot says now. Keys in hand are given up only for others that can be read. */
static void take_keys(struct verify *v, struct issuer *i)
{
	const char *why;

	if (!published_take(i->slot, &v->taken, &i->version))
		return;
	if (memcmp(v->taken.who, i->who, SHA256_LEN) != 0) {
		i->slot = NULL; /* given to another configuration's issuer */
		return;
	}
	if (v->taken.generation == 0)
		return;
	if (v->taken.generation != i->generation) {
		struct keyset *keys = keyset_read((struct slice){ v->taken.jwks, v->taken.len }, &why);
		if (!keys) {
			log_error("issuer %.*s: published keys cannot be read: %s", SLICE(i->config->id), why);
			return;
		}
		keyset_free(i->keys);
		i->keys = keys;
		i->generation = v->taken.generation;
	}
	i->fetched_wall_s = v->taken.fetched_wall_s;
	i->fetched_ns = v->taken.fetched_ns;
	i->hard_ns = v->taken.hard_ns;
}

static void wake_all(struct issuer *i)
{
	struct list *node;

	i->asked_ns = 0;
	while ((node = list_shift(&i->waiters)))
		request_wake(list_entry(node, struct waiter, link)->request);
}

static void catch_up(struct verify *v, struct issuer *i)
{
	if (!i->slot) {
		i->slot = published_find(v->published, i->who);
		i->version = 0;
	}
	if (!i->slot)
		return;
	uint64_t failed = atomic_load_explicit(&i->slot->failed, memory_order_acquire);
	uint64_t declined = atomic_load_explicit(&i->slot->declined, memory_order_acquire);
	uint64_t version = flip_seen(&i->slot->version);
	if (version == i->version && failed == i->failed && declined == i->declined)
		return;
	i->failed = failed;
	i->declined = declined;
	if (version != i->version)
		take_keys(v, i);
	wake_all(i);
}

void worker_catch_up(struct verify *v)
{
	uint64_t moved = published_moved(v->published);

	opaque_catch_up(v);
	if (moved == v->moved)
		return;
	v->moved = moved;
	for (size_t i = 0; i < v->config->root.issuers_len; i++)
		catch_up(v, &v->issuer[i]);
}

void verify_turn(struct verify *v)
{
	worker_catch_up(v);
}

bool worker_trusts(const struct verify *v, const struct issuer *i, uint64_t now_ns, uint64_t wall_s)
{
	uint64_t age_s = wall_s > i->fetched_wall_s ? wall_s - i->fetched_wall_s : 0;

	if ((i->hard_ns && now_ns > i->hard_ns) || worker_is_blinded(i, now_ns))
		return false;
	return i->keys && age_s <= v->config->root.verification.keys_hard / NS_PER_S;
}

bool verify_issuer(struct verify *v, struct slice name, struct verify_issuer *to)
{
	const struct issuer *i = issuer_named(v, name);

	worker_catch_up(v);
	if (!i || !i->slot)
		return false;
	*to = (struct verify_issuer){
		.config = i->config, .slot = i->slot, .at = (size_t)(i->slot - v->published->slot), .who = i->who
	};
	return true;
}
