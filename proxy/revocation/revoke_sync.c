/* Exchanges revocations with the other machines through a sorted set in Redis. */
#include "revocation/revoke_sync.h"
#include "base/log.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include <stdio.h>

#define KEY S("revoked")

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len);

static uint64_t now_of(const struct revoke_sync *s)
{
	return s->env->now_ns(s->env->with);
}

static uint64_t wall_of(const struct revoke_sync *s)
{
	return s->env->wall_s(s->env->with);
}

static struct slice number(char room[24], uint64_t n)
{
	snprintf(room, 24, "%llu", (unsigned long long)n);
	return slice_of(room);
}

/* ---- asking ---- */

/* Without an answer nothing is known of what Redis holds: it is read whole as soon as it answers again. */
static void failed(struct revoke_sync *s)
{
	s->doing = REVOKE_SYNC_NOTHING;
	s->between = false;
	s->whole_due_ns = 0;
	s->due_ns = now_of(s) + REVOKE_SYNC_RETRY_NS;
}

static void ask(struct revoke_sync *s, enum revoke_sync_doing doing, const struct slice *words, size_t len)
{
	s->doing = doing;
	if (!s->env->redis(s->env->with, words, len, on_answer, s))
		failed(s);
}

static void remove_some(struct revoke_sync *s)
{
	struct slice words[2 + REVOKE_SYNC_BATCH] = { S("ZREM"), KEY };

	for (size_t i = 0; i < s->removed_len; i++)
		words[2 + i] = slice_of(s->removed[i]);
	ask(s, REVOKE_SYNC_REMOVING, words, 2 + s->removed_len);
}

/* False: all are told. */
static bool tell_some(struct revoke_sync *s)
{
	static char records[REVOKE_SYNC_BATCH][REVOKE_SYNC_RECORD];
	char score[24];
	struct slice words[2 + 2 * REVOKE_SYNC_BATCH] = { S("ZADD"), KEY };
	struct slice now = number(score, s->env->redis_ms(s->env->with, KEY));

	s->told_len = 0;
	for (size_t i = 0; i < s->all->len && s->told_len < REVOKE_SYNC_BATCH; i++) {
		const struct revocation *r = &s->all->at[i];
		if (r->shared || !revoke_sync_write(s, r, records[s->told_len]))
			continue;
		words[2 + 2 * s->told_len] = now;
		words[3 + 2 * s->told_len] = slice_of(records[s->told_len]);
		s->told[s->told_len].mark = r->mark;
		s->told[s->told_len++].at_ms = r->at_ms;
	}
	if (s->told_len)
		ask(s, REVOKE_SYNC_TELLING, words, 2 + 2 * s->told_len);
	return s->told_len > 0;
}

static void begin_reading(struct revoke_sync *s, uint64_t now_ns)
{
	s->whole = now_ns >= s->whole_due_ns;
	s->from_ms =
	    s->whole || s->newest_ms < REVOKE_SYNC_OVERLAP_MS ? 0 : s->newest_ms - REVOKE_SYNC_OVERLAP_MS;
	s->offset = 0;
	s->between = true;
	s->began_ms = s->env->redis_ms(s->env->with, KEY);
	if (s->whole) /* what is not found in it will be told again */
		for (size_t i = 0; i < s->all->len; i++)
			s->all->at[i].found = false;
}

static void read_page(struct revoke_sync *s)
{
	char from[24], offset[24], page[24];
	const struct slice words[] = { S("ZRANGEBYSCORE"),        KEY,
		                           number(from, s->from_ms),  S("+inf"),
		                           S("WITHSCORES"),           S("LIMIT"),
		                           number(offset, s->offset), number(page, REVOKE_SYNC_PAGE) };

	ask(s, REVOKE_SYNC_READING, words, sizeof words / sizeof *words);
}

/* ---- answers ---- */

static void remove_later(struct revoke_sync *s, struct slice record)
{
	if (s->removed_len < REVOKE_SYNC_BATCH && record.len < REVOKE_SYNC_RECORD)
		snprintf(s->removed[s->removed_len++], REVOKE_SYNC_RECORD, "%.*s", SLICE(record));
}

static bool take_record(struct revoke_sync *s, struct slice record)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation r;
	bool foreign, news = false;

	if (!revoke_sync_read(s, record, &r, value, &foreign)) {
		metrics_add(s->refused, foreign);
		return false;
	}
	if (r.until_s <= wall_of(s) || !revocations_merge(s->all, &r, &news))
		remove_later(s, record); /* over, or replaced by a later one */
	return news;
}

static void take_page(struct revoke_sync *s, const struct slice *texts, size_t len)
{
	bool news = false;
	uint64_t score = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		news = take_record(s, texts[i]) || news;
		if (slice_u64(texts[i + 1], &score) && score > s->newest_ms)
			s->newest_ms = score;
	}
	if (news) {
		revocations_keep(s->all);
		s->on_news(s->with);
	}
	s->offset += len / 2;
	s->between = len / 2 == REVOKE_SYNC_PAGE;
	if (!s->between)
		s->read_ms = s->began_ms;
	if (s->between || !s->whole)
		return;
	s->whole_due_ns = now_of(s) + REVOKE_SYNC_WHOLE_NS;
	for (size_t i = 0; i < s->all->len; i++)
		s->all->at[i].shared = s->all->at[i].found;
}

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct revoke_sync *s = for_whom;
	enum revoke_sync_doing done = s->doing;

	if (!answered) {
		failed(s);
		return;
	}
	s->doing = REVOKE_SYNC_NOTHING;
	if (done == REVOKE_SYNC_READING)
		take_page(s, texts, len);
	if (done == REVOKE_SYNC_REMOVING)
		s->removed_len = 0;
	if (done == REVOKE_SYNC_TELLING)
		s->told_ms = s->env->redis_ms(s->env->with, KEY);
	for (size_t i = 0; done == REVOKE_SYNC_TELLING && i < s->told_len; i++)
		revocations_are_shared(s->all, s->told[i].mark, s->told[i].at_ms);
	bool more = s->between || s->removed_len || revocations_unshared(s->all);
	s->due_ns = now_of(s) + (more ? 0 : REVOKE_SYNC_POLL_NS);
	metrics_set(s->unshared, (int64_t)revocations_unshared(s->all));
}

uint64_t revoke_sync_tick(struct revoke_sync *s, uint64_t now_ns)
{
	if (!s->keys || s->doing)
		return UINT64_MAX;
	if (now_ns < s->due_ns)
		return s->due_ns;
	if (s->removed_len && !s->between) {
		remove_some(s);
	} else if (s->between || now_ns >= s->whole_due_ns || !tell_some(s)) {
		if (!s->between)
			begin_reading(s, now_ns);
		read_page(s);
	}
	return s->doing ? UINT64_MAX : s->due_ns;
}

void revoke_sync_send(struct revoke_sync *s)
{
	s->due_ns = 0;
	metrics_set(s->unshared, s->keys ? (int64_t)revocations_unshared(s->all) : 0);
}

/* ---- opening and closing ---- */

void revoke_sync_open(struct revoke_sync *s, const struct config *c, const struct revocation_env *env,
                      struct revocations *all, void (*on_news)(void *with), void *with)
{
	const CONFIG_SECRETS *fleet = &c->root.secrets.fleet;

	*s = (struct revoke_sync){ .config = c, .env = env, .all = all, .on_news = on_news, .with = with };
	s->refused = metrics_lone(METRIC_revocations_foreign_total);
	s->unshared = metrics_lone(METRIC_revocations_unshared);
	if (!env->redis)
		return;
	if (!fleet->len)
		log_warn("revocations and keys of issuers are not shared with other machines: "
		         "that needs secrets.fleet");
	s->keys = statedir_keys(fleet, STATEDIR_SECRETS, S("sallyport shared revocations 1"), s->key);
}

void revoke_sync_close(struct revoke_sync *s)
{
	secret_wipe(s->key, sizeof s->key);
	metrics_set(s->unshared, 0);
}
