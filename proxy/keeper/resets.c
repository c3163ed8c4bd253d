/* Keys of limits in Redis that an operator lets begin anew: a record tells the keepers of all machines, whose
 * workers forget; then the key is deleted (limit/reset.h). */
#include "base/log.h"
#include "keeper/inside.h"
#include <stdio.h>
#include <stdlib.h>

#define READ_NS (250 * NS_PER_MS) /* between two looks for other machines' records */
#define RECENT_MS 10000           /* a record is read for so long, and removed afterwards */
#define PENDING_MAX 16

static const struct slice records_key = { "resets", 6 };

struct resetting {
	struct resetting *next;
	struct keeper *keeper;
	struct admin_ask *ask; /* NULL: whoever asked has gone */
	struct limit_reset what;
	uint64_t delete_ns; /* 0: the record is not in Redis yet */
	bool deleting;
	size_t len;
	char answer[1024], record[LIMIT_RECORD];
};

static void finish(struct resetting *r, struct slice json)
{
	struct resetting **at = &r->keeper->resettings;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->keeper->resettings_len--;
	if (r->ask)
		admin_answer(r->ask, json);
	free(r);
}

static bool is_known(struct keeper *k, uint64_t tag, uint64_t ms)
{
	for (size_t i = 0; i < RESETS_KNOWN; i++)
		if (k->resets[i].tag == tag && k->resets[i].ms == ms)
			return true;
	k->resets[k->resets_len++ % RESETS_KNOWN] = (struct reset_known){ tag, ms };
	return false;
}

static void forget(struct keeper *k, uint64_t tag)
{
	limit_resets_add(&k->shared->published->resets, tag);
	k->keys_moved = true; /* sleeping workers are woken */
}

/* ---- our own ---- */

static void on_deleted(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct resetting *r = for_whom;

	(void)texts, (void)len;
	finish(r, answered ? (struct slice){ r->answer, r->len }
	                   : S("{\"error\":\"Redis did not answer as the key was to be deleted; ask again\"}"));
}

static void on_told(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct resetting *r = for_whom;
	uint64_t tag, ms;

	(void)texts, (void)len;
	if (!answered) {
		finish(r, S("{\"error\":\"Redis took no record that tells the fleet; nothing was reset\"}"));
		return;
	}
	if (limits_record_read(r->keeper->limits, slice_of(r->record), &tag, &ms))
		(void)is_known(r->keeper, tag, ms);
	forget(r->keeper, r->what.tag);
	r->delete_ns = r->keeper->loop->now_ns + LIMIT_RESET_NS;
}

static void on_tidied(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	(void)for_whom, (void)answered, (void)texts, (void)len; /* the next one tidies again */
}

static struct slice number(char to[static 24], uint64_t n)
{
	return (struct slice){ to, (size_t)snprintf(to, 24, "%llu", (unsigned long long)n) };
}

static bool tell_fleet(struct keeper *k, struct resetting *r)
{
	uint64_t now_ms = keeper_redis_ms(k, records_key);
	char score[24], old[24];
	struct text record = TEXT(r->record);

	limits_record(k->limits, r->what.name, now_ms, &record);
	if (!text_end(&record))
		return false;
	const struct slice add[] = { S("ZADD"), records_key, number(score, now_ms), slice_of(r->record) };
	const struct slice tidy[] = { S("ZREMRANGEBYSCORE"), records_key, S("-inf"),
		                          number(old, now_ms - 2 * RECENT_MS) };
	const struct slice expire[] = { S("PEXPIRE"), records_key, S("60000") };
	if (!keeper_ask_redis(k, add, 4, on_told, r))
		return false;
	(void)keeper_ask_redis(k, tidy, 4, on_tidied, k);
	(void)keeper_ask_redis(k, expire, 3, on_tidied, k);
	return true;
}

void keeper_reset(struct keeper *k, struct admin_ask *ask, const struct limit_reset *what,
                  struct slice answer)
{
	struct resetting *r = k->resettings_len < PENDING_MAX ? calloc(1, sizeof *r) : NULL;

	if (!r || answer.len > sizeof r->answer) {
		free(r);
		admin_answer(ask, S("{\"error\":\"too many others are being reset; ask again\"}"));
		return;
	}
	*r = (struct resetting){
		.next = k->resettings, .keeper = k, .ask = ask, .what = *what, .len = answer.len
	};
	memcpy(r->answer, answer.at, answer.len);
	k->resettings = r;
	k->resettings_len++;
	if (!k->redis || !tell_fleet(k, r))
		finish(r, S("{\"error\":\"Redis is not used at present (`sallyport status` says why), and the key "
		            "is counted there; nothing was reset\"}"));
}

static void delete_due(struct keeper *k)
{
	for (struct resetting *r = k->resettings, *next; r; r = next) {
		char key[LIMIT_NAME + 8];
		next = r->next;
		if (!r->delete_ns || r->deleting || k->loop->now_ns < r->delete_ns)
			continue;
		r->deleting = true;
		snprintf(key, sizeof key, "rl:{%.*s}", LIMIT_NAME, r->what.name);
		const struct slice words[] = { S("DEL"), slice_of(key) };
		if (!keeper_ask_redis(k, words, 2, on_deleted, r))
			on_deleted(r, false, NULL, 0);
	}
}

/* ---- other machines' ---- */

static void take_record(struct keeper *k, struct slice record, uint64_t now_ms)
{
	uint64_t tag, ms;

	if (!limits_record_read(k->limits, record, &tag, &ms) || ms + 2 * RECENT_MS < now_ms ||
	    ms > now_ms + RECENT_MS || is_known(k, tag, ms))
		return;
	log_info("limits: key #%016llx begins anew, as another machine was told", (unsigned long long)tag);
	forget(k, tag);
}

static void on_read(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct keeper *k = for_whom;
	uint64_t now_ms = keeper_redis_ms(k, records_key);

	k->resets_reading = false;
	for (size_t i = 0; answered && i < len; i++)
		take_record(k, texts[i], now_ms);
}

static void read_records(struct keeper *k)
{
	uint64_t now_ms = keeper_redis_ms(k, records_key);
	char from[24];
	const struct slice words[] = { S("ZRANGEBYSCORE"), records_key, number(from, now_ms - RECENT_MS),
		                           S("+inf") };

	k->resets_read_ns = k->loop->now_ns + READ_NS;
	k->resets_reading = keeper_ask_redis(k, words, 4, on_read, k);
}

uint64_t keeper_resets_tick(struct keeper *k)
{
	uint64_t due_ns;

	if (!k->redis || !limits_are_named(k->limits))
		return UINT64_MAX;
	delete_due(k);
	if (!k->resets_reading && k->loop->now_ns >= k->resets_read_ns)
		read_records(k);
	due_ns = k->resets_read_ns;
	for (const struct resetting *r = k->resettings; r; r = r->next)
		if (r->delete_ns && !r->deleting && r->delete_ns < due_ns)
			due_ns = r->delete_ns;
	return due_ns;
}

void keeper_resets_gone(struct keeper *k, const struct admin_ask *ask)
{
	for (struct resetting *r = k->resettings; r; r = r->next)
		if (r->ask == ask)
			r->ask = NULL;
}

void keeper_resets_close(struct keeper *k)
{
	while (k->resettings)
		finish(k->resettings, S("{\"error\":\"a new keeper is taking over; ask again\"}"));
}
