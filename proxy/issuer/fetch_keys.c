/* One attempt to learn an issuer's keys, from its start to what is published of it. */
#include "base/log.h"
#include "base/random.h"
#include "issuer/inside.h"
#include "metrics/metrics.h"
#include <stdio.h>

static void fetch_document(struct source *s, struct slice url, bool is_discovery);

static uint64_t backoff_ns(unsigned failures)
{
	uint64_t base = failures < 7 ? NS_PER_S << (failures - 1) : BACKOFF_MAX_NS;
	uint64_t ns = random_jitter(base, 20);

	return ns < NS_PER_S ? NS_PER_S : ns > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : ns;
}

static void set_not_before(struct source *s, uint64_t ns)
{
	s->not_before_ns = ns;
	if (s->slot)
		atomic_store(&s->slot->not_before_ns, ns);
}

void fetch_keys_failed(struct source *s, const char *why)
{
	struct issuer_keeper *k = s->keeper;
	uint64_t again_ns;

	s->failures++;
	s->asked_len = 0;
	s->asked = false;
	again_ns = keeper_now(k) + backoff_ns(s->failures);
	s->due_ns = again_ns;
	s->discovered_ns = 0; /* perhaps the key set has moved */
	if (strcmp(s->failure, why) != 0)
		log_warn("issuer %.*s: no keys fetched: %s", SLICE(s->config->id), why);
	snprintf(s->failure, sizeof s->failure, "%s", why);
	metrics_add(s->series[FETCHED_FAILED], 1);
	set_not_before(s, again_ns);
	keycopy_soon(s);
	if (!s->copy.awaited)
		fetch_keys_publish_failed(s);
}

void fetch_keys_publish_failed(struct source *s)
{
	if (s->slot)
		atomic_fetch_add(&s->slot->failed, 1);
	keeper_notify_workers(s->keeper);
}

/* How long these keys are fresh (RFC 9111 max-age within 5 min to 1 h, else as configured). */
static uint64_t soft_ns(const struct source *s, uint64_t max_age_s)
{
	if (max_age_s == UINT64_MAX)
		return s->keeper->config->root.verification.keys_soft;
	return (max_age_s < 300 ? 300 : max_age_s > 3600 ? 3600 : max_age_s) * NS_PER_S;
}

static void log_gone(const struct source *s, const json_t *before)
{
	size_t i;
	json_t *jwk;

	json_array_foreach((json_t *)(uintptr_t)before, i, jwk) {
		const char *kid = json_string_value(json_object_get(jwk, "kid"));
		bool stays = false;
		for (size_t j = 0; j < json_array_size(s->keys); j++)
			stays = stays || json_equal(json_array_get(s->keys, j), jwk);
		if (!stays)
			log_warn("issuer %.*s: its key %.80s is gone; tokens signed with it are refused from now on",
			         SLICE(s->config->id), kid ? kid : "(without kid)");
	}
}

/* Keys in force from now on, as text; the doubtful ones only where they fit. NULL: nothing has changed. */
static char *put_in_force(struct source *s, json_t *latest)
{
	json_t *before = s->keys;
	char *alone = jwks_text(latest);

	if (!alone)
		return NULL;
	if (s->is_file) {
		json_decref(s->doubtful); /* what the operator writes needs no confirmation */
		s->doubtful = json_array();
		s->keys = json_incref(latest);
	} else {
		json_t *with = unreadable_keys_with(s, latest);
		s->keys = jwks_merge(with, before, &s->doubtful);
		json_decref(with);
	}
	char *text = jwks_text(s->keys);
	if (!text) {
		json_decref(s->keys);
		json_array_clear(s->doubtful);
		s->keys = json_incref(latest);
		text = alone;
	} else {
		free(alone);
	}
	log_gone(s, before);
	json_decref(before);
	return text;
}

static void publish(struct source *s, const char *text)
{
	struct published_issuers *p = s->keeper->published;
	struct published_keys head;
	uint64_t version = s->slot ? flip_seen(&s->slot->version) : 0;
	struct slice jwks = slice_of(text);

	if (!s->slot)
		return;
	const struct published_keys *now = &s->slot->copy[flip_at(version)];
	if (!now->generation || !slice_same((struct slice){ now->jwks, now->len }, jwks)) {
		s->generation = atomic_fetch_add(&p->generations, 1) + 1;
		log_info("issuer %.*s: %zu keys in force", SLICE(s->config->id), json_array_size(s->keys));
	}
	head = keeper_head(s);
	atomic_store(&s->slot->from, s->from);
	published_put(p, s->slot, &head, jwks);
	keeper_notify_workers(s->keeper);
}

static void plan_next(struct source *s)
{
	uint64_t now = keeper_now(s->keeper);

	if (s->is_file) {
		s->due_ns = now + FILE_LOOK_NS;
		set_not_before(s, now + COOLDOWN_FILE_NS);
		return;
	}
	uint64_t refresh_ns = s->soft_ns / 10 * 8, confirm_ns = CONFIRM_NS << (s->doubts < 8 ? s->doubts : 8);
	bool doubts = json_array_size(s->doubtful) > 0;
	s->due_ns = now + random_jitter(refresh_ns, 10);
	if (doubts && confirm_ns < refresh_ns)
		s->due_ns = now + random_jitter(confirm_ns, 20);
	s->doubts = doubts ? s->doubts + 1 : 0; /* an issuer that alternates is asked ever less often */
	set_not_before(s, now + COOLDOWN_NS);
}

struct snapshot fetch_keys_held(const struct source *s)
{
	struct snapshot held = { .keys = s->keys, .doubtful = s->doubtful, .fetched_wall_s = s->fetched_wall_s };

	snprintf(held.jwks_uri, sizeof held.jwks_uri, "%s", s->jwks_uri);
	return held;
}

static void keep(struct source *s)
{
	struct snapshot held = fetch_keys_held(s);

	snapshots_save(s->keeper->snapshots, s->config, &held);
}

bool fetch_keys_adopt(struct source *s, const struct snapshot *what, enum keys_from from)
{
	json_t *latest = jwks_without(what->keys, what->doubtful);

	/* what was in doubt elsewhere is taken where nothing is known better */
	if (!json_array_size(s->keys)) {
		json_decref(s->keys);
		s->keys = json_incref(what->doubtful);
	}
	char *text = json_array_size(latest) ? put_in_force(s, latest) : NULL;
	json_decref(latest);
	if (!text)
		return false;
	s->from = from;
	s->fetched_wall_s = what->fetched_wall_s;
	s->fetched_ns = 0;
	s->hard_ns = keeper_end_ns(s);
	if (!s->config->jwks.len && what->jwks_uri[0])
		snprintf(s->jwks_uri, sizeof s->jwks_uri, "%s", what->jwks_uri);
	log_info("issuer %.*s: verifying with keys from %s, %llu s old", SLICE(s->config->id),
	         keys_from_names[from], (unsigned long long)state_age_s(s));
	publish(s, text);
	free(text);
	if (from == KEYS_FROM_REDIS)
		keep(s);
	return true;
}

void fetch_keys_succeeded(struct source *s, struct slice jwks, uint64_t max_age_s)
{
	const char *why = "it is over the bounds of a key set";
	json_t *latest = jwks_keys(jwks, &why);
	if (latest)
		unreadable_keys_learn(s, jwks);
	char *text = latest ? put_in_force(s, latest) : NULL;

	json_decref(latest);
	if (!text) {
		fetch_keys_failed(s, why);
		return;
	}
	if (s->failure[0])
		log_info("issuer %.*s: keys are fetched again", SLICE(s->config->id));
	s->failures = 0;
	s->failure[0] = '\0';
	s->fetched_wall_s = s->begun_wall_s;
	s->fetched_ns = s->begun_ns;
	s->from = s->is_file ? KEYS_FROM_FILE : KEYS_FROM_ISSUER;
	s->soft_ns = soft_ns(s, max_age_s);
	s->hard_ns = s->begun_ns + s->keeper->config->root.verification.keys_hard;
	metrics_add(s->series[FETCHED_OK], 1);
	unknown_kids_learn(s->keeper, s);
	plan_next(s);
	publish(s, text);
	free(text);
	if (s->is_file)
		return;
	keep(s);
	keycopy_soon(s);
}

static void fetch_keys(struct source *s)
{
	fetch_document(s, slice_of(s->jwks_uri), false);
}

static void on_discovery(struct source *s, const char *failure, struct slice body)
{
	if (!failure)
		failure = jwks_discovery(body, s->config->issuer, s->jwks_uri, sizeof s->jwks_uri);
	if (!failure) {
		s->discovered_ns = keeper_now(s->keeper);
		s->signs_introspection = jwks_signs_introspection(body);
	}
	if (!failure || s->jwks_uri[0])
		fetch_keys(s); /* where discovery fails, what it said before still holds */
	else
		fetch_keys_failed(s, failure);
}

/* NULL where the document came, else a sentence part in `why`. */
static const char *what_failed(const char *document, int status, const char *failure, char *why, size_t cap)
{
	if (status == 200 && !failure)
		return NULL;
	if (status && status != 200)
		snprintf(why, cap, "the %s was answered with status %d", document, status);
	else
		snprintf(why, cap, "the %s could not be fetched: %s", document, failure ? failure : "no answer");
	return why;
}

static void on_fetched(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure)
{
	struct source *s = for_whom;
	char text[200];
	const char *document = s->discovers ? "discovery document" : "key set";
	const char *wrong = what_failed(document, status, failure, text, sizeof text);

	probe_heard(s, !failure && status > 0 && status < 500);
	if (s->discovers)
		on_discovery(s, wrong, body);
	else if (wrong)
		fetch_keys_failed(s, wrong);
	else
		fetch_keys_succeeded(s, body, max_age_s);
}

static void fetch_document(struct source *s, struct slice url, bool is_discovery)
{
	s->discovers = is_discovery;
	s->fetch.rank = s->asked || !json_array_size(s->keys) ? RANK_KEYS : RANK_REFRESH;
	s->fetch.url = url;
	s->fetch.done = on_fetched;
	s->fetch.for_whom = s;
	outbound_send(&s->outbound, &s->fetch);
}

void fetch_keys_soon(struct source *s)
{
	outbound_forget(&s->fetch);
	s->due_ns = keeper_now(s->keeper);
	set_not_before(s, s->due_ns);
}

void fetch_keys_begin(struct source *s)
{
	struct issuer_keeper *k = s->keeper;
	uint64_t now = keeper_now(k);
	bool is_old = !s->discovered_ns || now - s->discovered_ns > DISCOVERY_AGE_NS;

	s->begun_ns = now;
	s->begun_wall_s = k->env.wall_s(k->env.with);
	s->due_ns = UINT64_MAX; /* until it has ended */
	if (state_is_cut_off(s))
		fetch_keys_failed(s, "a drill makes it unreachable");
	else if (s->is_file)
		key_file_look(s);
	else if (s->config->jwks.len && !jwks_is_safe_url(s->config->jwks))
		fetch_keys_failed(s, "http:// is fetched from loopback addresses only");
	else if (s->config->jwks.len || !is_old)
		fetch_keys(s);
	else if (jwks_discovery_url(s->config->issuer, s->discovery_url, sizeof s->discovery_url))
		fetch_document(s, slice_of(s->discovery_url), true);
	else
		fetch_keys_failed(s, "its URL is neither https nor http of a loopback address");
}
