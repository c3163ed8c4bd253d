#include "base/log.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include "revocation/revoke_sync.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW_S UINT64_C(1800000000)

/* ---- a Redis: one sorted set, kept in the order of its scores ---- */

static struct member {
	char text[REVOKE_SYNC_RECORD];
	uint64_t score;
} set[1024];
static size_t set_len;
static bool redis_is_away;
static unsigned asked;

static void put(struct slice text, uint64_t score)
{
	size_t at = 0;

	while (at < set_len && !slice_same(slice_of(set[at].text), text))
		at++;
	if (at < set_len)
		memmove(&set[at], &set[at + 1], (--set_len - at) * sizeof *set);
	for (at = set_len++; at > 0 && set[at - 1].score > score; at--)
		set[at] = set[at - 1];
	snprintf(set[at].text, sizeof set[at].text, "%.*s", SLICE(text));
	set[at].score = score;
}

static void take(struct slice text)
{
	for (size_t at = 0; at < set_len; at++)
		if (slice_same(slice_of(set[at].text), text)) {
			memmove(&set[at], &set[at + 1], (--set_len - at) * sizeof *set);
			return;
		}
}

/* ---- two machines ---- */

static struct machine {
	struct config config;
	struct config_issuer issuer;
	struct secret secrets[2];
	struct revoked_table *table;
	struct revocations all;
	struct revoke_sync share;
	unsigned news;
	struct {
		void (*done)(void *, bool, const struct slice *, size_t);
		void *for_whom;
		bool answered;
		struct slice texts[2 * REVOKE_SYNC_PAGE];
		char scores[REVOKE_SYNC_PAGE][24];
		size_t len;
	} owed;
} machines[2];
static uint64_t now_ns;
static unsigned char secret_bytes[2][32] = { "the secret that the fleet has", "another secret" };

static uint64_t now_of(void *with)
{
	(void)with;
	return now_ns;
}

static uint64_t wall_of(void *with)
{
	(void)with;
	return NOW_S + now_ns / NS_PER_S;
}

static uint64_t redis_ms(void *with, struct slice key)
{
	(void)with;
	(void)key;
	return NOW_S * 1000 + now_ns / NS_PER_MS;
}

static uint64_t number_of(struct slice s)
{
	uint64_t n = 0;

	assert_true(slice_u64(s, &n));
	return n;
}

static void range(struct machine *m, const struct slice *words)
{
	uint64_t from = number_of(words[2]), skip = number_of(words[6]), most = number_of(words[7]);

	m->owed.len = 0;
	for (size_t i = 0; i < set_len && m->owed.len / 2 < most; i++) {
		if (set[i].score < from || skip-- > 0)
			continue;
		skip = 0;
		snprintf(m->owed.scores[m->owed.len / 2], 24, "%llu", (unsigned long long)set[i].score);
		m->owed.texts[m->owed.len] = slice_of(strdup(set[i].text));
		m->owed.texts[m->owed.len + 1] = slice_of(m->owed.scores[m->owed.len / 2]);
		m->owed.len += 2;
	}
}

static bool ask(void *with, const struct slice *words, size_t len,
                void (*done)(void *, bool, const struct slice *, size_t), void *for_whom)
{
	struct machine *m = with;

	asked++;
	assert_true(slice_same(words[1], S("revoked")));
	m->owed.done = done;
	m->owed.for_whom = for_whom;
	m->owed.answered = !redis_is_away;
	m->owed.len = 0;
	if (redis_is_away)
		return true;
	if (slice_same(words[0], S("ZRANGEBYSCORE")))
		range(m, words);
	for (size_t i = 2; i < len && slice_same(words[0], S("ZADD")); i += 2)
		put(words[i + 1], number_of(words[i]));
	for (size_t i = 2; i < len && slice_same(words[0], S("ZREM")); i++)
		take(words[i]);
	return true;
}

static void on_news(void *with)
{
	((struct machine *)with)->news++;
}

static struct revocation_env worlds[2];

static void start(int which)
{
	struct machine *m = &machines[which];

	worlds[which] = (struct revocation_env){
		.with = m, .now_ns = now_of, .wall_s = wall_of, .redis = ask, .redis_ms = redis_ms
	};
	m->issuer = (struct config_issuer){ .id = S("auth0") };
	m->secrets[0] = (struct secret){ secret_bytes[0], 32 };
	m->secrets[1] = (struct secret){ secret_bytes[1], 32 };
	m->config.root.environment = S("prod");
	m->config.root.issuers = &m->issuer;
	m->config.root.issuers_len = 1;
	if (!m->config.root.secrets.fleet.len)
		m->config.root.secrets.fleet = (CONFIG_SECRETS){ m->secrets, 1 };
	m->table = calloc(1, sizeof *m->table);
	m->table->k0 = (uint64_t)which + 1; /* marks differ from machine to machine */
	revocations_open(&m->all, m->table, NULL, NOW_S);
	revoke_sync_open(&m->share, &m->config, &worlds[which], &m->all, on_news, m);
}

static void stop(int which)
{
	revoke_sync_close(&machines[which].share);
	revocations_close(&machines[which].all);
	free(machines[which].table);
}

static int open_all(void **state)
{
	(void)state;
	memset(machines, 0, sizeof machines);
	set_len = 0;
	redis_is_away = false;
	now_ns = 5000 * NS_PER_S;
	start(0);
	start(1);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	stop(0);
	stop(1);
	return 0;
}

static void answer(struct machine *m)
{
	void (*done)(void *, bool, const struct slice *, size_t) = m->owed.done;

	m->owed.done = NULL;
	done(m->owed.for_whom, m->owed.answered, m->owed.texts, m->owed.len);
	for (size_t i = 0; i < m->owed.len; i += 2)
		free((char *)(uintptr_t)m->owed.texts[i].at);
	m->owed.len = 0;
}

static void pass(uint64_t ms)
{
	for (uint64_t until_ns = now_ns + ms * NS_PER_MS; now_ns < until_ns; now_ns += 10 * NS_PER_MS)
		for (int i = 0; i < 2; i++) {
			while (revoke_sync_tick(&machines[i].share, now_ns), machines[i].owed.done)
				answer(&machines[i]);
		}
}

/* ---- what machines do ---- */

static uint64_t mark_on(int which, const char *jti)
{
	return revoked_mark(machines[which].table, S("auth0"), REVOKED_JTI, slice_of(jti));
}

static void revoke_on(int which, const char *jti)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation r = { .kind = REVOKED_JTI,
		                    .issuer = "auth0",
		                    .value = value,
		                    .mark = mark_on(which, jti),
		                    .until_s = wall_of(NULL) + 3600,
		                    .at_ms = wall_of(NULL) * 1000 };
	bool kept;

	snprintf(value, sizeof value, "%s", jti);
	assert_null(revocations_add(&machines[which].all, &r, &kept));
	revoke_sync_send(&machines[which].share);
}

static void undo_on(int which, const char *jti)
{
	bool kept;

	assert_null(revocations_undo(&machines[which].all, mark_on(which, jti), wall_of(NULL) * 1000, &kept));
	revoke_sync_send(&machines[which].share);
}

static bool holds_on(int which, const char *jti)
{
	const struct revoked_marks m = { .of = { mark_on(which, jti) } };

	return revoked_has(machines[which].table, &m, wall_of(NULL));
}

static void what_one_machine_revokes_holds_on_the_others_within_a_second(void **state)
{
	(void)state;
	pass(1000);
	revoke_on(0, "j-1");
	assert_int_equal(revocations_unshared(&machines[0].all), 1);
	pass(1000);
	assert_true(holds_on(1, "j-1"));
	assert_int_equal(machines[1].news, 1);
	assert_int_equal(revocations_unshared(&machines[0].all), 0);
	pass(10000);
	assert_int_equal(machines[1].news, 1); /* it is news once */
	assert_int_equal(set_len, 1);
}

static void taking_back_reaches_the_others_and_outlives_the_old_record(void **state)
{
	static struct member old;

	(void)state;
	revoke_on(0, "j-1");
	pass(1000);
	old = set[0];
	undo_on(1, "j-1");
	pass(1000);
	assert_false(holds_on(0, "j-1") || holds_on(1, "j-1"));
	put(slice_of(old.text), redis_ms(NULL, S(""))); /* somebody plays the old record again */
	pass(61000);
	assert_false(holds_on(0, "j-1") || holds_on(1, "j-1"));
	assert_int_equal(set_len, 1); /* and it is taken out */
	revoke_on(0, "j-1");          /* in the same second as nothing: later than the undoing all the same */
	pass(1000);
	assert_true(holds_on(0, "j-1") && holds_on(1, "j-1"));
}

static void nobody_revokes_by_writing_to_redis(void **state)
{
	char forged[REVOKE_SYNC_RECORD];
	uint64_t before = metrics_value(metrics_lone(METRIC_revocations_foreign_total));

	(void)state;
	revoke_on(0, "j-1");
	pass(1000);
	snprintf(forged, sizeof forged, "%s", set[0].text);
	char *at = strstr(forged, " jti ");
	memcpy(at, " kid ", 5);
	put(slice_of(forged), redis_ms(NULL, S("")));
	put(S("garbage"), redis_ms(NULL, S("")));
	put(S(""), redis_ms(NULL, S("")));
	machines[1].config.root.environment = S("staging"); /* nor does another environment's word count */
	revoke_on(1, "j-2");
	pass(1000);
	assert_int_equal(atomic_load(&machines[0].table->used), 1);
	assert_true(metrics_value(metrics_lone(METRIC_revocations_foreign_total)) >= before + 4);
}

static void what_is_deleted_in_redis_is_told_again(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		char jti[16];
		snprintf(jti, sizeof jti, "j-%d", i);
		revoke_on(i % 2, jti);
	}
	pass(3000);
	assert_int_equal(set_len, 300);
	assert_int_equal(atomic_load(&machines[0].table->used), 300);
	set_len = 0;
	stop(1);
	memset(&machines[1], 0, sizeof machines[1]);
	start(1); /* one that knows nothing */
	pass(62000);
	assert_int_equal(set_len, 300);
	assert_int_equal(atomic_load(&machines[1].table->used), 300);
}

static void redis_is_told_within_a_second_of_its_return_and_asked_gently_before(void **state)
{
	(void)state;
	pass(1000);
	redis_is_away = true;
	revoke_on(0, "j-1");
	unsigned before = asked;
	pass(10000);
	assert_in_range(asked - before, 20, 120);
	assert_int_equal(revocations_unshared(&machines[0].all), 1);
	redis_is_away = false;
	pass(1000);
	assert_true(holds_on(1, "j-1"));
	assert_int_equal(revocations_unshared(&machines[0].all), 0);
}

static void what_is_over_is_taken_out(void **state)
{
	(void)state;
	revoke_on(0, "j-1");
	pass(1000);
	now_ns += 3600 * NS_PER_S;
	revocations_age(&machines[0].all, wall_of(NULL));
	revocations_age(&machines[1].all, wall_of(NULL));
	pass(1000);
	assert_int_equal(set_len, 0);
	assert_int_equal(atomic_load(&machines[1].table->used), 0);
}

static void secrets_may_be_rotated_and_without_one_nothing_is_shared(void **state)
{
	struct secret rotated[2] = { { secret_bytes[1], 32 }, { secret_bytes[0], 32 } };

	(void)state;
	revoke_on(0, "j-1");
	pass(1000);
	stop(1);
	memset(&machines[1], 0, sizeof machines[1]);
	machines[1].config.root.secrets.fleet = (CONFIG_SECRETS){ rotated, 2 };
	start(1);
	pass(1000);
	assert_true(holds_on(1, "j-1")); /* signed with the older one */
	stop(1);
	memset(&machines[1], 0, sizeof machines[1]);
	machines[1].config.root.secrets.fleet = (CONFIG_SECRETS){ rotated, 1 };
	start(1);
	machines[1].share.keys = 0; /* as without a secret */
	unsigned before = asked;
	assert_true(revoke_sync_tick(&machines[1].share, now_ns) == UINT64_MAX);
	assert_int_equal(asked, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
		TEST(what_one_machine_revokes_holds_on_the_others_within_a_second),
		TEST(taking_back_reaches_the_others_and_outlives_the_old_record),
		TEST(nobody_revokes_by_writing_to_redis),
		TEST(what_is_deleted_in_redis_is_told_again),
		TEST(redis_is_told_within_a_second_of_its_return_and_asked_gently_before),
		TEST(what_is_over_is_taken_out),
		TEST(secrets_may_be_rotated_and_without_one_nothing_is_shared),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	void *counters = calloc(1, metrics_memory(1));
	if (!counters || !metrics_attach(counters, 1))
		abort();
	metrics_sit(0);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(counters);
	return failed;
}
