/* What a fetch proves, from when on; and what is left in force after a start, whatever the clock does. */
#include "passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker one, two;
static struct slice first, second;

static int open_world(void **state)
{
	(void)state;
	return keeping_begin(first);
}

/* A key that was made while the answer was under way is not proven absent by it. */
static void a_fetch_counts_from_its_beginning(void **state)
{
	uint64_t begun_ns = keeping.now_ns, begun_s = keeping.wall_s;

	(void)state;
	keeping.status = -1;
	keeping_pass(5);
	assert_int_equal(keeping.hanging_len, 1);
	keeping.status = 200;
	keeping_unhang(200);
	assert_true(keeping_publishes("one"));
	assert_true(keeping_seen()->fetched_wall_s == begun_s);
	assert_true(keeping_seen()->fetched_ns == begun_ns);
	assert_true(keeping_seen()->hard_ns == begun_ns + DAY_S * NS_PER_S);
}

static void only_a_kid_that_was_looked_for_in_vain_is_taken_for_absent(void **state)
{
	const struct source *s = keeper_find(keeping.keeper, S("auth0"));
	char kid[32];

	(void)state;
	keeping_pass(31);
	keeping.body = second;
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("two"), keeping.wall_s);
	assert_true(keeping_publishes("two"));
	assert_false(unknown_kid_has(keeping.keeper, s, S("two"))); /* it was found */
	keeping_pass(31);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("ghost"), keeping.wall_s);
	assert_true(unknown_kid_has(keeping.keeper, s, S("ghost")));
	for (int i = 0; i < 8 * ABSENT_KIDS; i++) { /* some of these lie where the ghost does */
		snprintf(kid, sizeof kid, "other-%d", i);
		assert_false(unknown_kid_has(keeping.keeper, s, slice_of(kid)));
	}
}

/* The machine is switched off and on again: memory is empty, the disk is not. */
static void reboot(void)
{
	keeping_stop();
	memset(keeping.published, 0, published_memory());
	assert_non_null(published_attach(keeping.published));
	keeping.now_ns = 100 * NS_PER_S;
	keeping.wall_s += 60;
}

static void kept_keys_end_after_a_day_though_the_clock_is_set_back_after_the_start(void **state)
{
	(void)state;
	keeping_pass(0);
	reboot();
	keeping.status = keeping.discovery_status = 0;
	keeping_start();
	assert_true(keeping_publishes("one"));
	keeping.wall_s -= 7200;
	keeping_pass(DAY_S - 120);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
	keeping_pass(120);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_BLIND);
}

/* The index beside it is whole, so only what the file itself says can tell. */
static void kept_keys_are_of_one_name_and_one_source(void **state)
{
	char from[256], to[256];

	(void)state;
	keeping_pass(0);
	reboot();
	keeping.status = keeping.discovery_status = 0;
	keeping.issuer.jwks = S("https://elsewhere/keys");
	keeping_start();
	assert_int_equal(keeping_seen()->generation, 0);
	reboot();
	keeping.issuer.jwks = (struct slice){ 0 };
	keeping_path(from, "auth0.json");
	keeping_path(to, "twin.json");
	assert_int_equal(link(from, to), 0);
	keeping.issuer.id = S("twin"); /* another name for the same URL */
	keeping_start();
	assert_int_equal(keeping_seen()->generation, 0);
	reboot();
	keeping.issuer.id = S("auth0");
	keeping_start();
	assert_true(keeping_publishes("one"));
	assert_int_equal(unlink(to), 0);
}

static uint64_t count_of(int copy)
{
	uint64_t count;

	memcpy(&count, keeping.floor + copy * 2048 + 8, sizeof count);
	return count;
}

static void replace(const char *from, const char *to)
{
	char a[256], b[256];

	keeping_path(a, from);
	keeping_path(b, to);
	unlink(b);
	assert_int_equal(link(a, b), 0);
}

static void an_older_set_is_noticed_by_the_index_alone_where_there_is_no_floor(void **state)
{
	(void)state;
	keeping_pass(0);
	replace("auth0.json", "old.json"); /* files are replaced whole, so this one stays as it is */
	keeping_pass(600);
	reboot();
	replace("old.json", "auth0.json");
	memset(keeping.floor, 0, sizeof keeping.floor);
	keeping_start();
	assert_int_equal(keeping_seen()->generation, 0);
}

/* Of the two copies of the floor the newer counts, whichever it is. */
static void an_older_set_is_noticed_by_the_newer_copy_of_the_floor(void **state)
{
	(void)state;
	for (int newer = 0; newer < 2; newer++) {
		keeping_close();
		open_world(NULL);
		keeping_pass(0);
		replace("auth0.json", "old.json");
		replace("newest", "newest.old");
		do
			keeping_pass(600);
		while (count_of(newer) < count_of(!newer));
		reboot();
		replace("old.json", "auth0.json");
		replace("newest.old", "newest");
		keeping_start();
		assert_int_equal(keeping_seen()->generation, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, keeping_end)
		TEST(a_fetch_counts_from_its_beginning),
		TEST(only_a_kid_that_was_looked_for_in_vain_is_taken_for_absent),
		TEST(kept_keys_end_after_a_day_though_the_clock_is_set_back_after_the_start),
		TEST(kept_keys_are_of_one_name_and_one_source),
		TEST(an_older_set_is_noticed_by_the_index_alone_where_there_is_no_floor),
		TEST(an_older_set_is_noticed_by_the_newer_copy_of_the_floor),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	one = maker_make(ALG_ES256, "one");
	two = maker_make(ALG_ES256, "two");
	struct maker both[] = { one, two };
	first = maker_jwks(&one, 1);
	second = maker_jwks(both, 2);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_free(&two);
	maker_forget();
	return failed;
}
