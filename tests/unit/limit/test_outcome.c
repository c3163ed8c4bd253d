#include "limit_world.h"
#include <stdio.h>

static struct config_pair dear[] = { { { "401", 3 }, { "5", 1 } }, { { "200", 3 }, { "1", 1 } } };

static struct config_limit *login(uint64_t burst)
{
	struct config_limit *l = limit("login", "address", burst);

	l->outcomes = (struct config_pairs){ dear, 2 };
	return l;
}

static enum step_result ends(uint8_t address, unsigned status, enum fault fault, uint64_t now_ns)
{
	enum step_result result = early_from(address, now_ns);

	if (result == GO_ON) {
		s.r.status = (uint16_t)status;
		s.r.fault = (uint8_t)fault;
	}
	limit_settle(s.l, &s.r, now_ns);
	limit_settle(s.l, &s.r, now_ns); /* once is enough */
	return result;
}

static void a_failed_login_costs_more_than_a_good_one(void **state)
{
	(void)state;
	login(10);
	open_limits();
	for (int i = 0; i < 11; i++)
		assert_int_equal(ends(1, 200, FAULT_NONE, NOW), i < 10 ? GO_ON : ANSWER);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ends(2, 401, FAULT_NONE, NOW), i < 2 ? GO_ON : ANSWER);
	assert_int_equal(ends(3, 418, FAULT_NONE, NOW), GO_ON); /* a status of which nothing is said */
	assert_int_equal(ends(3, 200, FAULT_NONE, NOW), GO_ON);
	assert_slice(s.r.rate_limit, "\"login\";r=8;t=2");
}

static void our_own_answers_cost_more_only_where_they_speak_of_the_caller(void **state)
{
	static struct config_pair all[] = { { { "401", 3 }, { "5", 1 } },
		                                { { "503", 3 }, { "5", 1 } },
		                                { { "429", 3 }, { "5", 1 } } };

	(void)state;
	login(10)->outcomes = (struct config_pairs){ all, 3 };
	open_limits();
	assert_int_equal(ends(1, 503, FAULT_NO_UPSTREAM, NOW), GO_ON);
	assert_int_equal(ends(1, 401, FAULT_TOKEN_SIGNATURE, NOW), GO_ON);
	assert_int_equal(ends(1, 200, FAULT_NONE, NOW), GO_ON);
	assert_slice(s.r.rate_limit, "\"login\";r=3;t=7");              /* 10 - 1 - 5 - 1 */
	assert_int_equal(ends(2, 503, FAULT_NONE, NOW), GO_ON);         /* the upstream's own 503 */
	assert_int_equal(ends(2, 401, FAULT_UPSTREAM_CUT, NOW), GO_ON); /* the upstream's, whose body was cut */
	assert_int_equal(ends(2, 200, FAULT_NONE, NOW), ANSWER);
}

static void logins_in_flight_together_leave_a_debt_of_at_most_one_burst(void **state)
{
	static struct request waiting[10];

	(void)state;
	login(10);
	open_limits();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(early_from(1, NOW), GO_ON);
		waiting[i] = s.r;
	}
	for (int i = 0; i < 10; i++) {
		waiting[i].status = 401;
		limit_settle(s.l, &waiting[i], NOW);
	}
	/* 40 more were due; 10 are owed, and the next needs one: 11 seconds */
	assert_int_equal(early_from(1, NOW), ANSWER);
	assert_int_equal(s.r.refusal.retry_after_ns, 11 * NS_PER_S);
	assert_int_equal(early_from(1, NOW + 11 * NS_PER_S - 1), ANSWER);
	assert_int_equal(early_from(1, NOW + 11 * NS_PER_S), GO_ON);
}

static void an_outcome_never_gives_anything_back(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 10);
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t tat = NOW + (seed >> 20) % (40 * NS_PER_S) - 10 * NS_PER_S, before = tat;
		bool charged = gcra_owe(g, &tat, NOW, (seed >> 8) % 12);
		assert_true(tat >= before);
		assert_true(charged || tat == before);
		assert_true(tat <= NOW + 2 * g.tolerance_ns || tat == before);
	}
	uint64_t tat = NOW;
	assert_true(gcra_owe(g, &tat, NOW, UINT64_MAX)); /* what overflows is the most there is */
	assert_int_equal(tat, NOW + 20 * NS_PER_S);
}

static void whom_nothing_was_taken_from_owes_nothing(void **state)
{
	(void)state;
	limit("narrow", "header:X-Key", 1);
	login(10);
	open_limits();
	headers_add(&request_from(1)->headers, S("X-Key"), S("k"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), GO_ON);
	assert_int_equal(s.r.owed.len, 1);
	headers_add(&request_from(2)->headers, S("X-Key"), S("k"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), ANSWER);
	assert_int_equal(s.r.owed.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failed_login_costs_more_than_a_good_one),
		TEST(our_own_answers_cost_more_only_where_they_speak_of_the_caller),
		TEST(logins_in_flight_together_leave_a_debt_of_at_most_one_burst),
		TEST(an_outcome_never_gives_anything_back),
		TEST(whom_nothing_was_taken_from_owes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
