/* Exact over the whole fleet, while Redis answers. */
#include "judge.h"

/* That none is too few can be seen only where neither a worker nor the server stood still. */
static bool was_fair(const struct verdicts *v)
{
	return !stalled(250 * MS) && v->worst_wait_ns < 250 * MS;
}

static bool is_exact_once(const char *what, struct trial t, bool leased)
{
	trial_open(t, false);
	trial_start();
	trial_wait();
	struct verdicts v = judge(0, !leased);
	unsigned asked = questions();
	bool fair = was_fair(&v);
	tell(what, &v);
	if (v.by[SOURCE_LOCAL] == 0) { /* Redis answered each in time: never a token too many, however late */
		assert_int_equal(v.excess, 0);
		assert_int_equal(v.wrong_denials, 0);
	}
	if (fair) {
		assert_true(v.admitted * 1000 >= v.ideal * 995);
		assert_int_equal(v.by[SOURCE_LOCAL], 0);
		assert_true(!leased || asked * 2 < v.admitted);
	}
	check_server();
	trial_end();
	return fair;
}

static void is_exact(const char *what, struct trial t, bool leased)
{
	for (int i = 0; i < 2 && !is_exact_once(what, t, leased); i++)
		print_message("%s: something stood still; once more\n", what);
}

static void one_worker_is_exact(void **state)
{
	(void)state;
	is_exact("1",
	         (struct trial){ .askers = 1,
	                         .machines = 1,
	                         .rate = 50,
	                         .burst = 3,
	                         .per_s = 400,
	                         .for_ns = 1200 * MS,
	                         .budget = "1s" },
	         false);
}

static void eight_workers_of_two_machines_are_exact(void **state)
{
	(void)state;
	is_exact("8",
	         (struct trial){ .askers = 8,
	                         .machines = 2,
	                         .rate = 50,
	                         .burst = 20,
	                         .per_s = 50,
	                         .for_ns = 1200 * MS,
	                         .budget = "1s" },
	         false);
}

static void sixty_four_workers_of_sixteen_machines_are_exact(void **state)
{
	(void)state;
	is_exact("64",
	         (struct trial){ .askers = 64,
	                         .machines = 16,
	                         .rate = 50,
	                         .burst = 50,
	                         .per_s = 10,
	                         .for_ns = 1600 * MS,
	                         .budget = "1s" },
	         false);
}

/* Slots are bought ahead, so that fewer than half of the requests are asked about. */
static void a_busy_key_is_leased_and_exact(void **state)
{
	(void)state;
	is_exact("leased",
	         (struct trial){ .askers = 8,
	                         .machines = 2,
	                         .rate = 1000,
	                         .burst = 1000,
	                         .per_s = 110,
	                         .for_ns = 2 * NS_PER_S,
	                         .budget = "1s" },
	         true);
}

static void a_server_that_forgets_everything_gives_one_token_away_at_most(void **state)
{
	const struct slice flush[] = { S("FLUSHALL") };
	char said[64];

	(void)state;
	trial_open((struct trial){ .askers = 8,
	                           .machines = 4,
	                           .rate = 20,
	                           .burst = 20,
	                           .per_s = 50,
	                           .for_ns = 1200 * MS,
	                           .budget = "1s" },
	           false);
	trial_start();
	trial_until(600 * MS);
	server_ask(&w->server, flush, 1, said, sizeof said);
	assert_string_equal(said, "+OK");
	trial_wait();
	struct verdicts v = judge(0, false);
	tell("forgotten", &v);
	assert_true(v.excess <= 1);
	check_server();
	trial_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_is_exact),
		cmocka_unit_test(eight_workers_of_two_machines_are_exact),
		cmocka_unit_test(sixty_four_workers_of_sixteen_machines_are_exact),
		cmocka_unit_test(a_busy_key_is_leased_and_exact),
		cmocka_unit_test(a_server_that_forgets_everything_gives_one_token_away_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
