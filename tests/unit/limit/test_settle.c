/* What machines tell of an outage, in any order. */
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

static bool admits(struct proxy *p, uint8_t address)
{
	struct guest *g = world_request(p, address);

	world_answer();
	assert_int_not_equal(g->result, WAIT);
	return g->result == GO_ON;
}

#define STEP MS
#define SEEDS 12

/* One request each step, over all proxies in turn; how many were admitted. */
static unsigned flood(size_t proxies, uint64_t for_ns)
{
	unsigned admitted = 0;

	for (uint64_t t = 0; t < for_ns; t += STEP) {
		w.now_ns += STEP;
		admitted += admits(&w.proxies[t / STEP % proxies], 1);
	}
	return admitted;
}

static uint32_t drawn;

static uint32_t draw(uint32_t n)
{
	drawn = drawn * 1664525u + 1013904223u;
	return (drawn >> 16) % n;
}

/* Whoever is drawn asks, takes its turn and is answered: its backlog is told between the tokens of others. */
static void mingle(int steps)
{
	for (int i = 0; i < steps; i++) {
		struct proxy *p = &w.proxies[draw(4)];
		struct guest *g = world_request(p, 1);
		for (int k = 0; k < 4; k++) {
			limits_turn(p->l, w.now_ns);
			world_deliver();
			if (g->woken) {
				g->woken = false;
				world_enter(g);
			}
		}
		w.now_ns += draw(2) * MS;
	}
}

static void backlogs_and_tokens_in_any_order_lock_nobody_out(void **state)
{
	static const uint64_t outage_s[] = { 1, 5, 20 };

	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		teardown(state);
		setup(state);
		drawn = seed;
		world_limit("login", "address", 200, 200);
		w.size = 4;
		for (size_t i = 0; i < 4; i++)
			world_proxy(i, NULL);
		flood(4, 2 * NS_PER_S);
		w.state = LIMIT_REMOTE_DOWN;
		unsigned away = flood(4, outage_s[seed % 3] * NS_PER_S);
		assert_in_range(away, outage_s[seed % 3] * 180, outage_s[seed % 3] * 200 + 20);
		w.state = seed % 2 ? LIMIT_REMOTE_SETTLING : LIMIT_REMOTE_UP;
		mingle(60);
		w.state = LIMIT_REMOTE_UP;
		mingle(20);
		world_answer();
		/* without settling first, tokens may fill the bucket before the last backlog is told */
		assert_in_range(world_debt_ns(), 1, (seed % 2 ? 5 : 8) * (int64_t)NS_PER_S / 4);
		flood(4, NS_PER_S);
		for (int second = 0; second < 3; second++)
			assert_in_range(flood(4, NS_PER_S), 180, 201);
	}
}

static void four_busy(uint64_t per_s, uint64_t burst)
{
	world_limit("login", "address", per_s, burst);
	w.size = 4;
	for (size_t i = 0; i < 4; i++)
		world_proxy(i, NULL);
	flood(4, 2 * NS_PER_S);
}

static void set_apart(size_t i, enum limit_remote_state state)
{
	w.proxies[i].apart = state != LIMIT_REMOTE_UP;
	w.proxies[i].state = state;
}

/* Of one proxy the breaker opens again and again; in all, how many are admitted. */
static unsigned flap(unsigned times, uint64_t down_ns, uint64_t settling_ns, uint64_t up_ns)
{
	unsigned admitted = 0;

	for (unsigned i = 0; i < times; i++) {
		set_apart(0, LIMIT_REMOTE_DOWN);
		admitted += flood(4, down_ns);
		set_apart(0, LIMIT_REMOTE_SETTLING);
		admitted += flood(4, settling_ns);
		set_apart(0, LIMIT_REMOTE_UP);
		admitted += flood(4, up_ns);
	}
	return admitted;
}

static void one_breaker_that_opens_again_and_again_gives_its_key_nothing(void **state)
{
	static const struct {
		uint64_t burst, down_ms, settling_ms, up_ms;
	} ways[] = {
		{ 200, 300, 300, 2400 }, { 200, 2000, 300, 700 }, { 200, 3500, 300, 700 },
		{ 20, 300, 300, 2400 },  { 20, 300, 0, 100 },     { 20, 100, 20, 40 },
	};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		uint64_t ms = ways[i].down_ms + ways[i].settling_ms + ways[i].up_ms;
		teardown(state);
		setup(state);
		four_busy(200, ways[i].burst);
		unsigned admitted = flap(10, ways[i].down_ms * MS, ways[i].settling_ms * MS, ways[i].up_ms * MS);
		assert_true(admitted <= 10 * ms / 5 + 200 / 10);
		assert_true(admitted >= 10 * ms / 5 * 9 / 10);
	}
}

/* Each of its own, also again before all was told, and some answers are lost. For a minute, with some 40
 * cuts of each: what may be too much is what is not told yet. */
static void breakers_of_all_that_open_at_random_give_a_key_no_more_with_time(void **state)
{
	for (uint32_t seed = 0; seed < (SEEDS + 3) / 4; seed++) {
		uint64_t until[4] = { 0 };
		unsigned admitted = 0;
		teardown(state);
		setup(state);
		drawn = seed;
		four_busy(200, 200);
		for (int t = 0; t < 60000; t++) {
			size_t i = draw(4);
			enum limit_remote_state was = w.proxies[i].apart ? w.proxies[i].state : LIMIT_REMOTE_UP;
			if (w.now_ns >= until[i] && was == LIMIT_REMOTE_UP) {
				set_apart(i, LIMIT_REMOTE_DOWN);
				until[i] = w.now_ns + (200 + draw(800)) * MS;
			} else if (w.now_ns >= until[i] && was == LIMIT_REMOTE_DOWN) {
				set_apart(i, LIMIT_REMOTE_SETTLING);
				until[i] = w.now_ns + 300 * MS;
			} else if (w.now_ns >= until[i]) {
				set_apart(i, draw(3) ? LIMIT_REMOTE_UP : LIMIT_REMOTE_DOWN);
				until[i] = w.now_ns + (200 + draw(2000)) * MS;
			}
			if (draw(5000) == 0) {
				world_turn();
				world_lose(draw(2));
			}
			w.now_ns += MS;
			admitted += admits(&w.proxies[t % 4], 1);
		}
		assert_in_range(admitted, 12000 * 9 / 10, 12000 + 400);
	}
}

static void who_comes_back_later_from_the_same_outage_owes_no_more(void **state)
{
	static const unsigned later_ms[] = { 0, 320, 400, 700, 1000 };

	for (size_t i = 0; i < sizeof later_ms / sizeof later_ms[0]; i++) {
		teardown(state);
		setup(state);
		four_busy(200, 200);
		w.state = LIMIT_REMOTE_DOWN;
		flood(4, 20 * NS_PER_S);
		set_apart(0, LIMIT_REMOTE_DOWN);
		w.state = LIMIT_REMOTE_SETTLING;
		flood(4, 300 * MS);
		w.state = LIMIT_REMOTE_UP;
		flood(4, later_ms[i] * MS);
		set_apart(0, LIMIT_REMOTE_SETTLING);
		flood(4, 300 * MS);
		set_apart(0, LIMIT_REMOTE_UP);
		/* but for its share since the others are back */
		assert_in_range(world_debt_ns(), 1, (int64_t)(NS_PER_S + (later_ms[i] + 300) * MS / 4));
		flood(4, 400 * MS);
		for (int second = 0; second < 3; second++)
			assert_in_range(flood(4, NS_PER_S), 180, 201);
	}
}

static uint64_t apart_after(bool others_went_on)
{
	uint64_t before = metrics_value(metrics_lone(METRIC_limit_apart_tokens_total));

	world_limit("login", "address", 100, 100);
	w.size = 2;
	struct proxy *a = world_proxy(0, NULL);
	world_proxy(1, NULL);
	flood(2, 2 * NS_PER_S);
	w.state = LIMIT_REMOTE_DOWN;
	flood(1, 2 * NS_PER_S);
	w.state = LIMIT_REMOTE_UP;
	for (int i = 0; i < 200 && others_went_on; i++) { /* the other one alone */
		struct guest *g = world_request(&w.proxies[1], 1);
		for (int k = 0; k < 4; k++) {
			limits_turn(w.proxies[1].l, w.now_ns);
			world_deliver();
			if (g->woken) {
				g->woken = false;
				world_enter(g);
			}
		}
	}
	w.now_ns += 20 * MS;
	limits_turn(a->l, w.now_ns);
	world_answer();
	return metrics_value(metrics_lone(METRIC_limit_apart_tokens_total)) - before;
}

static void who_was_cut_off_alone_says_so(void **state)
{
	assert_int_equal(apart_after(false), 0);
	teardown(state);
	setup(state);
	assert_in_range(apart_after(true), 80, 100); /* its share of the rate for two seconds */
}

static void workers_of_one_machine_tell_what_it_owes_together_once(void **state)
{
	(void)state;
	world_limit("login", "address", 20, 20);
	w.size = 2;
	struct proxy *a = world_proxy(0, NULL);
	world_proxy(1, a);
	for (int i = 0; i < 40; i++) {
		admits(a, 1);
		w.now_ns += 20 * MS;
	}
	w.state = LIMIT_REMOTE_DOWN;
	unsigned away = 0;
	for (int i = 0; i < 2000; i++) {
		away += admits(&w.proxies[i % 2], 1);
		w.now_ns += 10 * MS;
	}
	assert_in_range(away, 190, 220); /* half of the rate for 20 s */
	w.state = LIMIT_REMOTE_SETTLING;
	w.now_ns += 20 * MS;
	world_answer();
	/* half of the burst: the machine's share */
	assert_in_range(world_debt_ns(), NS_PER_S / 4, NS_PER_S / 2 + 100 * MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backlogs_and_tokens_in_any_order_lock_nobody_out),
		TEST(one_breaker_that_opens_again_and_again_gives_its_key_nothing),
		TEST(breakers_of_all_that_open_at_random_give_a_key_no_more_with_time),
		TEST(who_comes_back_later_from_the_same_outage_owes_no_more),
		TEST(who_was_cut_off_alone_says_so),
		TEST(workers_of_one_machine_tell_what_it_owes_together_once),
	};

	void *memory = calloc(1, metrics_memory(1));

	if (!memory || !metrics_attach(memory, 1))
		return 1;
	metrics_sit(0);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(memory); /* nothing counts any more */
	return failed;
}
