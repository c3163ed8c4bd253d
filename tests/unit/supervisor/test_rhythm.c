#include "supervisor/rhythm.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define S_(n) ((n)*NS_PER_S)
#define START S_(1000)

static struct rhythm settled(void)
{
	struct rhythm r = { 0 };

	assert_int_equal(rhythm_next_ns(&r), 0);
	assert_false(rhythm_done(&r, RHYTHM_SAME, START));
	return r;
}

static void a_sign_is_followed_by_a_look_after_two_quiet_seconds(void **state)
{
	struct rhythm r = settled();

	(void)state;
	assert_int_equal(rhythm_next_ns(&r), START + S_(60));
	rhythm_stir(&r, START + S_(1));
	assert_int_equal(rhythm_next_ns(&r), START + S_(3));
	rhythm_stir(&r, START + S_(2));
	assert_int_equal(rhythm_next_ns(&r), START + S_(4));
	assert_true(rhythm_may_try(&r, START + S_(4)));
}

static void signs_without_end_put_the_look_of_each_minute_off_no_further(void **state)
{
	struct rhythm r = settled();

	(void)state;
	for (uint64_t i = 0; i < 60; i++)
		rhythm_stir(&r, START + S_(i));
	assert_int_equal(rhythm_next_ns(&r), START + S_(60));
}

static void what_fails_is_silent_for_a_minute_then_said_once(void **state)
{
	struct rhythm r = settled();
	uint64_t now_ns = START;
	unsigned tries = 0;

	(void)state;
	while (!rhythm_done(&r, RHYTHM_FAILED, now_ns)) {
		tries++;
		now_ns = rhythm_next_ns(&r);
	}
	assert_int_equal(now_ns, START + S_(60));
	assert_int_equal(tries, 12);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rhythm_next_ns(&r), now_ns + S_(60));
		now_ns = rhythm_next_ns(&r);
		assert_false(rhythm_done(&r, RHYTHM_FAILED, now_ns));
	}
}

static void a_failure_after_a_success_is_silent_anew(void **state)
{
	struct rhythm r = settled();

	(void)state;
	rhythm_done(&r, RHYTHM_FAILED, START);
	assert_true(rhythm_done(&r, RHYTHM_FAILED, START + S_(60)));
	rhythm_done(&r, RHYTHM_SAME, START + S_(61));
	assert_false(rhythm_done(&r, RHYTHM_FAILED, START + S_(62)));
	assert_true(rhythm_done(&r, RHYTHM_FAILED, START + S_(122)));
}

static void at_most_one_generation_comes_of_it_in_a_minute(void **state)
{
	struct rhythm r = settled();

	(void)state;
	assert_true(rhythm_may_try(&r, START));
	rhythm_done(&r, RHYTHM_TAKEN, START);
	rhythm_stir(&r, START + S_(10));
	assert_int_equal(rhythm_next_ns(&r), START + S_(12));
	assert_false(rhythm_may_try(&r, START + S_(12)));
	assert_int_equal(rhythm_next_ns(&r), START + S_(60));
	assert_true(rhythm_may_try(&r, START + S_(60)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sign_is_followed_by_a_look_after_two_quiet_seconds),
		cmocka_unit_test(signs_without_end_put_the_look_of_each_minute_off_no_further),
		cmocka_unit_test(what_fails_is_silent_for_a_minute_then_said_once),
		cmocka_unit_test(a_failure_after_a_success_is_silent_anew),
		cmocka_unit_test(at_most_one_generation_comes_of_it_in_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
