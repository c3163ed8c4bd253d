#include "passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker one;
static struct slice first;

static int open_world(void **state)
{
	(void)state;
	return keeping_begin(first);
}

static void a_drill_makes_the_issuer_unreachable_until_its_time_is_over(void **state)
{
	(void)state;
	keeping_pass(0);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("unreachable"), 1200));
	keeping_pass(0);
	assert_int_equal(atomic_load(&keeping_slot()->failed), 1); /* at once */
	unsigned before = keeping.fetches + keeping.discoveries;
	keeping_pass(700);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_STALE);
	assert_int_equal(keeping.fetches + keeping.discoveries, before);
	assert_true(keeping_publishes("one"));
	keeping_pass(501);
	assert_true(keeping.fetches + keeping.discoveries > before);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
}

static void a_drill_gives_up_the_fetch_under_way_and_can_be_stopped(void **state)
{
	(void)state;
	keeping.status = -1;
	keeping_pass(0);
	assert_int_equal(keeping.hanging_len, 1);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("unreachable"), 3600));
	keeping_pass(1);
	keeping.status = 200;
	keeping_unhang(200);
	assert_false(keeping_publishes("one")); /* its late answer is of before the drill */
	keeping_pass(60);
	assert_false(keeping_publishes("one"));
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("none"), 0));
	keeping_pass(0);
	assert_true(keeping_publishes("one"));
}

static void a_drill_outlives_the_keeper(void **state)
{
	(void)state;
	keeping_pass(0);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("unreachable"), 900));
	keeping_pass(1);
	keeping_stop();
	keeping_start();
	unsigned before = keeping.fetches + keeping.discoveries;
	keeping_pass(800);
	assert_int_equal(keeping.fetches + keeping.discoveries, before);
	keeping_pass(100);
	assert_true(keeping.fetches > 0);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
}

static void a_drilled_state_is_shown_where_the_real_one_is_no_worse(void **state)
{
	(void)state;
	keeping_pass(0);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("degraded"), 60));
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
	assert_int_equal(published_drill(keeping_slot(), keeping.now_ns), DRILL_DEGRADED);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("blind"), 60));
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
	assert_true(keeping_publishes("one"));
	keeping_pass(61);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
	keeping.status = 0;
	keeping_pass(DAY_S / 2 + 600);
	assert_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("stale"), 60));
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
}

static void a_drill_is_refused_where_it_makes_no_sense(void **state)
{
	(void)state;
	assert_non_null(issuer_keeper_drill(keeping.keeper, S("nobody"), S("stale"), 60));
	assert_non_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("asleep"), 60));
	assert_non_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("stale"), 0));
	assert_non_null(issuer_keeper_drill(keeping.keeper, S("auth0"), S("stale"), 3601));
	assert_int_equal(atomic_load(&keeping_slot()->drill), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, keeping_end)
		TEST(a_drill_makes_the_issuer_unreachable_until_its_time_is_over),
		TEST(a_drill_gives_up_the_fetch_under_way_and_can_be_stopped),
		TEST(a_drill_outlives_the_keeper),
		TEST(a_drilled_state_is_shown_where_the_real_one_is_no_worse),
		TEST(a_drill_is_refused_where_it_makes_no_sense),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	one = maker_make(ALG_ES256, "one");
	first = maker_jwks(&one, 1);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_forget();
	return failed;
}
