#include "passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker one, two;
static struct slice first, second, both;

static int open_world(void **state)
{
	(void)state;
	return keeping_begin(first);
}

static void the_first_tick_discovers_and_fetches(void **state)
{
	(void)state;
	assert_int_equal(keeping.fetches, 0);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
	keeping_pass(0);
	assert_int_equal(keeping.discoveries, 1);
	assert_int_equal(keeping.fetches, 1);
	assert_int_equal(atomic_load(&keeping_slot()->sent), 2);
	assert_string_equal(keeping.url, "https://i/keys");
	assert_true(keeping_publishes("one"));
	assert_true(keeping_seen()->fetched_wall_s == 1800000000);
	assert_true(keeping_seen()->fetched_ns == 5000 * NS_PER_S);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
	assert_true(keeping.moved > 0);
}

static void keys_are_refreshed_at_four_fifths_of_their_soft_age(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping_pass(431);
	assert_int_equal(keeping.fetches, 1);
	keeping_pass(98); /* 480 s, 10 % more or less, have passed */
	assert_int_equal(keeping.fetches, 2);
	assert_int_equal(keeping.discoveries, 1);
	uint64_t generation = keeping_seen()->generation;
	keeping_pass(3600);
	assert_in_range(keeping.fetches, 2 + 3600 / 528, 2 + 3600 / 432 + 1);
	assert_true(keeping_seen()->generation == generation); /* the same keys: cached verdicts live on */
	assert_true(keeping_seen()->fetched_wall_s > 1800000000 + 3000);
}

static void cache_control_decides_within_five_minutes_and_an_hour(void **state)
{
	static const struct {
		uint64_t max_age_s;
		unsigned least, most;
	} table[] = {
		{ 0, 10800 / 264, 10800 / 216 + 1 },
		{ 300, 10800 / 264, 10800 / 216 + 1 },
		{ 86400, 10800 / 3168, 10800 / 2592 + 1 },
		{ 1800, 10800 / 1584, 10800 / 1296 + 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		keeping.max_age_s = table[i].max_age_s;
		keeping_pass(3600); /* so that the last case's plan is over */
		keeping.fetches = 0;
		keeping_pass(10800);
		assert_in_range(keeping.fetches, table[i].least, table[i].most);
	}
}

static void failures_back_off_to_a_minute_and_discovery_is_asked_again(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping.status = 0;
	keeping.fetches = keeping.discoveries = 0;
	keeping_pass(600);
	assert_in_range(keeping.fetches, 3, 15);
	assert_true(keeping.discoveries >= keeping.fetches - 1);
	keeping.fetches = 0;
	keeping_pass(3600);
	assert_in_range(keeping.fetches, 60, 76);
}

static void every_way_to_fail_keeps_the_keys_and_counts_an_attempt(void **state)
{
	static const char *const bodies[] = { "{\"keys\":[]}", "<html>sorry</html>", "",
		                                  "{\"keys\":[{\"kty\":\"oct\"}]}" };
	static const int statuses[] = { 0, 500, 404, 301, 204 };
	static char big[70000];

	(void)state;
	keeping_pass(0);
	uint64_t generation = keeping_seen()->generation, failed = atomic_load(&keeping_slot()->failed);
	for (size_t i = 0; i < 10; i++) {
		memset(big, ' ', sizeof big);
		keeping.status = i < 5 ? statuses[i] : 200;
		keeping.body = i < 5 ? first : i < 9 ? slice_of(bodies[i - 5]) : (struct slice){ big, sizeof big };
		keeping_pass(600);
		assert_true(keeping_publishes("one"));
		assert_true(keeping_seen()->generation == generation);
		assert_true(atomic_load(&keeping_slot()->failed) > failed);
		failed = atomic_load(&keeping_slot()->failed);
	}
	assert_true(keeping_seen()->fetched_wall_s == 1800000000); /* no failure makes them younger */
}

static void an_issuer_that_hangs_is_given_up_and_its_late_answer_ignored(void **state)
{
	(void)state;
	keeping.status = -1;
	keeping_pass(0);
	assert_int_equal(keeping.hanging_len, 1);
	keeping_pass(9);
	assert_int_equal(atomic_load(&keeping_slot()->failed), 0);
	keeping_pass(2);
	assert_int_equal(atomic_load(&keeping_slot()->failed), 1);
	keeping_pass(120);
	assert_true(keeping.hanging_len < 10);
	keeping.status = 200;
	keeping_unhang(200); /* all but the last were given up: they change nothing */
	keeping_pass(70);
	assert_true(keeping_publishes("one"));
}

static void an_outage_passes_through_its_states_to_the_hard_bound(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping.status = 0;
	keeping_pass(590);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
	keeping_pass(60);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_STALE);
	keeping_pass(DAY_S / 2);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
	keeping_pass(DAY_S / 2);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
	keeping.status = 200;
	keeping_pass(61);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
}

static void discovery_of_another_issuer_is_not_followed(void **state)
{
	(void)state;
	keeping.discovery = "{\"issuer\":\"https://evil/\",\"jwks_uri\":\"https://evil/keys\"}";
	keeping_pass(60);
	assert_int_equal(keeping.fetches, 0);
	assert_true(keeping.discoveries > 1);
	assert_false(keeping_publishes("one"));
}

static void where_discovery_fails_later_the_known_address_still_serves(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping.discovery_status = 503;
	keeping.status = 0;
	keeping_pass(700);
	keeping.status = 200;
	keeping.body = both;
	keeping_pass(61);
	assert_true(keeping_publishes("two"));
}

/* ---- rotation ---- */

static void a_new_key_is_in_force_at_once_and_a_removed_one_after_confirmation(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping.body = both;
	keeping_pass(530);
	assert_true(keeping_publishes("one") && keeping_publishes("two"));
	keeping.body = second;
	unsigned before = keeping.fetches;
	while (keeping.fetches == before)
		keeping_pass(1);
	assert_true(keeping_publishes("one")); /* missing once */
	keeping_pass(8);
	assert_int_equal(keeping.fetches, before + 2);
	assert_false(keeping_publishes("one")); /* missing twice */
	assert_true(keeping_publishes("two"));
}

static void a_key_missing_in_one_answer_only_stays(void **state)
{
	(void)state;
	keeping.body = both;
	keeping_pass(0);
	keeping.body = second;
	while (keeping.fetches == 1)
		keeping_pass(1);
	keeping.body = both;
	keeping_pass(600);
	assert_true(keeping_publishes("one") && keeping_publishes("two"));
}

static void a_failed_confirmation_revokes_nothing(void **state)
{
	(void)state;
	keeping.body = both;
	keeping_pass(0);
	keeping.body = second;
	while (keeping.fetches == 1)
		keeping_pass(1);
	keeping.status = 500;
	keeping_pass(120);
	assert_true(keeping_publishes("one"));
	keeping.status = 200;
	keeping_pass(61);
	assert_false(keeping_publishes("one"));
}

static void an_issuer_whose_answers_alternate_is_asked_ever_less_often(void **state)
{
	(void)state;
	keeping_pass(0);
	unsigned before = keeping.fetches;
	for (int i = 0; i < 3600; i++) {
		keeping.body = keeping.fetches % 2 ? second : first;
		keeping_pass(1);
	}
	assert_true(keeping_publishes("one") && keeping_publishes("two")); /* neither is missing twice in a row */
	assert_in_range(keeping.fetches - before, 3600 / 528, 20);
}

/* ---- clocks ---- */

static void a_wall_clock_that_is_set_back_prolongs_nothing(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping.status = 0;
	keeping_pass(3600);
	keeping.wall_s -= 3 * DAY_S;
	keeping_pass(DAY_S - 3600 - 60);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
	keeping_pass(120);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
	assert_true(keeping_seen()->hard_ns == keeping_seen()->fetched_ns + DAY_S * NS_PER_S);
}

static void a_wall_clock_that_is_set_right_has_the_keys_fetched_at_once(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping_pass(60);
	keeping.wall_s += 365 * DAY_S; /* the machine had booted into the past */
	keeping_pass(1);
	assert_int_equal(keeping.fetches, 2);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
}

static void another_hard_bound_counts_from_the_reload_on(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping.status = 0;
	keeping_pass(23 * 3600);
	keeping_stop();
	keeping.config.root.verification.keys_hard = 2 * DAY_S * NS_PER_S;
	keeping_start();
	assert_true(keeping_seen()->hard_ns == keeping_seen()->fetched_ns + 2 * DAY_S * NS_PER_S);
	keeping_pass(24 * 3600);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
}

/* ---- kids that nobody knows ---- */

static void an_unknown_kid_is_fetched_for_once_the_cooldown_is_over(void **state)
{
	(void)state;
	keeping_pass(0);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("two"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 1);
	assert_int_equal(atomic_load(&keeping_slot()->declined), 1);
	keeping_pass(31);
	keeping.body = both;
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("two"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 2);
	assert_true(keeping_publishes("two"));
}

static void a_kid_shortly_before_the_end_of_the_cooldown_is_fetched_at_its_end(void **state)
{
	(void)state;
	keeping_pass(0);
	keeping_pass(29);
	keeping.body = both;
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("two"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 1);
	keeping_pass(2);
	assert_int_equal(keeping.fetches, 2);
	assert_true(keeping_publishes("two"));
}

static void a_kid_that_was_looked_for_in_vain_is_looked_for_ever_less_often(void **state)
{
	(void)state;
	keeping_pass(31);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("early"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 2);
	keeping_pass(31); /* an issuer may sign a moment before it publishes */
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("early"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 3);
	keeping_pass(31);
	uint64_t declined = atomic_load(&keeping_slot()->declined);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("early"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 3);
	assert_int_equal(atomic_load(&keeping_slot()->declined), declined + 1);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("other"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 4);
	keeping_pass(31);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("early"), keeping.wall_s);
	assert_int_equal(keeping.fetches, 5);
}

static void ten_thousand_random_kids_are_one_fetch_per_cooldown(void **state)
{
	char kid[32];

	(void)state;
	keeping_pass(0);
	for (int i = 0; i < 10000; i++) {
		snprintf(kid, sizeof kid, "random-%d", i);
		issuer_keeper_unknown(keeping.keeper, S("auth0"), slice_of(kid), keeping.wall_s);
		if (i % 100 == 99)
			keeping_pass(3); /* 300 s in all */
	}
	assert_in_range(keeping.fetches, 2, 1 + 300 / 30 + 1);
}

static void random_kids_while_the_issuer_fails_follow_the_backoff(void **state)
{
	char kid[32];

	(void)state;
	keeping.status = 0;
	for (int i = 0; i < 10000; i++) {
		snprintf(kid, sizeof kid, "random-%d", i);
		issuer_keeper_unknown(keeping.keeper, S("auth0"), slice_of(kid), keeping.wall_s);
		if (i % 100 == 99)
			keeping_pass(6); /* 600 s in all */
	}
	assert_in_range(keeping.fetches, 5, 22);
}

static void questions_about_unknown_issuers_or_already_answered_are_ignored(void **state)
{
	(void)state;
	keeping_pass(31);
	issuer_keeper_unknown(keeping.keeper, S("nobody"), S("x"), keeping.wall_s);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("x"), 1799999999);
	assert_int_equal(keeping.fetches, 1);
	assert_int_equal(atomic_load(&keeping_slot()->declined), 0);
}

/* ---- another source, another keeper ---- */

static void the_next_keeper_goes_on_where_this_one_was_killed(void **state)
{
	(void)state;
	keeping_pass(0);
	uint64_t generation = keeping_seen()->generation;
	keeping_stop();
	keeping.now_ns += 60 * NS_PER_S;
	keeping.wall_s += 60;
	keeping_start();
	assert_true(keeping_publishes("one"));
	keeping_pass(60);
	assert_int_equal(keeping.fetches, 1); /* its plan, too, goes on */
	keeping.body = both;
	keeping_pass(600);
	assert_true(keeping_publishes("two"));
	assert_true(keeping_seen()->generation > generation);
}

static void add_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

static void the_next_keeper_knows_how_long_the_keys_are_fresh(void **state)
{
	(void)state;
	keeping.max_age_s = 3600;
	keeping_pass(0);
	keeping_stop();
	keeping_start();
	keeping_pass(2500);
	assert_int_equal(keeping.fetches, 1);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
}

static void what_is_told_is_json(void **state)
{
	char room[2048];
	struct text t = TEXT(room);

	(void)state;
	keeping.status = 500;
	keeping_pass(3);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("stale"), 60));
	text_char(&t, '[');
	issuer_keeper_print(keeping.keeper, add_piece, &t);
	text_char(&t, ']');
	json_t *told = json_loadb(t.at, t.len, 0, NULL), *one_issuer = json_array_get(told, 0);
	assert_string_equal(json_string_value(json_object_get(one_issuer, "issuer")), "auth0");
	assert_string_equal(json_string_value(json_object_get(one_issuer, "state")), "blind");
	assert_string_equal(json_string_value(json_object_get(one_issuer, "last_failure")),
	                    "the key set was answered with status 500");
	const json_t *drill = json_object_get(one_issuer, "drill");
	assert_string_equal(json_string_value(json_object_get(drill, "kind")), "stale");
	assert_int_equal(json_integer_value(json_object_get(drill, "for_s")), 60);
	json_decref(told);
}

static void an_explicit_url_needs_no_discovery(void **state)
{
	(void)state;
	keeping_stop();
	keeping.issuer.jwks = S("https://elsewhere/keys");
	keeping_start();
	keeping_pass(0);
	assert_int_equal(keeping.discoveries, 0);
	assert_string_equal(keeping.url, "https://elsewhere/keys");
	assert_true(keeping_publishes("one"));
}

static void plain_http_is_fetched_from_loopback_only(void **state)
{
	(void)state;
	keeping_stop();
	keeping.issuer.jwks = S("http://10.0.0.1/keys");
	keeping_start();
	keeping_pass(60);
	assert_int_equal(keeping.fetches, 0);
	keeping_stop();
	keeping.issuer.jwks = S("http://127.0.0.1:4444/keys");
	keeping_start();
	keeping_pass(0);
	assert_int_equal(keeping.fetches, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, keeping_end)
		TEST(the_first_tick_discovers_and_fetches),
		TEST(keys_are_refreshed_at_four_fifths_of_their_soft_age),
		TEST(cache_control_decides_within_five_minutes_and_an_hour),
		TEST(failures_back_off_to_a_minute_and_discovery_is_asked_again),
		TEST(every_way_to_fail_keeps_the_keys_and_counts_an_attempt),
		TEST(an_issuer_that_hangs_is_given_up_and_its_late_answer_ignored),
		TEST(an_outage_passes_through_its_states_to_the_hard_bound),
		TEST(discovery_of_another_issuer_is_not_followed),
		TEST(where_discovery_fails_later_the_known_address_still_serves),
		TEST(a_new_key_is_in_force_at_once_and_a_removed_one_after_confirmation),
		TEST(a_key_missing_in_one_answer_only_stays),
		TEST(a_failed_confirmation_revokes_nothing),
		TEST(an_issuer_whose_answers_alternate_is_asked_ever_less_often),
		TEST(a_wall_clock_that_is_set_back_prolongs_nothing),
		TEST(a_wall_clock_that_is_set_right_has_the_keys_fetched_at_once),
		TEST(another_hard_bound_counts_from_the_reload_on),
		TEST(an_unknown_kid_is_fetched_for_once_the_cooldown_is_over),
		TEST(a_kid_shortly_before_the_end_of_the_cooldown_is_fetched_at_its_end),
		TEST(a_kid_that_was_looked_for_in_vain_is_looked_for_ever_less_often),
		TEST(ten_thousand_random_kids_are_one_fetch_per_cooldown),
		TEST(random_kids_while_the_issuer_fails_follow_the_backoff),
		TEST(questions_about_unknown_issuers_or_already_answered_are_ignored),
		TEST(the_next_keeper_goes_on_where_this_one_was_killed),
		TEST(the_next_keeper_knows_how_long_the_keys_are_fresh),
		TEST(what_is_told_is_json),
		TEST(an_explicit_url_needs_no_discovery),
		TEST(plain_http_is_fetched_from_loopback_only),
#undef TEST
	};
	struct maker all[2];

	log_threshold(LOG_LEVEL_ERROR + 1);
	all[0] = one = maker_make(ALG_ES256, "one");
	all[1] = two = maker_make(ALG_EDDSA, "two");
	first = maker_jwks(&one, 1);
	second = maker_jwks(&two, 1);
	both = maker_jwks(all, 2);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_free(&two);
	maker_forget();
	return failed;
}
