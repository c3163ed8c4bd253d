/* Key sets that machines of a fleet leave for each other in a Redis that is not trusted. */
#include "copying.h"

static struct maker one, two;

static void join(void)
{
	keeping_open(S(""));
	keeping.redis = redis;
	keeping.answer = answer;
	keeping.config.root.environment = S("prod");
	keeping.config.root.secrets.fleet = (CONFIG_SECRETS){ secrets, 1 };
	keeping.body = maker_jwks(&one, 1);
}

static int open_world(void **state)
{
	(void)state;
	memset(values, 0, sizeof values);
	redis_is = HERE;
	gets = sets = others = 0;
	owed.done = NULL;
	logged[0] = '\0';
	join();
	other = keeping;
	join();
	log_sink(on_log, NULL);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	log_sink(NULL, NULL);
	keeping_close();
	owed.done = NULL;
	on_the_other();
	keeping_close();
	return 0;
}

static void write_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

static bool told(const char *words)
{
	char room[8192];
	struct text t = TEXT(room);

	issuer_keeper_print(keeping.keeper, write_piece, &t);
	return text_end(&t) && strstr(room, words);
}

/* Machine A has fetched, machine B starts with nothing inside the outage. */
static void fetch_on_a_and_start_b(uint64_t later_s)
{
	keeping_start();
	keeping_pass(1);
	assert_int_equal(sets, 1);
	on_the_other();
	keeping.wall_s += later_s;
	lose_the_issuer();
	keeping_start();
}

static void a_machine_with_an_empty_disk_verifies_with_what_another_one_fetched(void **state)
{
	char path[256];

	(void)state;
	fetch_on_a_and_start_b(3600);
	assert_int_equal(keeping_seen()->generation, 0); /* the start waits for nothing */
	keeping_pass(0);
	assert_true(keeping_publishes("one"));
	assert_true(keeping_seen()->fetched_wall_s == 1800000000 && keeping_seen()->fetched_ns == 0);
	assert_int_equal(atomic_load(&keeping_slot()->from), KEYS_FROM_REDIS);
	assert_true(told("\"keys_from\":\"redis\""));
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_STALE);
	keeping_path(path, "auth0.json");
	assert_int_equal(access(path, R_OK), 0); /* and has them on its own disk from now on */
	keeping_pass(5);
	assert_string_equal(keeping.url, "https://i/keys"); /* where discovery is away as well */
	keeping_pass(DAY_S - 3600 - 60);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
	assert_true(keeping_seen()->hard_ns >= keeping.now_ns);
	keeping_pass(120); /* a day after the fetch, not after the reading */
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
	assert_true(keeping_seen()->hard_ns < keeping.now_ns);
	keeping.status = keeping.discovery_status = 200;
	keeping_pass(70);
	assert_int_equal(atomic_load(&keeping_slot()->from), KEYS_FROM_ISSUER);
}

static void a_copy_lives_no_longer_than_its_keys_and_is_told_anew_with_each_fetch(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(1);
	assert_true(values[0].ttl_ms <= DAY_S * 1000 && values[0].ttl_ms > (DAY_S - 2) * 1000);
	assert_true(slice_starts(slice_of(values[0].key), S("keys:")));
	keeping_pass(599);
	assert_int_equal(sets, 2);
	values[0].len = 0; /* somebody deletes it */
	keeping_pass(70);
	assert_true(values[0].len > 0 && values[0].ttl_ms < DAY_S * 1000);
	unsigned before = gets;
	keeping_pass(6000);
	assert_in_range(gets - before, 60, 130); /* a look every minute, and with each fetch */
}

static void a_copy_that_was_changed_is_not_believed_and_said_once(void **state)
{
	static char good[CAP];

	(void)state;
	fetch_on_a_and_start_b(60);
	struct value *v = &values[0];
	size_t len = v->len;
	memcpy(good, v->text, len);
	for (size_t i = 0; i < len; i += i < 80 ? 1 : 13) { /* one bit, anywhere */
		unsigned before = refused("changed");
		logged[0] = '\0';
		memcpy(v->text, good, len);
		v->text[i] ^= 1;
		keeping_pass(30);
		assert_int_equal(keeping_seen()->generation, 0);
		assert_int_equal(refused("changed"), before + 1);
		assert_int_equal(said("the copy of its keys in Redis is not believed: it was changed"), 1);
	}
	memcpy(v->text, good, len);
	for (v->len = 1; v->len < len; v->len += 97) {
		keeping_pass(6);
		assert_int_equal(keeping_seen()->generation, 0);
	}
	v->len = len;
	keeping_pass(6);
	assert_true(keeping_publishes("one"));
	on_the_other(); /* and one that holds its keys puts right what is not */
	v->text[len - 5] ^= 1;
	keeping_pass(70);
	assert_true(v->len == len && refused("changed") > 0);
}

static void a_copy_of_another_fleet_environment_or_issuer_is_not_believed(void **state)
{
	static char good[CAP];

	(void)state;
	keeping_start();
	keeping_pass(1);
	size_t len = values[0].len;
	memcpy(good, values[0].text, len);
	on_the_other();
	lose_the_issuer();
	keeping.config.root.secrets.fleet = (CONFIG_SECRETS){ &secrets[1], 1 };
	keeping_start();
	keeping_pass(1);
	assert_int_equal(keeping_seen()->generation, 0);
	wipe();
	keeping.config.root.secrets.fleet = (CONFIG_SECRETS){ secrets, 1 };
	keeping.config.root.environment = S("staging");
	keeping_start();
	keeping_pass(1);
	assert_int_equal(keeping_seen()->generation, 0);
	wipe();
	keeping.config.root.environment = S("prod");
	keeping.issuer.issuer = S("https://j/");
	keeping_start();
	keeping_pass(1);
	assert_true(values[1].key[0] && values[1].len == 0); /* it has a place of its own */
	memcpy(values[1].text, good, values[1].len = len);
	unsigned before = refused("foreign");
	keeping_pass(30);
	assert_int_equal(keeping_seen()->generation, 0);
	assert_int_equal(refused("foreign"), before + 1);
	assert_int_equal(said("it is of another issuer"), 1);
}

static void an_older_copy_put_back_is_noticed_by_who_saw_the_newer_one(void **state)
{
	static struct value old;

	(void)state;
	keeping_start();
	keeping_pass(1);
	old = values[0];
	keeping.body = maker_jwks(&two, 1);
	keeping_pass(1300); /* key one is gone */
	assert_true(keeping_publishes("two") && !keeping_publishes("one"));
	lose_the_issuer();
	keeping_pass(3600);
	unsigned before = refused("older");
	values[0] = old;
	keeping_pass(6);
	assert_int_equal(refused("older"), before + 1);
	assert_int_equal(said("a newer one had been written"), 1);
	assert_true(keeping_publishes("two") && !keeping_publishes("one"));
	assert_true(memmem(values[0].text, values[0].len, "\"two\"", 5)); /* the newer one is back */
	wipe(); /* even where nothing is left but the floor */
	values[0] = old;
	keeping_start();
	keeping_pass(30);
	assert_int_equal(refused("older"), before + 2);
	assert_int_equal(keeping_seen()->generation, 0);
}

static void a_copy_from_the_future_or_past_the_hard_bound_is_not_taken(void **state)
{
	static struct value old;

	(void)state;
	unsigned future = refused("future"), expired = refused("expired");
	keeping_start();
	keeping_pass(1);
	old = values[0];
	keeping_pass(600);
	on_the_other();
	lose_the_issuer();
	keeping.wall_s -= 700; /* this machine's clock is behind */
	keeping_start();
	keeping_pass(30);
	assert_int_equal(keeping_seen()->generation, 0);
	assert_int_equal(refused("future"), future + 1);
	assert_int_equal(said("it says to be from the future"), 1);
	values[0] = old;
	keeping.wall_s += 700 + DAY_S; /* Redis has held it longer than it was told to */
	keeping_pass(30);
	assert_int_equal(keeping_seen()->generation, 0);
	assert_int_equal(refused("expired"), expired + 1);
	assert_int_equal(said("it is older than verification.keys_hard"), 1);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
}

static void a_newer_set_is_taken_where_ones_own_fetches_fail(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(1);
	lose_the_issuer(); /* for this machine alone */
	on_the_other();
	keeping.wall_s += 400, keeping.now_ns += 400 * NS_PER_S;
	keeping.body = maker_jwks(&two, 1);
	keeping_start();
	keeping_pass(10);
	on_the_other();
	keeping_pass(20); /* its own are fresh yet */
	assert_false(keeping_publishes("two"));
	keeping_pass(200);
	assert_true(keeping_publishes("two") && keeping_publishes("one")); /* one is in doubt */
	assert_int_equal(atomic_load(&keeping_slot()->from), KEYS_FROM_REDIS);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
	on_the_other();
	keeping_pass(500);
	on_the_other();
	keeping_pass(10);
	assert_true(keeping_publishes("two") && !keeping_publishes("one")); /* missing twice in a row */
	unsigned before = gets;
	keeping_pass(600);
	assert_in_range(gets - before, 60, 150); /* every 5 s while it has need */
}

static void a_key_that_is_gone_here_does_not_come_back_from_elsewhere(void **state)
{
	const struct maker both[] = { two, one };
	static struct value doubting;

	(void)state;
	keeping.body = maker_jwks(both, 2);
	keeping_start();
	keeping_pass(1);
	keeping.body = maker_jwks(&two, 1);
	keeping_pass(1300);
	assert_false(keeping_publishes("one"));
	lose_the_issuer();
	on_the_other(); /* where it is in doubt for the first time */
	keeping.body = maker_jwks(both, 2);
	keeping_start();
	keeping_pass(31);
	keeping.body = maker_jwks(&two, 1);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("x"), keeping.wall_s);
	keeping_pass(3);
	assert_true(keeping_publishes("one"));
	assert_true(memmem(values[0].text, values[0].len, "\"one\"", 5));
	doubting = values[0];
	on_the_other();
	keeping_pass(1500);
	assert_int_equal(atomic_load(&keeping_slot()->from), KEYS_FROM_REDIS);
	assert_true(keeping_publishes("two") && !keeping_publishes("one"));
	wipe();
	memset(keeping.floor, 0, sizeof keeping.floor);
	values[0] = doubting;
	keeping_start(); /* one that knows nothing better believes what is in doubt as long as others do */
	keeping_pass(0);
	assert_true(keeping_publishes("two") && keeping_publishes("one"));
}

static void what_is_newer_by_less_than_clocks_differ_is_not_taken(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(1);
	lose_the_issuer();
	on_the_other();
	keeping.wall_s += 55; /* its clock is ahead */
	keeping.body = maker_jwks(&two, 1);
	keeping_start();
	keeping_pass(1);
	on_the_other();
	keeping.wall_s -= 55;
	keeping_pass(3600);
	assert_true(!keeping_publishes("two") && keeping_publishes("one"));
	assert_true(memmem(values[0].text, values[0].len, "\"two\"", 5));
}

static void redis_away_silent_or_forbidding_changes_nothing_else(void **state)
{
	(void)state;
	for (redis_is = AWAY; redis_is <= SILENT; redis_is++) {
		keeping_start();
		keeping_pass(1);
		assert_true(keeping_publishes("one"));
		unsigned before = gets + sets, revoking = others;
		keeping_pass(3600);
		assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
		assert_int_equal(atomic_load(&keeping_slot()->from), KEYS_FROM_ISSUER);
		assert_in_range(gets + sets - before, 0, 270); /* one of each in 32 s, growing to it */
		assert_true(others - revoking > 10000);        /* it is asked for the rest as ever */
		wipe();
	}
	redis_is = FORBIDDING;
	keeping_start();
	keeping_pass(3600);
	redis_is = HERE;
	keeping_pass(40);
	assert_true(values[0].len > 0);
}

static void those_who_came_before_redis_answered_wait_for_it_and_no_longer(void **state)
{
	(void)state;
	fetch_on_a_and_start_b(60);
	redis_is = SILENT;
	issuer_keeper_tick(keeping.keeper);
	owed.answered = true;
	assert_true(keeping.fetches + keeping.discoveries > 0);
	assert_int_equal(atomic_load(&keeping_slot()->failed), 0); /* the attempt has failed: there is hope yet */
	redis_is = HERE;
	keeping_pass(0);
	assert_true(keeping_publishes("one"));
	wipe();
	values[0].len = 0;
	redis_is = SILENT;
	keeping_start();
	issuer_keeper_tick(keeping.keeper);
	redis_is = HERE;
	owed.answered = true;
	assert_true(answer()); /* with nothing */
	assert_int_equal(atomic_load(&keeping_slot()->failed), 1);
	wipe();
	redis_is = SILENT;
	keeping_start();
	keeping_pass(1);
	assert_int_equal(atomic_load(&keeping_slot()->failed), 0);
	keeping_pass(2); /* verification.wait */
	assert_true(atomic_load(&keeping_slot()->failed) > 0);
}

static void secrets_of_the_fleet_may_be_rotated_and_without_one_nothing_is_shared(void **state)
{
	struct secret rotated[] = { secrets[1], secrets[0] };

	(void)state;
	fetch_on_a_and_start_b(60);
	keeping_stop();
	keeping.config.root.secrets.fleet = (CONFIG_SECRETS){ rotated, 2 };
	keeping_start();
	keeping_pass(0);
	assert_true(keeping_publishes("one"));
	wipe();
	keeping.config.root.secrets.fleet = (CONFIG_SECRETS){ rotated, 0 };
	unsigned before = gets + sets;
	keeping_start();
	keeping_pass(600);
	assert_int_equal(gets + sets, before);
	assert_int_equal(keeping_seen()->generation, 0);
	assert_true(atomic_load(&keeping_slot()->failed) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(a_machine_with_an_empty_disk_verifies_with_what_another_one_fetched),
		TEST(a_copy_lives_no_longer_than_its_keys_and_is_told_anew_with_each_fetch),
		TEST(a_copy_that_was_changed_is_not_believed_and_said_once),
		TEST(a_copy_of_another_fleet_environment_or_issuer_is_not_believed),
		TEST(an_older_copy_put_back_is_noticed_by_who_saw_the_newer_one),
		TEST(a_copy_from_the_future_or_past_the_hard_bound_is_not_taken),
		TEST(a_newer_set_is_taken_where_ones_own_fetches_fail),
		TEST(a_key_that_is_gone_here_does_not_come_back_from_elsewhere),
		TEST(what_is_newer_by_less_than_clocks_differ_is_not_taken),
		TEST(redis_away_silent_or_forbidding_changes_nothing_else),
		TEST(those_who_came_before_redis_answered_wait_for_it_and_no_longer),
		TEST(secrets_of_the_fleet_may_be_rotated_and_without_one_nothing_is_shared),
#undef TEST
	};

	void *counters = calloc(1, metrics_memory(1));
	if (!counters || !metrics_attach(counters, 1))
		abort();
	metrics_sit(0);
	one = maker_make(ALG_ES256, "one");
	two = maker_make(ALG_EDDSA, "two");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_free(&two);
	free(counters);
	return failed;
}
