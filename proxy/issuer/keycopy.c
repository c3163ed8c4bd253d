/* Writes an issuer's keys to Redis for the other machines, and reads theirs. */
#include "base/log.h"
#include "base/random.h"
#include "base/strict.h"
#include "base/text.h"
#include "issuer/inside.h"
#include "metrics/metrics.h"
#include <stdio.h>

#define RETRY_DOUBLINGS 6

static bool is_shared(const struct source *s)
{
	return s->keeper->copies.keys && !s->is_file;
}

static uint64_t wall_of(const struct source *s)
{
	return s->keeper->env.wall_s(s->keeper->env.with);
}

/* Is there anything to be had from another machine? */
static bool is_in_need(const struct source *s)
{
	return s->failures || state_real(s) != ISSUER_NORMAL;
}

/* Those who waited for a key hear of the attempt that failed meanwhile. */
static void wait_no_longer(struct source *s)
{
	bool awaited = s->copy.awaited;

	s->copy.awaited = false;
	if (awaited && s->failures)
		fetch_keys_publish_failed(s);
}

static void plan(struct source *s)
{
	s->copy.due_ns =
	    keeper_now(s->keeper) + random_jitter(is_in_need(s) ? KEYCOPY_NEED_NS : KEYCOPY_POLL_NS, 10);
}

/* It was asked, and refused or did not answer. What is to be told waits for another look. */
static void failed(struct source *s)
{
	struct keycopy *c = &s->copy;

	c->tells = false;
	c->failures += c->failures < RETRY_DOUBLINGS;
	c->due_ns = keeper_now(s->keeper) + random_jitter(NS_PER_S / 2 << c->failures, 10);
}

/* ---- a copy that was found ---- */

static void refuse(struct source *s, struct slice record, const char *why, enum statedir_refusal refusal)
{
	const struct issuer_keeper *k = s->keeper;
	uint64_t hash = siphash(k->hash, record) | 1;

	if (s->copy.refused == hash)
		return;
	s->copy.refused = hash;
	metrics_add(k->copies.refused[refusal], 1);
	log_warn("issuer %.*s: the copy of its keys in Redis is not believed: %s", SLICE(s->config->id), why);
}

/* What was fetched before this is older than what is known here. */
static uint64_t oldest_s(const struct source *s)
{
	uint64_t seen_s = s->copy.seen_s > KEYCOPY_CLOCKS_S ? s->copy.seen_s - KEYCOPY_CLOCKS_S : 0;
	uint64_t kept_s = snapshots_newest_s(s->keeper->snapshots, s->config);

	return state_real(s) == ISSUER_BLIND && kept_s > seen_s ? kept_s : seen_s;
}

static const char *read_record(const struct source *s, struct slice record, struct snapshot *to,
                               enum statedir_refusal *refusal)
{
	const struct issuer_keeper *k = s->keeper;
	struct slice body = record, signature = slice_cut(&body, ' ');
	uint64_t now_s = wall_of(s), hard_s = k->config->root.verification.keys_hard / NS_PER_S;

	*refusal = STATEDIR_CHANGED;
	if (body.len > SNAPSHOT_BYTES_MAX || !crypt_is_signed(k->copies.key, k->copies.keys, body, signature))
		return "it was changed, or no secret of this fleet signed it";
	json_t *root = strict_read(body);
	const char *why = snapshot_read(root, s->config, oldest_s(s), now_s + KEYCOPY_CLOCKS_S, to, refusal);
	json_decref(root);
	if (why || now_s <= to->fetched_wall_s + hard_s)
		return why;
	snapshot_free(to);
	*refusal = STATEDIR_EXPIRED;
	return "it is older than verification.keys_hard";
}

static void take(struct source *s, const struct snapshot *found)
{
	bool blind = state_real(s) == ISSUER_BLIND;
	uint64_t held_s = json_array_size(s->keys) ? s->fetched_wall_s + (blind ? 0 : KEYCOPY_CLOCKS_S) : 0;

	if (is_in_need(s) && found->fetched_wall_s > held_s)
		fetch_keys_adopt(s, found, KEYS_FROM_REDIS);
}

/* Whether it was believed. */
static bool look_at(struct source *s, struct slice record)
{
	struct snapshot found;
	enum statedir_refusal refusal;
	const char *why = read_record(s, record, &found, &refusal);

	if (why) {
		refuse(s, record, why, refusal);
		return false;
	}
	s->copy.refused = 0;
	s->copy.seen_s = found.fetched_wall_s;
	take(s, &found);
	snapshot_free(&found);
	return true;
}

static void on_got(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct source *s = for_whom;
	struct keycopy *c = &s->copy;

	c->asked = false;
	if (!answered) {
		failed(s);
		return;
	}
	bool believed = len && look_at(s, texts[0]);
	c->tells = state_real(s) != ISSUER_BLIND && (!believed || c->seen_s < s->fetched_wall_s);
	wait_no_longer(s);
	plan(s);
	if (c->tells)
		c->due_ns = 0;
	else
		c->failures = 0; /* where SET alone fails, that counts */
}

/* ---- telling ---- */

static void on_told(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct source *s = for_whom;
	struct keycopy *c = &s->copy;

	(void)texts;
	(void)len;
	c->asked = false;
	if (!answered) {
		failed(s);
		return;
	}
	c->failures = 0;
	c->tells = false;
	c->refused = 0;
	c->seen_s = c->told_s;
	plan(s);
	if (c->told_s < s->fetched_wall_s) /* fetched meanwhile */
		keycopy_soon(s);
}

/* `HMAC snapshot`; free() it. */
static char *make_record(const struct source *s)
{
	struct snapshot held = fetch_keys_held(s);
	char hex[SIGNATURE_LEN], *record = NULL, *body = snapshot_write(s->config, &held);

	if (body && crypt_sign(s->keeper->copies.key[0], slice_of(body), hex) &&
	    asprintf(&record, "%.*s %s", SIGNATURE_LEN, hex, body) < 0)
		record = NULL;
	free(body);
	return record;
}

static bool ask(struct source *s, const struct slice *words, size_t len,
                void (*done)(void *, bool, const struct slice *, size_t))
{
	const struct issuer_env *env = &s->keeper->env;

	s->copy.asked = env->redis(env->with, words, len, done, s);
	return s->copy.asked;
}

static bool tell(struct source *s)
{
	uint64_t hard_s = s->keeper->config->root.verification.keys_hard / NS_PER_S, age_s = state_age_s(s);
	char ttl[24], *record = make_record(s);

	snprintf(ttl, sizeof ttl, "%llu", (unsigned long long)(hard_s > age_s ? hard_s - age_s : 1) * 1000);
	const struct slice words[] = { S("SET"),
		                           { s->copy.name, KEYCOPY_NAME_LEN },
		                           record ? slice_of(record) : S(""),
		                           S("PX"),
		                           slice_of(ttl) };
	s->copy.told_s = s->fetched_wall_s;
	bool asked = record && ask(s, words, 5, on_told);
	free(record);
	return asked;
}

static bool look(struct source *s)
{
	const struct slice words[] = { S("GET"), { s->copy.name, KEYCOPY_NAME_LEN } };

	return ask(s, words, 2, on_got);
}

uint64_t keycopy_tick(struct source *s)
{
	struct keycopy *c = &s->copy;
	uint64_t now_ns = keeper_now(s->keeper), end_ns = UINT64_MAX;

	if (!is_shared(s))
		return UINT64_MAX;
	if (c->awaited) {
		end_ns = c->opened_ns + s->keeper->config->root.verification.wait;
		if (now_ns >= end_ns)
			wait_no_longer(s);
	}
	if (!c->asked && now_ns >= c->due_ns && !(c->tells && state_real(s) != ISSUER_BLIND ? tell(s) : look(s)))
		c->due_ns = now_ns + KEYCOPY_RETRY_NS;
	if (c->asked)
		return c->awaited ? end_ns : UINT64_MAX;
	return c->awaited && end_ns < c->due_ns ? end_ns : c->due_ns;
}

void keycopy_soon(struct source *s)
{
	if (!s->copy.failures)
		s->copy.due_ns = 0;
}

/* ---- opening and closing ---- */

void keycopies_open(struct keycopies *all, const struct config *c, const struct issuer_env *env)
{
	char label[256];
	struct text t = TEXT(label);

	*all = (struct keycopies){ .env = env };
	statedir_series(all->refused, S("redis"));
	text_add(&t, S("sallyport shared keys 1\n"));
	text_add(&t, c->root.environment);
	if (env->redis && !t.cut)
		all->keys = statedir_keys(&c->root.secrets.fleet, STATEDIR_SECRETS, text_slice(&t), all->key);
}

void keycopies_close(struct keycopies *all)
{
	secret_wipe(all->key, sizeof all->key);
}

void keycopy_open(struct source *s)
{
	struct text t = TEXT(s->copy.name);

	s->copy.opened_ns = keeper_now(s->keeper);
	s->copy.awaited = is_shared(s) && !json_array_size(s->keys);
	text_add(&t, S("keys:"));
	text_hex(&t, s->who, SHA256_LEN / 2);
}
