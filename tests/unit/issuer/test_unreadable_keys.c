/* Keys whose entries can be read no more, over days of fake time. */
#include "passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker one, two;
static struct slice second, both;
static char spoilt[8192]; /* both, of which "one" cannot be read */

static int open_world(void **state)
{
	(void)state;
	keeping_begin(both);
	keeping_pass(0);
	keeping.body = slice_of(spoilt);
	return 0;
}

static void a_key_whose_entry_cannot_be_read_is_held_for_its_hard_age(void **state)
{
	(void)state;
	for (unsigned hours = 0; hours < 23; hours++) {
		keeping_pass(3600);
		assert_true(keeping_publishes("one") && keeping_publishes("two"));
	}
	assert_true(keeping.fetches > 24);
	keeping_pass(3600);
	keeping_pass(3600);
	keeping_pass(120); /* the confirming fetch */
	assert_false(keeping_publishes("one"));
	assert_true(keeping_publishes("two"));
}

static void one_that_is_then_left_out_goes_as_any_other(void **state)
{
	(void)state;
	keeping_pass(3600);
	keeping.body = second;
	keeping_pass(1200);
	assert_false(keeping_publishes("one"));
}

static void one_that_can_be_read_again_is_held_anew_the_next_time(void **state)
{
	(void)state;
	for (unsigned days = 0; days < 3; days++) {
		keeping.body = slice_of(spoilt);
		for (unsigned hours = 0; hours < 20; hours++)
			keeping_pass(3600);
		assert_true(keeping_publishes("one"));
		keeping.body = both;
		keeping_pass(3600);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, keeping_end)
		TEST(a_key_whose_entry_cannot_be_read_is_held_for_its_hard_age),
		TEST(one_that_is_then_left_out_goes_as_any_other),
		TEST(one_that_can_be_read_again_is_held_anew_the_next_time),
#undef TEST
	};
	struct maker all[2];

	log_threshold(LOG_LEVEL_ERROR + 1);
	all[0] = one = maker_make(ALG_ES256, "one");
	all[1] = two = maker_make(ALG_EDDSA, "two");
	second = maker_jwks(&two, 1);
	both = maker_jwks(all, 2);
	snprintf(spoilt, sizeof spoilt, "{\"keys\":[{\"kid\":\"one\",\"kty\":\"RSA\",\"n\":\"!\"},%.*s",
	         (int)(second.len - 9), second.at + 9);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_free(&two);
	maker_forget();
	return failed;
}
