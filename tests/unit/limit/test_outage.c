/* Limits of a fleet whose Redis is away, slow, full, forgetful or of another time. */
#include "fleet_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int setup(void **state)
{
	(void)state;
	world_reset();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close();
	return 0;
}

#define MS NS_PER_MS
#define NO_TIME 0

static bool admits(struct proxy *p, uint8_t address)
{
	struct guest *g = world_request(p, address);

	world_answer();
	assert_int_not_equal(g->result, WAIT);
	return g->result == GO_ON;
}

/* One request each ms, over all proxies in turn; how many were admitted. */
static unsigned flood(size_t proxies, uint64_t for_ns)
{
	unsigned admitted = 0;

	for (uint64_t t = 0; t < for_ns; t += MS) {
		w.now_ns += MS;
		admitted += admits(&w.proxies[t / MS % proxies], 1);
	}
	return admitted;
}

static void an_unknown_key_begins_with_one_request(void **state)
{
	(void)state;
	world_limit("login", "address", 4, 40);
	struct proxy *a = world_proxy(0, NULL), *beside = world_proxy(1, a);
	w.state = LIMIT_REMOTE_DOWN;
	w.size = 4;
	assert_true(admits(a, 1));
	assert_false(admits(beside, 1)); /* all workers of the machine share it */
	w.now_ns += NS_PER_S;            /* 4/s among four */
	assert_true(admits(beside, 1));
	assert_false(admits(a, 1));
	assert_true(admits(a, 2));
}

static void a_known_key_begins_with_its_share_of_what_it_had_left(void **state)
{
	unsigned admitted = 0;

	(void)state;
	world_limit("login", "address", 1, 40);
	struct proxy *a = world_proxy(0, NULL);
	w.size = 4;
	for (int i = 0; i < 20; i++)
		admitted += admits(a, 1);
	assert_int_equal(admitted, 20);
	w.state = LIMIT_REMOTE_DOWN;
	admitted = 0;
	for (int i = 0; i < 40; i++)
		admitted += admits(a, 1);
	assert_int_equal(admitted, 5);
}

static void a_known_key_that_owes_nothing_begins_with_its_share_of_the_burst(void **state)
{
	unsigned admitted = 0;

	(void)state;
	world_limit("login", "address", 10, 40);
	struct proxy *a = world_proxy(0, NULL);
	w.size = 4;
	assert_true(admits(a, 1));
	w.now_ns += NS_PER_S;
	w.state = LIMIT_REMOTE_DOWN;
	for (int i = 0; i < 40; i++)
		admitted += admits(a, 1);
	assert_int_equal(admitted, 10);
}

static void a_burst_smaller_than_the_fleet_still_admits_one(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 2)->cost = 2;
	struct proxy *a = world_proxy(0, NULL);
	w.size = 50;
	assert_true(admits(a, 1));
	w.now_ns += 2 * NS_PER_S;
	w.state = LIMIT_REMOTE_DOWN;
	assert_true(admits(a, 1));
	assert_false(admits(a, 1));
	w.now_ns += 99 * NS_PER_S;
	assert_false(admits(a, 1));
	w.now_ns += NS_PER_S;
	assert_true(admits(a, 1));
}

static void whom_redis_refused_is_refused_while_it_is_away(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 2);
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(admits(a, 1), i < 2);
	w.state = LIMIT_REMOTE_DOWN;
	assert_false(admits(a, 1));
	w.now_ns += NS_PER_S - 1;
	assert_false(admits(a, 1));
}

/* Four proxies, 20/s with a burst of 20, 1000 requests a second on one key, two seconds without Redis. */
static void an_outage_costs_a_key_nothing_and_gives_it_nothing(void **state)
{
	unsigned before, away, after;

	(void)state;
	world_limit("hot", "address", 20, 20);
	for (size_t i = 0; i < 4; i++)
		world_proxy(i, NULL);
	w.size = 4;
	before = flood(4, 2 * NS_PER_S);
	w.state = LIMIT_REMOTE_DOWN;
	away = flood(4, 2 * NS_PER_S);
	w.state = LIMIT_REMOTE_SETTLING;
	away += flood(4, 300 * MS);
	w.state = LIMIT_REMOTE_UP;
	after = flood(4, 2 * NS_PER_S);
	assert_in_range(before, 58, 60);
	assert_in_range(away, 39, 48);
	assert_in_range(after, 36, 42);
	assert_true(before + away + after <= 20 + 20 * 63 / 10 + 2);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(limits_due_ns(w.proxies[i].l), UINT64_MAX);
}

static void what_was_admitted_meanwhile_is_told_before_anybody_asks_again(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	assert_true(admits(a, 1));
	assert_true(admits(b, 1));
	w.state = LIMIT_REMOTE_DOWN;
	for (int i = 0; i < 3; i++)
		assert_true(admits(a, 1) && admits(b, 1));
	assert_int_not_equal(limits_due_ns(a->l), UINT64_MAX);
	assert_int_equal(world_debt_ns(), 2 * NS_PER_S);
	w.state = LIMIT_REMOTE_SETTLING;
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), 8 * NS_PER_S - 20 * MS);
	assert_true(admits(a, 1)); /* it is still the machine that decides */
	w.state = LIMIT_REMOTE_UP;
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), 9 * NS_PER_S - 40 * MS);
	assert_true(admits(b, 1));
	assert_false(admits(b, 1));
	assert_false(admits(a, 1));
}

/* The server comes back empty: what each machine knows makes up for it. */
static void a_server_that_forgot_gives_nobody_a_second_burst(void **state)
{
	unsigned admitted = 0;

	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	for (int i = 0; i < 12; i++)
		admitted += admits(i % 2 ? a : b, 1);
	assert_int_equal(admitted, 10);
	memset(w.fields, 0, sizeof w.fields);
	for (int i = 0; i < 200; i++) {
		w.now_ns += 10 * MS;
		admitted += admits(i % 2 ? a : b, 1);
	}
	assert_in_range(admitted, 12, 13);
}

static void what_is_owed_to_a_server_that_forgot_comes_on_top_of_what_is_known(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 6; i++)
		assert_true(admits(a, 1));
	w.state = LIMIT_REMOTE_DOWN;
	assert_true(admits(a, 1) && admits(a, 1));
	memset(w.fields, 0, sizeof w.fields);
	w.state = LIMIT_REMOTE_SETTLING;
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), 8 * NS_PER_S - 20 * MS);
}

static bool has_used_its_share(struct proxy *p)
{
	uint64_t tat;

	for (size_t i = 0; i < LEASES; i++)
		if (p->l->fleet->leases[i].tag)
			return buckets_find(p->table, share_tag(p->l, p->l->fleet->leases[i].tag), &tat);
	return false;
}

static void a_question_that_is_lost_is_decided_here_and_its_key_gets_a_time_to_live(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL);
	struct guest *g = world_request(a, 1);
	world_turn();
	world_lose(true);
	world_turn(); /* it is asked once more */
	world_lose(false);
	world_turn();
	assert_int_equal(g->result, GO_ON);
	assert_true(has_used_its_share(a));
	assert_true(w.fields[0].exists);
	assert_int_equal(w.fields[0].expires_ms, NO_TIME);
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_not_equal(w.fields[0].expires_ms, NO_TIME);
	assert_in_range(world_debt_ns(), NS_PER_S, 2 * NS_PER_S); /* paid once, perhaps twice, never not */
}

/* The connection was reset and made anew: nobody is admitted from the share beside what the others take. */
static void a_question_whose_answer_is_lost_is_asked_once_more_while_somebody_waits(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL);
	struct guest *g = world_request(a, 1);
	world_turn();
	world_lose(true);
	w.now_ns += 2 * MS;
	world_answer();
	assert_int_equal(g->result, GO_ON);
	assert_false(has_used_its_share(a));
	w.now_ns += 20 * MS;
	world_answer();
	assert_in_range(world_debt_ns(), 2 * NS_PER_S - 30 * MS, 2 * NS_PER_S); /* the first one was executed */
}

static void a_settlement_that_is_lost_is_told_again(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL);
	w.state = LIMIT_REMOTE_DOWN;
	assert_true(admits(a, 1));
	w.state = LIMIT_REMOTE_SETTLING;
	w.now_ns += 20 * MS;
	world_turn();
	assert_int_equal(w.asks_len, 1);
	world_lose(false);
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), NS_PER_S - 40 * MS);
	assert_int_equal(limits_due_ns(a->l), UINT64_MAX);
}

static void where_no_question_is_taken_the_machine_decides(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 4);
	struct proxy *a = world_proxy(0, NULL);
	w.full = true;
	struct guest *g = world_request(a, 1);
	assert_int_equal(g->result, WAIT);
	world_turn();
	assert_true(g->woken);
	world_turn();
	assert_int_equal(g->result, GO_ON);
	w.full = false;
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), NS_PER_S - 20 * MS);
}

static void a_debt_that_would_be_paid_by_now_is_forgotten(void **state)
{
	(void)state;
	world_limit("login", "address", 10, 10);
	struct proxy *a = world_proxy(0, NULL);
	w.state = LIMIT_REMOTE_DOWN;
	assert_true(admits(a, 1));
	w.now_ns += 2 * NS_PER_S;
	world_answer();
	assert_int_equal(limits_due_ns(a->l), UINT64_MAX);
	w.state = LIMIT_REMOTE_UP;
	world_answer();
	assert_int_equal(w.asked, 0);
}

static void a_server_whose_clock_was_set_back_does_not_refuse_everybody(void **state)
{
	(void)state;
	world_limit("login", "address", 10, 10);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	for (int i = 0; i < 10; i++)
		assert_true(admits(a, 1));
	w.now_ns += NS_PER_S;
	w.wall_ns -= 3600 * NS_PER_S;
	assert_true(admits(b, 1));
	w.now_ns += 50 * MS;
	assert_true(admits(a, 1));
	assert_true(admits(a, 2)); /* a key that the past knows nothing of */
}

static void nor_does_it_where_it_is_told_what_is_owed(void **state)
{
	(void)state;
	world_limit("login", "address", 10, 10);
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 10; i++)
		assert_true(admits(a, 1));
	w.now_ns += NS_PER_S;
	w.wall_ns -= 3600 * NS_PER_S;
	w.state = LIMIT_REMOTE_DOWN;
	assert_true(admits(a, 1));
	w.state = LIMIT_REMOTE_SETTLING;
	w.now_ns += 20 * MS;
	world_answer();
	w.state = LIMIT_REMOTE_UP;
	w.now_ns += NS_PER_S;
	assert_true(admits(a, 1));
}

/* Readings of the clock that are off by e cost 2 * e * rate tokens at most, and refuse nobody wrongly. */
static void a_clock_that_is_read_inexactly_refuses_nobody_without_asking(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 2);
	struct proxy *a = world_proxy(0, NULL);
	w.error_ns = 5 * MS;
	assert_true(admits(a, 1) && admits(a, 1));
	size_t asked = w.asked;
	w.now_ns += NS_PER_S - 11 * MS;
	assert_false(admits(a, 1));
	assert_int_equal(w.asked, asked);
	w.now_ns += 2 * MS;
	assert_false(admits(a, 1)); /* close enough to ask */
	assert_int_equal(w.asked, asked + 1);
	w.now_ns += 20 * MS;
	assert_true(admits(a, 1));
}

static void more_keys_than_can_be_owed_for_are_counted(void **state)
{
	static struct limits *l;
	struct name name = { .slot = 1 };

	(void)state;
	world_limit("login", "address", 1, 4);
	l = world_proxy(0, NULL)->l;
	void *memory = calloc(1, metrics_memory(1));
	metrics_attach(memory, 1);
	metrics_sit(0);
	for (uint64_t tag = 1; tag <= OWED + 100; tag++)
		settle_owe(l, &l->plans[0], tag, &name, 1, w.now_ns, false);
	assert_int_equal(l->fleet->owed_used, OWED);
	assert_int_equal(metrics_value(metrics_lone(METRIC_limit_owed_lost_total)), 100);
	void *none = calloc(1, metrics_memory(2));
	metrics_attach(none, 2);
	free(memory);
	memset(none, 1, 8);
	metrics_attach(none, 1); /* refused: nothing is attached any more */
	free(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unknown_key_begins_with_one_request),
		TEST(a_known_key_begins_with_its_share_of_what_it_had_left),
		TEST(a_known_key_that_owes_nothing_begins_with_its_share_of_the_burst),
		TEST(a_burst_smaller_than_the_fleet_still_admits_one),
		TEST(whom_redis_refused_is_refused_while_it_is_away),
		TEST(an_outage_costs_a_key_nothing_and_gives_it_nothing),
		TEST(what_was_admitted_meanwhile_is_told_before_anybody_asks_again),
		TEST(a_server_that_forgot_gives_nobody_a_second_burst),
		TEST(what_is_owed_to_a_server_that_forgot_comes_on_top_of_what_is_known),
		TEST(a_question_that_is_lost_is_decided_here_and_its_key_gets_a_time_to_live),
		TEST(a_question_whose_answer_is_lost_is_asked_once_more_while_somebody_waits),
		TEST(a_settlement_that_is_lost_is_told_again),
		TEST(where_no_question_is_taken_the_machine_decides),
		TEST(a_debt_that_would_be_paid_by_now_is_forgotten),
		TEST(a_server_whose_clock_was_set_back_does_not_refuse_everybody),
		TEST(nor_does_it_where_it_is_told_what_is_owed),
		TEST(a_clock_that_is_read_inexactly_refuses_nobody_without_asking),
		TEST(more_keys_than_can_be_owed_for_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
