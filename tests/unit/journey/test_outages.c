/* Redis away in every way it can be, on real clocks, all at once: for each way 4 machines, 20/s with a burst
 * of 40, and 200 requests a second on one key beside keys that nobody overuses. */
#include "judge.h"

#define BEGINS (800 * MS)
#define ENDS (BEGINS + 2 * NS_PER_S)
#define LASTS (ENDS + 2 * NS_PER_S)

static const struct trial trial = { .askers = 4,
	                                .machines = 4,
	                                .rate = 20,
	                                .burst = 40,
	                                .per_s = 50,
	                                .for_ns = LASTS,
	                                .budget = "50ms",
	                                .bystanders = true };

/* ---- the ways ---- */

static void hang(void)
{
	kill(w->server.pid, SIGSTOP);
}

static void go_on(void)
{
	kill(w->server.pid, SIGCONT);
}

static void die(void)
{
	server_kill(&w->server);
}

static void come_back_empty(void)
{
	server_start(&w->server);
}

static void move_away(void)
{
	atomic_store(&w->stage->delay_ns, 100 * MS); /* each way */
}

static void move_here(void)
{
	atomic_store(&w->stage->delay_ns, 0);
}

static const struct {
	const char *name;
	void (*begin)(void), (*end)(void);
	bool relay;
} ways[] = {
	{ "hangs", hang, go_on, false },
	{ "dies", die, come_back_empty, false },
	{ "is far", move_away, move_here, true },
};
#define WAYS (sizeof ways / sizeof ways[0])

static void each(void (*of)(size_t way))
{
	for (size_t i = 0; i < WAYS; i++) {
		w = &worlds[i];
		of(i);
	}
}

static void set_up(size_t way)
{
	trial_open(trial, ways[way].relay);
}

static void start(size_t way)
{
	(void)way;
	trial_start();
}

static void begin(size_t way)
{
	trial_until(BEGINS);
	ways[way].begin();
}

static void end(size_t way)
{
	trial_until(ENDS);
	ways[way].end();
}

static void finish(size_t way)
{
	(void)way;
	trial_wait();
}

static void clear(size_t way)
{
	(void)way;
	trial_end();
}

/* ---- what holds of each ---- */

/* The share is held to while it lasts: two seconds less the first tenth, in which it is found out. */
static void judge_one(size_t way)
{
	struct verdicts v = judge(0, false);
	unsigned meanwhile = admitted_between(BEGINS + 100 * MS, ENDS);

	tell(ways[way].name, &v);
	print_message("%s: %u admitted meanwhile, %u of %u bystanders refused\n", ways[way].name, meanwhile,
	              v.bystanders_refused, v.bystanders);
	assert_in_range(meanwhile, 38 * 85 / 100, 38 * 115 / 100 + 1);
	assert_true(v.bystanders_refused * 100 <= v.bystanders);
	assert_true(v.excess * 10 <= w->trial.burst);
	assert_true(v.by[SOURCE_LOCAL] > 0);
	check_server();
}

static bool all_ran(void)
{
	bool ran = true;

	for (size_t i = 0; i < WAYS; i++) {
		w = &worlds[i];
		ran &= !stalled(250 * MS);
	}
	return ran;
}

/* Where a process stood still for nearly as long as a proxy has to tell of its share before the others ask
 * again, nothing was learnt of the proxy, and it is tried once more. */
static void a_fleet_holds_its_limits_while_redis_hangs_dies_or_is_far(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		each(set_up);
		each(start);
		each(begin);
		each(end);
		each(finish);
		bool ran = all_ran();
		if (ran)
			each(judge_one);
		each(clear);
		if (ran)
			return;
	}
	print_message("this machine stands still too often to judge\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fleet_holds_its_limits_while_redis_hangs_dies_or_is_far),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
