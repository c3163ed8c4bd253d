#include "verify/share.h"
#include "base/log.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include <stdio.h>

#define KEY S("revoked")

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len);

static uint64_t now_of(const struct share *s)
{
	return s->world->now_ns(s->world->with);
}

static uint64_t wall_of(const struct share *s)
{
	return s->world->wall_s(s->world->with);
}

static struct slice number(char room[24], uint64_t n)
{
	snprintf(room, 24, "%llu", (unsigned long long)n);
	return slice_of(room);
}

/* ---- asking ---- */

/* Without an answer nothing is known of what Redis holds: it is read whole as soon as it answers again. */
static void failed(struct share *s)
{
	s->doing = SHARE_NOTHING;
	s->between = false;
	s->whole_due_ns = 0;
	s->due_ns = now_of(s) + SHARE_RETRY_NS;
}

static void ask(struct share *s, enum share_doing doing, const struct slice *words, size_t len)
{
	s->doing = doing;
	if (!s->world->redis(s->world->with, words, len, on_answer, s))
		failed(s);
}

static void remove_some(struct share *s)
{
	struct slice words[2 + SHARE_BATCH] = { S("ZREM"), KEY };

	for (size_t i = 0; i < s->removed_len; i++)
		words[2 + i] = slice_of(s->removed[i]);
	ask(s, SHARE_REMOVING, words, 2 + s->removed_len);
}

/* False: all are told. */
static bool tell_some(struct share *s)
{
	static char records[SHARE_BATCH][SHARE_RECORD];
	char score[24];
	struct slice words[2 + 2 * SHARE_BATCH] = { S("ZADD"), KEY };
	struct slice now = number(score, s->world->redis_ms(s->world->with, KEY));

	s->told_len = 0;
	for (size_t i = 0; i < s->all->len && s->told_len < SHARE_BATCH; i++) {
		const struct revocation *r = &s->all->at[i];
		if (r->shared || !share_write(s, r, records[s->told_len]))
			continue;
		words[2 + 2 * s->told_len] = now;
		words[3 + 2 * s->told_len] = slice_of(records[s->told_len]);
		s->told[s->told_len].mark = r->mark;
		s->told[s->told_len++].at_ms = r->at_ms;
	}
	if (s->told_len)
		ask(s, SHARE_TELLING, words, 2 + 2 * s->told_len);
	return s->told_len > 0;
}

static void begin_reading(struct share *s, uint64_t now_ns)
{
	s->whole = now_ns >= s->whole_due_ns;
	s->from_ms = s->whole || s->newest_ms < SHARE_OVERLAP_MS ? 0 : s->newest_ms - SHARE_OVERLAP_MS;
	s->offset = 0;
	s->between = true;
	s->began_ms = s->world->redis_ms(s->world->with, KEY);
	if (s->whole) /* what is not found in it will be told again */
		for (size_t i = 0; i < s->all->len; i++)
			s->all->at[i].found = false;
}

static void read_page(struct share *s)
{
	char from[24], offset[24], page[24];
	const struct slice words[] = { S("ZRANGEBYSCORE"), KEY, number(from, s->from_ms), S("+inf"),
		S("WITHSCORES"), S("LIMIT"), number(offset, s->offset), number(page, SHARE_PAGE) };

	ask(s, SHARE_READING, words, sizeof words / sizeof *words);
}

/* ---- answers ---- */

static void remove_later(struct share *s, struct slice record)
{
	if (s->removed_len < SHARE_BATCH && record.len < SHARE_RECORD)
		snprintf(s->removed[s->removed_len++], SHARE_RECORD, "%.*s", SLICE(record));
}

static bool take_record(struct share *s, struct slice record)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation r;
	bool foreign, news = false;

	if (!share_read(s, record, &r, value, &foreign)) {
		metrics_add(s->refused, foreign);
		return false;
	}
	if (r.until_s <= wall_of(s) || !revocations_merge(s->all, &r, &news))
		remove_later(s, record); /* over, or replaced by a later one */
	return news;
}

static void take_page(struct share *s, const struct slice *texts, size_t len)
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
	s->between = len / 2 == SHARE_PAGE;
	if (!s->between)
		s->read_ms = s->began_ms;
	if (s->between || !s->whole)
		return;
	s->whole_due_ns = now_of(s) + SHARE_WHOLE_NS;
	for (size_t i = 0; i < s->all->len; i++)
		s->all->at[i].shared = s->all->at[i].found;
}

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct share *s = for_whom;
	enum share_doing done = s->doing;

	if (!answered) {
		failed(s);
		return;
	}
	s->doing = SHARE_NOTHING;
	if (done == SHARE_READING)
		take_page(s, texts, len);
	if (done == SHARE_REMOVING)
		s->removed_len = 0;
	if (done == SHARE_TELLING)
		s->told_ms = s->world->redis_ms(s->world->with, KEY);
	for (size_t i = 0; done == SHARE_TELLING && i < s->told_len; i++)
		revocations_are_shared(s->all, s->told[i].mark, s->told[i].at_ms);
	bool more = s->between || s->removed_len || revocations_unshared(s->all);
	s->due_ns = now_of(s) + (more ? 0 : SHARE_POLL_NS);
	metrics_set(s->unshared, (int64_t)revocations_unshared(s->all));
}

uint64_t share_tick(struct share *s, uint64_t now_ns)
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

void share_tell(struct share *s)
{
	s->due_ns = 0;
	metrics_set(s->unshared, s->keys ? (int64_t)revocations_unshared(s->all) : 0);
}

/* ---- opening and closing ---- */

void share_open(struct share *s, const struct config *c, const struct verify_world *world,
                struct revocations *all, void (*on_news)(void *with), void *with)
{
	const CONFIG_SECRETS *fleet = &c->root.secrets.fleet;

	*s = (struct share){ .config = c, .world = world, .all = all, .on_news = on_news, .with = with };
	s->refused = metrics_lone(METRIC_revocations_foreign_total);
	s->unshared = metrics_lone(METRIC_revocations_unshared);
	if (!world->redis)
		return;
	if (!fleet->len)
		log_warn("revocations and keys of issuers are not shared with other machines: "
		         "that needs secrets.fleet");
	s->keys = kept_keys(fleet, KEPT_SECRETS, S("sallyport shared revocations 1"), s->key);
}

void share_close(struct share *s)
{
	secret_wipe(s->key, sizeof s->key);
	metrics_set(s->unshared, 0);
}
