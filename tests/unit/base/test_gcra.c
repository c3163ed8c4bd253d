#include "base/gcra.h"
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

static uint64_t seed = 88172645463325252u;

static uint64_t chance(uint64_t n) /* xorshift: the same sequence in each run */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static bool take(struct gcra g, uint64_t *tat, uint64_t now_ns)
{
	uint64_t retry;

	return gcra_take(g, tat, now_ns, 1, &retry);
}

static void a_full_bucket_admits_its_burst_and_no_more(void **state)
{
	struct gcra g = gcra_of((struct rate){ 10, NS_PER_S }, 3);
	uint64_t tat = 0, now = 5 * NS_PER_S, retry = 0;

	(void)state;
	assert_int_equal(gcra_remaining(g, tat, now), 3);
	assert_true(take(g, &tat, now) && take(g, &tat, now) && take(g, &tat, now));
	assert_int_equal(gcra_remaining(g, tat, now), 0);
	assert_false(gcra_take(g, &tat, now, 1, &retry));
	assert_int_equal(retry, NS_PER_S / 10);
	assert_false(take(g, &tat, now + retry - 1));
	assert_true(take(g, &tat, now + retry));
}

static void a_rate_that_does_not_divide_is_rounded_to_the_slow_side(void **state)
{
	struct gcra g = gcra_of((struct rate){ 3, NS_PER_S }, 2);

	(void)state;
	assert_int_equal(g.period_ns, 333333334);
	assert_int_equal(g.tolerance_ns, 666666668);
	assert_int_equal(gcra_of((struct rate){ UINT64_MAX, NS_PER_S }, 1).period_ns, 1);
}

static void a_cost_over_the_burst_never_fits(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 5);
	uint64_t tat = 0, retry = 0;

	(void)state;
	assert_false(gcra_take(g, &tat, 1, 6, &retry));
	assert_int_equal(retry, UINT64_MAX);
	assert_false(gcra_take(g, &tat, 1, UINT64_MAX, &retry));
	assert_int_equal(retry, UINT64_MAX);
	assert_int_equal(tat, 0);
	assert_true(gcra_take(g, &tat, 1, 5, &retry));
}

static void huge_rates_and_bursts_do_not_overflow(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 2, 1000, UINT64_C(1) << 31, UINT64_C(1) << 62, UINT64_MAX };
	uint64_t now = (UINT64_C(1) << 63) - 1;

	(void)state;
	for (size_t i = 0; i < 7 * 7 * 7; i++) {
		struct gcra g = gcra_of((struct rate){ sizes[i % 7], sizes[i / 7 % 7] }, sizes[i / 49]);
		uint64_t tat = now, retry = 0, before = tat;
		if (gcra_take(g, &tat, now, 1, &retry))
			assert_true(tat > before && tat - now <= g.tolerance_ns);
		else
			assert_true(retry > 0 && tat == before);
		assert_true(g.period_ns > 0);
		gcra_remaining(g, UINT64_MAX, now);
		gcra_remaining(g, 0, now);
	}
}

/* The slow model: a level of ns that fills with time, exactly. */
static void it_decides_as_a_bucket_that_fills_with_time(void **state)
{
	(void)state;
	for (int run = 0; run < 300; run++) {
		struct rate rate = { 1 + chance(1000), 1 + chance(100 * NS_PER_S) };
		struct gcra g = gcra_of(rate, 1 + chance(50));
		uint64_t tat = 0, now = NS_PER_S, level = g.tolerance_ns;
		for (int step = 0; step < 300; step++) {
			uint64_t pass = chance(4) ? chance(2 * g.period_ns) : chance(4 * g.tolerance_ns);
			uint64_t cost = 1 + chance(3), retry = 0, want = cost * g.period_ns;
			now += pass;
			level = g.tolerance_ns - level > pass ? level + pass : g.tolerance_ns;
			assert_int_equal(gcra_remaining(g, tat, now), level / g.period_ns);
			bool admitted = gcra_take(g, &tat, now, cost, &retry);
			assert_int_equal(admitted, want <= level);
			if (admitted)
				level -= want;
			else if (want <= g.tolerance_ns)
				assert_int_equal(retry, want - level);
		}
	}
}

static void no_window_admits_more_than_burst_and_rate_allow(void **state)
{
	enum { STEPS = 400 };
	static uint64_t at[STEPS];

	(void)state;
	for (int run = 0; run < 20; run++) {
		struct rate rate = { 1 + chance(20), 1 + chance(NS_PER_S) };
		uint64_t burst = 1 + chance(20), tat = 0, now = 1;
		struct gcra g = gcra_of(rate, burst);
		size_t n = 0;
		for (int step = 0; step < STEPS; step++) {
			uint64_t back = chance(g.period_ns); /* stamps of other workers may lag */
			now += chance(g.period_ns);
			uint64_t stamp = now > back && chance(3) == 0 ? now - back : now;
			if (take(g, &tat, stamp))
				at[n++] = stamp;
		}
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n; k++) { /* window from at[i] to at[k] */
				uint64_t inside = 0;
				if (at[k] < at[i])
					continue;
				for (size_t m = 0; m < n && inside <= burst; m++)
					inside += at[m] >= at[i] && at[m] <= at[k];
				if (inside <= burst)
					continue; /* the window cannot be violated by few */
				inside = 0;
				for (size_t m = 0; m < n; m++)
					inside += at[m] >= at[i] && at[m] <= at[k];
				assert_true((inside - burst) * rate.per_ns <= rate.count * (at[k] - at[i]));
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_bucket_admits_its_burst_and_no_more),
		cmocka_unit_test(a_rate_that_does_not_divide_is_rounded_to_the_slow_side),
		cmocka_unit_test(a_cost_over_the_burst_never_fits),
		cmocka_unit_test(huge_rates_and_bursts_do_not_overflow),
		cmocka_unit_test(it_decides_as_a_bucket_that_fills_with_time),
		cmocka_unit_test(no_window_admits_more_than_burst_and_rate_allow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
