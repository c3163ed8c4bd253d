/* All issuers in the keeper: opened, ticked, found, asked for unknown kids. */
#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "issuer/inside.h"
#include "metrics/metrics.h"
#include <stdio.h>

#define LOOK_NS (5 * NS_PER_S) /* ages and states are told at least this often */

void keeper_notify_workers(struct issuer_keeper *k)
{
	atomic_fetch_add(&k->published->moved, 1);
	if (k->env.moved)
		k->env.moved(k->env.with);
}

struct published_keys keeper_head(const struct source *s)
{
	struct published_keys head = { .generation = s->generation,
		                           .fetched_wall_s = s->fetched_wall_s,
		                           .fetched_ns = s->fetched_ns,
		                           .soft_ns = s->soft_ns,
		                           .hard_ns = s->hard_ns };

	memcpy(head.who, s->who, sizeof head.who);
	return head;
}

uint64_t keeper_end_ns(const struct source *s)
{
	uint64_t hard_s = s->keeper->config->root.verification.keys_hard / NS_PER_S, age = state_age_s(s);

	return keeper_now(s->keeper) + (hard_s > age ? hard_s - age : 0) * NS_PER_S;
}

/* What the memory still says, from a keeper before this one. */
static void resume(struct source *s)
{
	struct published_keys *now = malloc(sizeof *now);
	const char *why;
	uint64_t version;

	if (now && s->slot && published_take(s->slot, now, &version) && now->generation)
		s->keys = jwks_keys((struct slice){ now->jwks, now->len }, &why);
	if (s->keys) {
		s->generation = now->generation;
		s->fetched_wall_s = now->fetched_wall_s;
		s->fetched_ns = now->fetched_ns;
		s->soft_ns = now->soft_ns ? now->soft_ns : s->soft_ns;
		s->hard_ns = keeper_end_ns(s);
		s->from = (enum keys_from)(atomic_load(&s->slot->from) % KEYS_FROM);
	}
	if (s->keys && (s->hard_ns > now->hard_ns + NS_PER_S || now->hard_ns > s->hard_ns + NS_PER_S)) {
		struct published_keys head = keeper_head(s); /* the configuration has another bound now */
		published_put(s->keeper->published, s->slot, &head, (struct slice){ now->jwks, now->len });
	}
	free(now);
}

/* Keys from the disk, unless the memory has newer ones. */
static void restore(struct source *s)
{
	struct issuer_keeper *k = s->keeper;
	struct snapshot kept;
	uint64_t wall_s = k->env.wall_s(k->env.with);

	if (s->is_file || !snapshots_load(k->snapshots, s->config, wall_s, &kept))
		return;
	if (!s->config->jwks.len)
		memcpy(s->jwks_uri, kept.jwks_uri, sizeof s->jwks_uri);
	if (!json_array_size(s->keys))
		fetch_keys_adopt(s, &kept, KEYS_FROM_DISK);
	snapshot_free(&kept);
}

static bool is_url(struct slice s)
{
	return slice_starts(s, S("https://")) || slice_starts(s, S("http://"));
}

static void open_source(struct issuer_keeper *k, struct source *s, const unsigned char (*kept)[SHA256_LEN])
{
	struct slice id = s->config->id;

	s->keeper = k;
	state_open(s);
	s->soft_ns = k->config->root.verification.keys_soft;
	s->is_file = s->config->jwks.len && !is_url(s->config->jwks);
	s->doubtful = json_array();
	if (s->config->jwks.len && !s->is_file)
		snprintf(s->jwks_uri, sizeof s->jwks_uri, "%s", s->config->jwks.at);
	s->series[FETCHED_OK] = metrics_series(METRIC_issuer_fetches_total, id, S("ok"), S(""), S(""));
	s->series[FETCHED_FAILED] = metrics_series(METRIC_issuer_fetches_total, id, S("failed"), S(""), S(""));
	outbound_open(&s->outbound, s->config, &k->env);
	s->slot = published_claim(k->published, s->who, kept, k->len);
	if (!s->slot)
		log_error("issuer %.*s: there is no room to publish its keys", SLICE(id));
	s->outbound.sent = s->slot ? &s->slot->sent : NULL;
	resume(s);
	restore(s);
	s->due_ns = keeper_now(k);
	if (s->fetched_ns) { /* by the keeper before this one: its plan goes on */
		uint64_t planned_ns = s->fetched_ns + random_jitter(s->soft_ns / 10 * 8, 10);
		s->due_ns = planned_ns > s->due_ns ? planned_ns : s->due_ns;
		s->not_before_ns = atomic_load(&s->slot->not_before_ns);
	}
	probe_open(s);
	keycopy_open(s);
	state_look(s);
}

static void on_news(void *with)
{
	keeper_notify_workers(with);
}

struct issuer_keeper *issuer_keeper_open(const struct config *c, struct bundle *b,
                                         struct published_issuers *p, struct issuer_env env,
                                         struct slice machine_secret)
{
	struct issuer_keeper *k = calloc(1, sizeof *k);

	check(k);
	k->config = c;
	k->bundle = b;
	k->published = p;
	k->env = env;
	k->len = c->root.issuers_len;
	k->source = calloc(k->len + 1, sizeof *k->source);
	unsigned char(*kept)[SHA256_LEN] = calloc(k->len + 1, sizeof *kept);
	check(k->source && kept);
	random_bytes(&k->hash, sizeof k->hash);
	if (k->len)
		k->statedir = statedir_open(
		    c, &(struct counter_file){ env.with, env.counters_read, env.counters_write }, machine_secret);
	k->snapshots = snapshots_open(k->statedir);
	k->revoker = revoker_open(c, &p->revoked, k->statedir,
	                          &(struct revocation_env){ .with = env.with,
	                                                    .now_ns = env.now_ns,
	                                                    .wall_s = env.wall_s,
	                                                    .redis = env.redis,
	                                                    .redis_ms = env.redis_ms,
	                                                    .machine = env.machine },
	                          on_news, k);
	keycopies_open(&k->copies, c, &k->env);
	for (size_t i = 0; i < k->len; i++) {
		k->source[i].config = &c->root.issuers[i];
		check(published_who(k->source[i].config, k->source[i].who));
		memcpy(kept[i], k->source[i].who, SHA256_LEN);
	}
	for (size_t i = 0; i < k->len; i++)
		open_source(k, &k->source[i], (const unsigned char(*)[SHA256_LEN])kept);
	free(kept);
	k->inquiries = inquiries_open(k);
	keeper_notify_workers(k);
	return k;
}

void issuer_keeper_close(struct issuer_keeper *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->len; i++) {
		struct source *s = &k->source[i];
		outbound_close(&s->outbound);
		json_decref(s->keys);
		json_decref(s->doubtful);
		json_decref(s->unreadable);
		probe_close(s);
		state_close(s);
	}
	inquiries_close(k->inquiries);
	revoker_close(k->revoker);
	keycopies_close(&k->copies);
	snapshots_close(k->snapshots);
	statedir_close(k->statedir);
	free(k->source);
	free(k);
}

/* A wall clock that was set right may make keys look past their end at once: they are fetched as soon as the
 * discipline allows, not as planned. */
static void bring_forward(struct source *s, uint64_t now)
{
	uint64_t soonest = s->not_before_ns > now ? s->not_before_ns : now;

	if (issuer_fetch_is_under_way(&s->fetch) || s->due_ns <= soonest || !json_array_size(s->keys))
		return;
	if (state_real(s) == ISSUER_BLIND)
		s->due_ns = soonest;
}

uint64_t issuer_keeper_tick(struct issuer_keeper *k)
{
	uint64_t now = keeper_now(k), next = now + LOOK_NS;

	for (size_t i = 0; i < k->len; i++) {
		struct source *s = &k->source[i];
		bring_forward(s, now);
		if (!issuer_fetch_is_under_way(&s->fetch) && now >= s->due_ns)
			fetch_keys_begin(s);
		uint64_t wants = outbound_tick(&s->outbound);
		uint64_t probes = probe_tick(s);
		state_look(s);
		next = probes < next ? probes : next;
		uint64_t ends = state_drill_ends_ns(s), copies = keycopy_tick(s);
		next = copies < next ? copies : next;
		next = wants < next ? wants : next;
		next = s->due_ns < next ? s->due_ns : next;
		next = ends < next ? ends : next;
	}
	uint64_t revokes = revoker_tick(k->revoker);
	next = revokes < next ? revokes : next;
	return next > now ? next : now;
}

struct source *keeper_find(struct issuer_keeper *k, struct slice issuer)
{
	for (size_t i = 0; i < k->len; i++)
		if (slice_same(k->source[i].config->id, issuer))
			return &k->source[i];
	return NULL;
}

/* So that those who asked need not wait for nothing. */
static void decline(struct source *s)
{
	if (s->slot)
		atomic_fetch_add(&s->slot->declined, 1);
	keeper_notify_workers(s->keeper);
}

static void remember(struct source *s, struct slice kid)
{
	s->asked = true;
	if (!kid.len || kid.len > KID_MAX || s->asked_len == ASKED_KIDS)
		return;
	memcpy(s->asked_bytes[s->asked_len], kid.at, kid.len);
	s->asked_kid[s->asked_len] = (struct slice){ s->asked_bytes[s->asked_len], kid.len };
	s->asked_len++;
}

void issuer_keeper_unknown(struct issuer_keeper *k, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	struct source *s = keeper_find(k, issuer);
	uint64_t now = keeper_now(k);

	if (!s)
		return;
	if (s->state < ISSUER_BLIND && s->fetched_wall_s > iat_s)
		return; /* what is published already says no */
	remember(s, kid);
	if (issuer_fetch_is_under_way(&s->fetch))
		return;
	if ((kid.len && unknown_kid_has(k, s, kid)) ||
	    s->not_before_ns > now + k->config->root.verification.wait) {
		s->asked_len = 0;
		s->asked = false;
		decline(s);
		return;
	}
	uint64_t soonest = s->not_before_ns > now ? s->not_before_ns : now;
	if (soonest < s->due_ns)
		s->due_ns = soonest;
	if (s->due_ns <= now)
		fetch_keys_begin(s);
}

struct revoker *issuer_keeper_revoker(struct issuer_keeper *k)
{
	return k->revoker;
}
