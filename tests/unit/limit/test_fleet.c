/* Limits of a fleet: who decides, and who waits. */
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
#define assert_slice(have, text) assert_true(slice_same((have), slice_of(text)))

static void a_cold_key_waits_for_redis_which_admits_its_burst_over_all_machines(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 3);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	struct guest *first = world_request(a, 1);
	assert_int_equal(first->result, WAIT);
	assert_int_equal(limit_wait_ns(a->l, &first->r, w.now_ns), 10 * MS);
	world_answer();
	assert_int_equal(first->result, GO_ON);
	for (int i = 0; i < 4; i++) {
		w.now_ns += MS;
		struct guest *g = world_request(i % 2 ? a : b, 1);
		world_answer();
		assert_int_equal(g->result, i < 2 ? GO_ON : ANSWER);
	}
	struct guest *other = world_request(b, 2);
	world_answer();
	assert_int_equal(other->result, GO_ON);
}

static void requests_of_a_cold_key_share_one_question(void **state)
{
	struct guest *g[5];

	(void)state;
	world_limit("login", "address", 1, 10);
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 5; i++)
		g[i] = world_request(a, 1);
	world_turn();
	assert_int_equal(w.asked, 1);
	world_deliver();
	world_turn();
	for (int i = 0; i < 5; i++)
		assert_int_equal(g[i]->result, GO_ON);
	assert_int_equal(w.asked, 1);
	assert_int_equal(world_debt_ns(), 5 * NS_PER_S);
}

static void a_refused_question_is_asked_once_more_for_what_is_left(void **state)
{
	struct guest *g[5];
	int admitted = 0;

	(void)state;
	world_limit("login", "address", 1, 6);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	for (int i = 0; i < 4; i++)
		world_request(b, 1);
	world_answer();
	size_t before = w.asked;
	for (int i = 0; i < 5; i++)
		g[i] = world_request(a, 1);
	world_answer();
	for (int i = 0; i < 5; i++) {
		assert_int_not_equal(g[i]->result, WAIT);
		admitted += g[i]->result == GO_ON;
		if (g[i]->result == ANSWER)
			assert_int_equal(g[i]->r.refusal.retry_after_ns, NS_PER_S);
	}
	assert_int_equal(admitted, 2);
	assert_int_equal(w.asked, before + 2);
}

static void whom_a_worker_knows_to_be_over_its_limit_no_worker_of_the_machine_asks_about(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 2);
	struct proxy *a = world_proxy(0, NULL), *beside = world_proxy(1, a), *other = world_proxy(2, NULL);
	for (int i = 0; i < 3; i++)
		world_request(a, 1);
	world_answer();
	size_t asked = w.asked;
	for (int i = 0; i < 20; i++) {
		w.now_ns += 10 * MS;
		struct guest *g = world_request(i % 2 ? a : beside, 1);
		assert_int_equal(g->result, ANSWER);
		assert_int_equal(g->r.refusal.retry_after_ns, NS_PER_S - (uint64_t)(i + 1) * 10 * MS);
		world_turn();
	}
	assert_int_equal(w.asked, asked);
	struct guest *g = world_request(other, 1); /* another machine has to ask */
	world_answer();
	assert_int_equal(g->result, ANSWER);
	assert_int_equal(w.asked, asked + 1);
	w.now_ns = WORLD_NOW + NS_PER_S;
	g = world_request(beside, 1);
	world_answer();
	assert_int_equal(g->result, GO_ON);
}

/* A thousand requests a second against a limit of two thousand. */
static void a_warm_key_does_not_wait_and_seldom_asks(void **state)
{
	unsigned waited = 0;

	(void)state;
	world_limit("api", "address", 2000, 1000);
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 2000; i++) {
		w.now_ns += MS;
		struct guest *g = world_request(a, 1);
		waited += g->result == WAIT && i > 100;
		if (i == 100)
			w.asked = 0;
		world_answer();
		assert_int_equal(g->result, GO_ON);
	}
	assert_int_equal(waited, 0);
	assert_true(w.asked < 2000 / 8);
}

static void past_its_budget_the_machine_decides_and_the_late_answer_pays(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 4);
	struct proxy *a = world_proxy(0, NULL);
	struct guest *g = world_request(a, 1);
	world_turn();
	w.now_ns += 10 * MS;
	assert_int_equal(limit_wait_ns(a->l, &g->r, w.now_ns), 1);
	world_hurry(g);
	assert_int_equal(g->result, GO_ON);
	assert_int_equal(g->r.redis_waited_ns, 10 * MS);
	struct guest *next = world_request(a, 1); /* nobody else waits for an answer that is overdue */
	assert_int_not_equal(next->result, WAIT);
	w.now_ns += 50 * MS;
	world_answer();
	int admitted = 1 + (next->result == GO_ON);
	w.now_ns += 30 * MS; /* what is still owed is told */
	world_answer();
	assert_true(world_debt_ns() > admitted * (int64_t)NS_PER_S - 200 * (int64_t)MS);
	assert_true(world_debt_ns() <= admitted * (int64_t)NS_PER_S);
	assert_int_equal(limits_due_ns(a->l), UINT64_MAX);
}

static void a_refusal_that_comes_late_leaves_the_token_owed(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 2);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	struct guest *g = world_request(a, 1);
	world_request(b, 1);
	world_request(b, 1);
	for (size_t i = 2; i-- > 0;) /* the other machine is first */
		limits_turn(w.proxies[i].l, w.now_ns);
	w.now_ns += 10 * MS;
	world_hurry(g);
	assert_int_equal(g->result, GO_ON);
	world_deliver();
	world_answer();
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), 3 * NS_PER_S - 30 * MS);
}

static void who_leaves_leaves_its_token_to_the_next(void **state)
{
	(void)state;
	world_limit("login", "address", 1, 4);
	struct proxy *a = world_proxy(0, NULL);
	struct guest *g = world_request(a, 1);
	world_turn();
	limit_leave(a->l, &g->r);
	g->result = HANG_UP;
	assert_null(g->r.waits);
	world_deliver();
	assert_false(g->woken);
	struct guest *next = world_request(a, 1);
	assert_int_equal(next->result, GO_ON);
	assert_int_equal(w.asked, 1);
}

static void a_request_that_two_limits_count_waits_for_the_stricter_first(void **state)
{
	(void)state;
	world_limit("wide", "prefix", 100, 50);
	world_limit("narrow", "address", 1, 1);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	struct guest *g = world_request(b, 1);
	world_answer();
	assert_int_equal(g->result, GO_ON);
	assert_int_equal(w.asked, 2);
	g = world_request(a, 1);
	world_answer();
	assert_int_equal(g->result, ANSWER);
	assert_slice(g->r.refusal.limit->id, "narrow");
	assert_int_equal(w.asked, 3); /* the wide one was not asked */
}

static void what_this_machine_charged_is_given_back_where_redis_refuses(void **state)
{
	(void)state;
	world_limit("here", "prefix", 1, 5)->scope = SCOPE_MACHINE;
	world_limit("fleet", "address", 1, 1);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	world_request(b, 1);
	world_answer();
	for (int i = 0; i < 10; i++) {
		struct guest *g = world_request(a, 1);
		world_answer();
		assert_int_equal(g->result, ANSWER);
		assert_slice(g->r.refusal.limit->id, "fleet");
	}
	for (uint8_t i = 2; i < 8; i++) {
		struct guest *g = world_request(a, i);
		world_answer();
		assert_int_equal(g->result, i < 7 ? GO_ON : ANSWER);
	}
}

static void a_slot_taken_for_a_request_that_another_limit_refuses_is_put_back(void **state)
{
	(void)state;
	world_limit("strict", "address", 1, 100);
	world_limit("wide", "prefix", 10, 2);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	for (uint8_t i = 1; i < 3; i++)
		world_request(b, i);
	world_answer();
	struct guest *g = world_request(a, 3);
	world_answer();
	assert_int_equal(g->result, ANSWER);
	assert_slice(g->r.refusal.limit->id, "wide");
	w.now_ns += 200 * MS;
	size_t asked = w.asked;
	g = world_request(a, 3);
	world_answer();
	assert_int_equal(g->result, GO_ON);
	assert_true(w.asked > asked);
}

static void what_an_outcome_costs_beyond_is_told_to_redis(void **state)
{
	static struct config_pair dear = { { "401", 3 }, { "5", 1 } };

	(void)state;
	world_limit("login", "address", 1, 10)->outcomes = (struct config_pairs){ &dear, 1 };
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	for (int i = 0; i < 2; i++) {
		struct guest *g = world_request(a, 1);
		world_answer();
		assert_int_equal(g->result, GO_ON);
		g->r.status = 401;
		limit_settle(a->l, &g->r, w.now_ns);
	}
	w.now_ns += 20 * MS;
	world_answer();
	assert_int_equal(world_debt_ns(), 10 * NS_PER_S - 20 * MS);
	struct guest *g = world_request(b, 1);
	world_answer();
	assert_int_equal(g->result, ANSWER);
}

static void a_limit_of_the_machine_asks_nobody(void **state)
{
	(void)state;
	world_limit("here", "address", 1, 2)->scope = SCOPE_MACHINE;
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_request(a, 1)->result, i < 2 ? GO_ON : ANSWER);
	world_answer();
	assert_int_equal(w.asked, 0);
}

static void a_shadow_refuses_nobody_however_redis_answers(void **state)
{
	(void)state;
	world_limit("shy", "address", 1, 1)->shadow = 100;
	struct proxy *a = world_proxy(0, NULL);
	for (int i = 0; i < 5; i++) {
		struct guest *g = world_request(a, 1);
		world_answer();
		assert_int_equal(g->result, GO_ON);
	}
	assert_true(world_debt_ns() <= (int64_t)NS_PER_S);
}

static void two_machines_name_a_key_alike_and_say_nothing_of_it(void **state)
{
	struct name name[3];
	struct guest *g;

	(void)state;
	world_limit("login", "address", 1, 2);
	struct proxy *a = world_proxy(0, NULL), *b = world_proxy(1, NULL);
	g = world_request(a, 1);
	name_make(a->l, &a->l->plans[0], &g->r, &name[0]);
	name_make(b->l, &b->l->plans[0], &g->r, &name[1]);
	assert_memory_equal(name[0].hex, name[1].hex, sizeof name[0].hex);
	assert_int_equal(name[0].slot, name[1].slot);
	w.secret.len--;
	struct proxy *c = world_proxy(2, NULL);
	name_make(c->l, &c->l->plans[0], &g->r, &name[2]);
	assert_memory_not_equal(name[0].hex, name[2].hex, sizeof name[0].hex);
	world_answer();
	assert_int_equal(strlen(w.field_name[0]), strlen("sallyport:test:rl:{}") + 32);
	assert_memory_equal(w.field_name[0], "sallyport:test:rl:{", 19);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cold_key_waits_for_redis_which_admits_its_burst_over_all_machines),
		TEST(requests_of_a_cold_key_share_one_question),
		TEST(a_refused_question_is_asked_once_more_for_what_is_left),
		TEST(whom_a_worker_knows_to_be_over_its_limit_no_worker_of_the_machine_asks_about),
		TEST(a_warm_key_does_not_wait_and_seldom_asks),
		TEST(past_its_budget_the_machine_decides_and_the_late_answer_pays),
		TEST(a_refusal_that_comes_late_leaves_the_token_owed),
		TEST(who_leaves_leaves_its_token_to_the_next),
		TEST(a_request_that_two_limits_count_waits_for_the_stricter_first),
		TEST(what_this_machine_charged_is_given_back_where_redis_refuses),
		TEST(a_slot_taken_for_a_request_that_another_limit_refuses_is_put_back),
		TEST(what_an_outcome_costs_beyond_is_told_to_redis),
		TEST(a_limit_of_the_machine_asks_nobody),
		TEST(a_shadow_refuses_nobody_however_redis_answers),
		TEST(two_machines_name_a_key_alike_and_say_nothing_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
