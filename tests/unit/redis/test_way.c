/* The way to Redis: packets that are lost, connections that are reset. */
#include "fake.h"

#define TEST(name) cmocka_unit_test(name)

static void reset(void)
{
	close(f.peer);
	f.peer = -1;
	turn(0);
}

static void a_reset_connection_is_made_anew_at_once_and_what_is_asked_meanwhile_waits_for_it(void **state)
{
	(void)state;
	open_up();
	unsigned dials = f.dials;
	assert_true(ask_get() != 0);
	turn(0);
	reset();
	assert_int_equal(f.got.done, 1);
	assert_int_equal(f.got.outcome, REDIS_LOST);
	assert_true(ask_get() != 0);
	for (int i = 0; i < 4; i++) {
		turn(MS);
		answer_all(":5\r\n");
	}
	turn(0);
	assert_int_equal(f.dials, dials + 1);
	assert_int_equal(f.got.done, 2);
	assert_int_equal(f.got.integer, 5);
	turn(10 * MS);
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	assert_int_equal(f.events_len, 0);
	fake_close();
}

static void a_reset_opens_it_where_no_other_connection_is_there_within_the_budget(void **state)
{
	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		open_up();
		assert_true(ask_get() != 0);
		turn(0);
		f.refuses = refused;
		reset();
		assert_true(refused || ask_get() != 0);
		turn(0);
		assert_int_equal(redis_state(f.redis, 0), refused ? REDIS_DOWN : REDIS_UP);
		turn(10 * MS); /* nobody answers the greeting */
		assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
		assert_string_equal(f.events, "O");
		assert_int_equal(ask_get(), 0);
		fake_close();
	}
}

static void a_connection_that_is_reset_as_soon_as_it_is_there_opens_it(void **state)
{
	(void)state;
	open_up();
	reset();
	for (int i = 0; i < 4; i++) {
		turn(MS);
		answer_all(":5\r\n");
	}
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	reset();
	assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
	fake_close();
}

static unsigned nudges_within(unsigned ms)
{
	unsigned pings = 0;

	for (unsigned i = 0; i < ms; i++) {
		turn(MS);
		hear();
		while (next_command(command))
			pings += strcmp(command, "PING") == 0;
	}
	return pings;
}

/* A packet that was lost is found by one behind it. */
static void who_owes_an_answer_is_sent_a_word_more_after_half_the_budget_and_ever_later(void **state)
{
	(void)state;
	open_up();
	assert_int_equal(nudges_within(50), 0);
	assert_true(ask_get() != 0);
	turn(0);
	hear();
	assert_true(next_command(command));
	assert_string_equal(command, "GET k");
	assert_int_equal(nudges_within(4), 0);
	assert_int_equal(nudges_within(1), 1);
	assert_int_equal(nudges_within(5), 1);
	assert_int_equal(nudges_within(9), 0);
	assert_int_equal(nudges_within(1), 1);
	assert_true(redis_due_ns(f.redis) > fake_now_ns);
	reply(":1\r\n+PONG\r\n+PONG\r\n+PONG\r\n");
	turn(0);
	assert_int_equal(f.got.done, 1);
	assert_int_equal(f.got.integer, 1);
	assert_int_equal(nudges_within(50), 0);
	fake_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reset_connection_is_made_anew_at_once_and_what_is_asked_meanwhile_waits_for_it),
		TEST(a_reset_opens_it_where_no_other_connection_is_there_within_the_budget),
		TEST(a_connection_that_is_reset_as_soon_as_it_is_there_opens_it),
		TEST(who_owes_an_answer_is_sent_a_word_more_after_half_the_budget_and_ever_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
