#include "base/refresh.h"
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW (1000 * NS_PER_S)

static void assert_due_in(const struct refresh *r, uint64_t s)
{
	assert_true(r->due_ns >= NOW + s * NS_PER_S / 10 * 9);
	assert_true(r->due_ns <= NOW + s * NS_PER_S / 10 * 11);
}

static void what_was_found_is_looked_up_again_in_half_a_minute(void **state)
{
	struct refresh r = { 0 };

	(void)state;
	assert_false(refresh_found(&r, NOW));
	assert_due_in(&r, 30);
}

static void failures_double_the_wait_up_to_that(void **state)
{
	static const unsigned waits[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
	struct refresh r = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		assert_int_equal(refresh_failed(&r, NOW), i == 0);
		assert_due_in(&r, waits[i]);
	}
	assert_true(refresh_found(&r, NOW));
	assert_due_in(&r, 30);
	assert_true(refresh_failed(&r, NOW));
	assert_due_in(&r, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_found_is_looked_up_again_in_half_a_minute),
		cmocka_unit_test(failures_double_the_wait_up_to_that),
	};

	return cmocka_run_group_tests_name("when names are looked up again", tests, NULL, NULL);
}
