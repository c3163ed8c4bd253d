#include "fixture.h"
#include "base/log.h"
#include <jansson.h>
#include <stdio.h>

#define WALL (NOW + EPOCH_S)
#define FILES 2

/* ---- a Redis with one sorted set, and machines that share it ---- */

static struct record {
	uint64_t score;
	char text[FLEET_RECORD];
} records[256];
static size_t records_len;
static uint64_t clock_ns_, redis_now_ms;
static bool redis_away;

struct machine {
	struct config config;
	struct config_route route[2];
	struct secret secret;
	struct guard_table *table;
	struct guard_route *w;
	struct guard_keeper *keeper;
	struct {
		char name[32], *bytes;
		size_t len;
	} file[FILES];
	struct {
		void (*done)(void *, bool, const struct slice *, size_t);
		void *for_whom;
		size_t len;
		struct slice texts[512];
		char numbers[256][24];
	} owed;
};

static void answer_zadd(const struct slice *words, size_t len)
{
	for (size_t i = 2; i + 1 < len; i += 2) {
		size_t at = 0;
		while (at < records_len && !slice_same(slice_of(records[at].text), words[i + 1]))
			at++;
		assert_true(at < 256);
		records_len += at == records_len;
		snprintf(records[at].text, FLEET_RECORD, "%.*s", SLICE(words[i + 1]));
		assert_true(slice_u64(words[i], &records[at].score));
	}
}

static bool redis(void *with, const struct slice *words, size_t len,
                  void (*done)(void *, bool, const struct slice *, size_t), void *for_whom)
{
	struct machine *m = with;
	uint64_t from = 0;

	if (redis_away)
		return false;
	assert_null(m->owed.done);
	assert_string_equal(words[1].at, "guard");
	m->owed.done = done;
	m->owed.for_whom = for_whom;
	m->owed.len = 0;
	if (slice_same(words[0], S("ZADD")))
		answer_zadd(words, len);
	if (!slice_same(words[0], S("ZRANGEBYSCORE")))
		return true;
	assert_true(slice_u64(words[2], &from));
	for (size_t i = 0; i < records_len; i++) {
		if (records[i].score < from)
			continue;
		m->owed.texts[m->owed.len++] = slice_of(records[i].text);
		snprintf(m->owed.numbers[i], 24, "%llu", (unsigned long long)records[i].score);
		m->owed.texts[m->owed.len++] = slice_of(m->owed.numbers[i]);
	}
	return true;
}

static uint64_t redis_clock(void *with, struct slice key)
{
	(void)with, (void)key;
	return redis_now_ms;
}

static bool put(void *with, const char *name, struct slice bytes)
{
	struct machine *m = with;
	size_t i = 0;

	while (i < FILES && m->file[i].name[0] && strcmp(m->file[i].name, name) != 0)
		i++;
	assert_true(i < FILES);
	snprintf(m->file[i].name, sizeof m->file[i].name, "%s", name);
	free(m->file[i].bytes);
	m->file[i].bytes = malloc(bytes.len);
	memcpy(m->file[i].bytes, bytes.at, bytes.len);
	m->file[i].len = bytes.len;
	return true;
}

static char *take(void *with, const char *name, size_t *len)
{
	struct machine *m = with;

	for (size_t i = 0; i < FILES; i++)
		if (strcmp(m->file[i].name, name) == 0) {
			char *copy = malloc(m->file[i].len);
			memcpy(copy, m->file[i].bytes, m->file[i].len);
			*len = m->file[i].len;
			return copy;
		}
	return NULL;
}

static const struct siphash_key key = { 1, 2 };

static void open_keeper(struct machine *m, bool fleet)
{
	const struct guard_env world = {
		.with = m, .put = put, .take = take, .redis = fleet ? redis : NULL, .redis_ms = redis_clock
	};

	m->keeper = guard_keeper_open(&m->config, m->table, key, &world, WALL + clock_ns_ / NS_PER_S);
	assert_non_null(m->keeper);
}

static void open_machine(struct machine *m, const char *secret, bool fleet)
{
	static char secrets[2][64];
	char *place = secrets[secret[0] == 'b'];

	memset(m, 0, sizeof *m);
	m->route[0] = (struct config_route){ .name = S("clusters"), .reconcile = true };
	m->route[1] = (struct config_route){ .name = S("open") };
	m->config.root.routes = m->route;
	m->config.root.routes_len = 2;
	m->config.root.guard.places = 4096;
	m->config.root.environment = S("dev");
	snprintf(place, 64, "%s", secret);
	m->secret = (struct secret){ (unsigned char *)place, strlen(place) };
	m->config.root.secrets.fleet = (struct config_secret_list){ &m->secret, 1 };
	m->table = guard_table_of(4096);
	open_keeper(m, fleet);
	m->w = m->keeper->routes[0].shared;
}

static void close_machine(struct machine *m)
{
	guard_keeper_close(m->keeper, WALL);
	free(m->table);
	for (size_t i = 0; i < FILES; i++)
		free(m->file[i].bytes);
}

static void turn(struct machine *m)
{
	for (int i = 0; i < 6; i++) {
		guard_keeper_tick(m->keeper, clock_ns_, WALL + clock_ns_ / NS_PER_S);
		void (*done)(void *, bool, const struct slice *, size_t) = m->owed.done;
		m->owed.done = NULL;
		if (done)
			done(m->owed.for_whom, true, m->owed.texts, m->owed.len);
	}
}

static void pass(struct machine *a, struct machine *b, uint64_t ms)
{
	for (uint64_t end = clock_ns_ + ms * NS_PER_MS; clock_ns_ < end;) {
		clock_ns_ += 50 * NS_PER_MS;
		redis_now_ms += 50;
		turn(a);
		if (b)
			turn(b);
	}
}

static uint64_t now(void)
{
	return NOW + clock_ns_ / NS_PER_S;
}

static void hush(void *with, enum log_level level, struct slice line)
{
	(void)with, (void)level, (void)line;
}

static int begin(void **state)
{
	(void)state;
	records_len = 0;
	redis_away = false;
	clock_ns_ = 100 * NS_PER_S;
	redis_now_ms = 1700000000000;
	log_sink(hush, NULL);
	return 0;
}

static void news(struct machine *m, uint64_t principal, enum guard_event event, uint64_t at)
{
	struct guard_news n = { .key = principal,
		                    .principal = principal,
		                    .good_s = at - 60,
		                    .at_s = at,
		                    .event = event,
		                    .status = 404,
		                    .first = event != GUARD_ENDED };

	snprintf(n.client, sizeof n.client, "client-%llu", (unsigned long long)principal);
	guard_keeper_hear(m->keeper, &n, WALL + 1000000);
}

static json_t *ledger(struct machine *m, uint64_t since, uint64_t from)
{
	static char room[1 << 20];
	struct text t = TEXT(room);

	guard_keeper_tell(m->keeper, WALL, &(struct guard_page){ since, from }, &t);
	assert_true(text_end(&t));
	json_t *told = json_loads(room, 0, NULL);
	assert_non_null(told);
	return told;
}

/* ---- one machine ---- */

static void a_restart_changes_nothing(void **state)
{
	struct machine m;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	for (uint64_t i = 0; i < 50; i++)
		guard_say(m.table, m.w, i, MEANS_GOOD, now());
	for (uint64_t i = 0; i < 10; i++)
		guard_say(m.table, m.w, i, MEANS_ABSENT, now());
	news(&m, 7, GUARD_HELD, WALL);
	guard_keeper_close(m.keeper, WALL + 100);
	free(m.table);
	m.table = guard_table_of(4096);
	open_keeper(&m, false);
	m.w = m.keeper->routes[0].shared;
	assert_true(latch_of(m.w, now()).on);
	assert_true(guard_say(m.table, m.w, 30, MEANS_ABSENT, now()).held);
	assert_int_equal(latch_of(m.w, now()).since, now());
	json_t *told = ledger(&m, 0, 0);
	assert_int_equal(json_array_size(json_object_get(told, "clients")), 1);
	json_decref(told);
	close_machine(&m);
}

static void what_somebody_changed_on_disk_is_not_believed(void **state)
{
	struct machine m;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	guard_say(m.table, m.w, 1, MEANS_GOOD, now());
	latch_set(m.w, CAUSE_OPERATOR, now() + 600, now());
	guard_keeper_close(m.keeper, WALL + 100);
	for (size_t i = 0; i < m.file[0].len; i++) {
		m.file[0].bytes[i] ^= 1;
		memset(m.table, 0, guard_memory(4096));
		assert_non_null(guard_attach(m.table, 4096));
		open_keeper(&m, false);
		assert_false(latch_of(m.keeper->routes[0].shared, now()).on);
		struct guard_keeper *k = m.keeper;
		k->routes_len = 0; /* keeps nothing */
		guard_keeper_close(k, WALL);
		m.file[0].bytes[i] ^= 1;
		i += i > 64 ? 13 : 0;
	}
	open_keeper(&m, false);
	close_machine(&m);
}

static void the_share_that_falls_releases(void **state)
{
	struct machine m;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	for (uint64_t i = 0; i < 50; i++)
		guard_say(m.table, m.w, i, MEANS_GOOD, now());
	for (uint64_t i = 0; i < 50; i++)
		guard_say(m.table, m.w, i, MEANS_ABSENT, now());
	for (int s = 0; s < 60; s++) {
		assert_true(s > 20 || latch_of(m.w, now()).on);
		for (uint64_t i = 0; i < 50; i++)
			guard_say(m.table, m.w, i, MEANS_GOOD, now());
		pass(&m, NULL, 1000);
	}
	assert_false(latch_of(m.w, now()).on);
	close_machine(&m);
}

static void what_an_operator_ordered_no_share_releases(void **state)
{
	struct machine m;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	assert_null(guard_keeper_order(m.keeper, S("trip"), S(""), WALL + clock_ns_ / NS_PER_S));
	for (int s = 0; s < 60; s++) {
		for (uint64_t i = 0; i < 50; i++)
			guard_say(m.table, m.w, i, MEANS_GOOD, now());
		pass(&m, NULL, 1000);
	}
	assert_true(latch_of(m.w, now()).on);
	assert_null(guard_keeper_order(m.keeper, S("release"), S("clusters"), WALL + clock_ns_ / NS_PER_S));
	assert_false(latch_of(m.w, now()).on);
	assert_non_null(guard_keeper_order(m.keeper, S("release"), S("open"), WALL));
	close_machine(&m);
}

static void a_release_accepts_what_is_absent_and_nothing_later(void **state)
{
	struct machine m;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	for (uint64_t i = 0; i < 50; i++)
		guard_say(m.table, m.w, i, MEANS_GOOD, now());
	for (uint64_t i = 0; i < 25; i++)
		guard_say(m.table, m.w, i, MEANS_ABSENT, now());
	assert_null(guard_keeper_order(m.keeper, S("release"), S(""), WALL + clock_ns_ / NS_PER_S));
	pass(&m, NULL, 2000);
	for (uint64_t i = 0; i < 25; i++)
		assert_false(guard_say(m.table, m.w, i, MEANS_ABSENT, now()).held);
	assert_false(guard_say(m.table, m.w, 30, MEANS_ABSENT, now()).held);
	assert_false(guard_say(m.table, m.w, 31, MEANS_ABSENT, now()).held);
	assert_true(guard_say(m.table, m.w, 32, MEANS_ABSENT, now()).held);
	close_machine(&m);
}

static void the_ledger_lists_in_pages_and_by_time(void **state)
{
	struct machine m;
	size_t seen = 0;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	for (uint64_t i = 1; i <= 1200; i++)
		news(&m, i, i % 2 ? GUARD_HELD : GUARD_DELIVERED, WALL + i);
	for (uint64_t from = 0;;) {
		json_t *told = ledger(&m, 0, from), *next = json_object_get(told, "next");
		seen += json_array_size(json_object_get(told, "clients"));
		bool more = json_is_integer(next);
		from = (uint64_t)json_integer_value(next);
		json_decref(told);
		if (!more)
			break;
	}
	assert_int_equal(seen, 1200);
	json_t *told = ledger(&m, WALL + 1101, 0);
	assert_int_equal(json_array_size(json_object_get(told, "clients")), 100);
	json_decref(told);
	close_machine(&m);
}

static void a_full_ledger_gives_up_the_oldest_that_has_ended(void **state)
{
	struct machine m;

	(void)state;
	open_machine(&m, "a secret that is long enough, no?", false);
	for (uint64_t i = 1; i <= 4096; i++)
		news(&m, i, GUARD_HELD, WALL + i);
	news(&m, 5000, GUARD_HELD, WALL + 5000); /* all are absent: no room */
	news(&m, 70, GUARD_ENDED, WALL + 5001);
	news(&m, 60, GUARD_ENDED, WALL + 5001);
	news(&m, 5001, GUARD_DELIVERED, WALL + 5002);
	bool found[3] = { false, false, false };
	for (size_t i = 0; i < m.keeper->ledger.len; i++) {
		uint64_t p = m.keeper->ledger.at[i]->principal;
		found[0] |= p == 5001, found[1] |= p == 60, found[2] |= p == 5000;
	}
	assert_true(found[0] && !found[1] && !found[2]);
	assert_int_equal(m.keeper->ledger.len, 4096);
	close_machine(&m);
}

/* ---- a fleet ---- */

static void flips_are_counted_over_the_fleet_and_all_latch_within_a_second(void **state)
{
	struct machine a, b;

	(void)state;
	open_machine(&a, "a secret that is long enough, no?", true);
	open_machine(&b, "a secret that is long enough, no?", true);
	for (uint64_t i = 0; i < 9; i++) {
		guard_say(a.table, a.w, i, MEANS_GOOD, now());
		guard_say(b.table, b.w, i, MEANS_GOOD, now());
	}
	assert_false(guard_say(a.table, a.w, 0, MEANS_ABSENT, now()).held);
	assert_false(guard_say(b.table, b.w, 0, MEANS_ABSENT, now()).held); /* the same key: one flip */
	news(&a, 0, GUARD_DELIVERED, WALL);
	news(&b, 0, GUARD_DELIVERED, WALL);
	pass(&a, &b, 900);
	assert_int_equal(atomic_load(&a.w->elsewhere), 0);
	assert_false(guard_say(a.table, a.w, 1, MEANS_ABSENT, now()).held);
	news(&a, 1, GUARD_DELIVERED, WALL);
	pass(&a, &b, 900);
	assert_int_equal(atomic_load(&b.w->elsewhere), 1);
	assert_true(guard_say(b.table, b.w, 5, MEANS_ABSENT, now()).held); /* the third of the fleet */
	news(&b, 5, GUARD_LATCHED, WALL);
	pass(&b, &a, 900);
	assert_true(latch_of(a.w, now()).on);
	assert_true(guard_say(a.table, a.w, 8, MEANS_ABSENT, now()).held);
	assert_null(guard_keeper_order(b.keeper, S("release"), S(""), WALL + clock_ns_ / NS_PER_S));
	pass(&b, &a, 900);
	assert_false(latch_of(a.w, now()).on || latch_of(b.w, now()).on);
	pass(&b, &a, 20000); /* and stays so */
	assert_false(latch_of(a.w, now()).on || latch_of(b.w, now()).on);
	close_machine(&a);
	close_machine(&b);
}

static void another_secrets_records_change_nothing(void **state)
{
	struct machine a, b;

	(void)state;
	open_machine(&a, "a secret that is long enough, no?", true);
	open_machine(&b, "b secret of some other fleet here", true);
	assert_null(guard_keeper_order(b.keeper, S("trip"), S(""), WALL + clock_ns_ / NS_PER_S));
	pass(&b, &a, 2000);
	assert_true(latch_of(b.w, now()).on && !latch_of(a.w, now()).on);
	close_machine(&a);
	close_machine(&b);
}

static void an_old_release_played_again_releases_nothing(void **state)
{
	struct machine a, b;

	(void)state;
	open_machine(&a, "a secret that is long enough, no?", true);
	open_machine(&b, "a secret that is long enough, no?", true);
	assert_null(guard_keeper_order(a.keeper, S("release"), S(""), WALL + clock_ns_ / NS_PER_S));
	pass(&a, &b, 1000);
	pass(&a, &b, 60000);
	assert_null(guard_keeper_order(a.keeper, S("trip"), S(""), WALL + clock_ns_ / NS_PER_S));
	pass(&a, &b, 1000);
	assert_true(latch_of(a.w, now()).on && latch_of(b.w, now()).on);
	for (size_t i = 0; i < records_len; i++) /* all that were ever there, as if new */
		records[i].score = redis_now_ms;
	pass(&a, &b, 3000);
	assert_true(latch_of(a.w, now()).on && latch_of(b.w, now()).on);
	close_machine(&a);
	close_machine(&b);
}

static void while_redis_is_away_each_counts_alone(void **state)
{
	struct machine a, b;

	(void)state;
	redis_away = true;
	open_machine(&a, "a secret that is long enough, no?", true);
	open_machine(&b, "a secret that is long enough, no?", true);
	assert_null(guard_keeper_order(a.keeper, S("trip"), S(""), WALL + clock_ns_ / NS_PER_S));
	pass(&a, &b, 2000);
	assert_false(latch_of(b.w, now()).on);
	redis_away = false;
	pass(&a, &b, 6000);
	assert_true(latch_of(b.w, now()).on);
	close_machine(&a);
	close_machine(&b);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		CASE(a_restart_changes_nothing),
		CASE(what_somebody_changed_on_disk_is_not_believed),
		CASE(the_share_that_falls_releases),
		CASE(what_an_operator_ordered_no_share_releases),
		CASE(a_release_accepts_what_is_absent_and_nothing_later),
		CASE(the_ledger_lists_in_pages_and_by_time),
		CASE(a_full_ledger_gives_up_the_oldest_that_has_ended),
		CASE(flips_are_counted_over_the_fleet_and_all_latch_within_a_second),
		CASE(another_secrets_records_change_nothing),
		CASE(an_old_release_played_again_releases_nothing),
		CASE(while_redis_is_away_each_counts_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
