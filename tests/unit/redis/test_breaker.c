/* The breaker, the budget and the batch, by a clock that only the test moves. */
#include "fake.h"
#include "redis/inside.h"

#define TEST(name) cmocka_unit_test(name)

static void the_first_connection_is_used_at_once(void **state)
{
	(void)state;
	fake_open(ONE);
	assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
	assert_int_equal(ask_get(), 0);
	assert_true(reach(REDIS_UP, MS, 8));
	assert_string_equal(f.events, "C");
	assert_true(redis_is_usable(f.redis, 77));
	fake_close();
}

static void auth_goes_out_first_and_all_of_the_greeting_in_one_write(void **state)
{
	(void)state;
	setenv("TEST_REDIS_PASSWORD", "hunter2", 1);
	fake_open(ONE ", user: sally, password: \"${env:TEST_REDIS_PASSWORD}\"");
	turn(0);
	turn(0);
	assert_true(hear() > 0);
	assert_int_equal(hear(), 0);
	assert_true(next_command(command));
	assert_string_equal(command, "AUTH sally hunter2");
	assert_true(next_command(command));
	assert_string_equal(command, "CLIENT SETNAME sallyport-test");
	assert_true(next_command(command));
	assert_string_equal(command, "ROLE");
	fake_close();
}

static void what_is_asked_in_a_turn_leaves_in_one_write_and_is_answered_in_order(void **state)
{
	(void)state;
	open_up();
	for (int i = 0; i < 5; i++)
		assert_true(ask_get() != 0);
	assert_int_equal(hear(), 0);
	turn(0);
	assert_int_equal(hear(), 5 * strlen("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"));
	reply(":1\r\n:2\r\n:3\r\n");
	turn(MS);
	assert_int_equal(f.got.done, 3);
	assert_int_equal(f.got.integer, 3);
	reply(":4\r\n:5\r\n");
	turn(MS);
	assert_int_equal(f.got.done, 5);
	assert_int_equal(f.got.integer, 5);
	assert_int_equal(f.got.outcome, REDIS_ANSWERED);
	assert_int_equal(f.got.overdue, 0);
	fake_close();
}

static void past_the_budget_the_asker_is_told_once_and_the_reply_comes_late(void **state)
{
	(void)state;
	open_up();
	assert_true(ask_get() != 0);
	turn(0);
	assert_true(redis_due_ns(f.redis) <= fake_now_ns + 10 * MS);
	turn(9 * MS);
	assert_int_equal(f.got.overdue, 0);
	turn(1 * MS);
	assert_int_equal(f.got.overdue, 1);
	turn(5 * MS);
	assert_int_equal(f.got.overdue, 1);
	reply(":7\r\n");
	turn(1 * MS);
	assert_int_equal(f.got.done, 1);
	assert_true(f.got.late);
	assert_int_equal(f.got.integer, 7);
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP); /* one alone does not open it */
	fake_close();
}

static void an_orphan_is_answered_to_nobody(void **state)
{
	(void)state;
	open_up();
	uint64_t ticket = ask_get();
	turn(0);
	redis_orphan(f.redis, ticket);
	turn(20 * MS);
	answer_all(":7\r\n");
	turn(0);
	assert_int_equal(f.got.overdue, 0);
	assert_int_equal(f.got.done, 0);
	uint64_t next = ask_get();
	assert_true(next != ticket);
	redis_orphan(f.redis, ticket); /* whose record the next ask may have by now */
	turn(0);
	reply(":8\r\n");
	turn(0);
	assert_int_equal(f.got.done, 1);
	fake_close();
}

static void three_turns_in_a_row_over_the_budget_open_it(void **state)
{
	(void)state;
	open_up();
	for (int i = 0; i < 2; i++) {
		assert_true(ask_get() != 0);
		assert_true(ask_get() != 0); /* two of one turn count once */
		turn(0);
		turn(MS);
	}
	assert_true(ask_get() != 0);
	turn(0);
	turn(9 * MS); /* the first two are over */
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	turn(1 * MS);
	assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
	assert_string_equal(f.events, "O");
	assert_int_equal(ask_get(), 0);
	assert_int_equal(f.got.overdue, 5);
	fake_close();
}

static void one_in_time_between_slow_ones_keeps_it_closed(void **state)
{
	(void)state;
	open_up();
	for (int i = 0; i < 6; i++) {
		assert_true(ask_get() != 0);
		turn(0);
		turn(i % 3 == 2 ? 5 * MS : 12 * MS);
		answer_all(":1\r\n");
		turn(0);
	}
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	assert_int_equal(f.got.done, 6);
	fake_close();
}

/* A turn of ours that takes so long, in which something is asked. */
static void busy_turn(uint64_t busy_ns, bool answers)
{
	loop_turn(f.loop, 0);
	redis_sweep(f.redis);
	if (answers) /* in the middle of the turn */
		hear();
	while (answers && next_command(command))
		reply(strcmp(command, "TIME") == 0 ? "*2\r\n$1\r\n1\r\n$1\r\n1\r\n" : ":1\r\n");
	ask_get();
	fake_now_ns += busy_ns;
	redis_flush(f.redis);
}

static void our_own_long_turns_are_not_blamed_on_redis(void **state)
{
	(void)state;
	open_up();
	for (int i = 0; i < 20; i++)
		busy_turn(15 * MS, true);
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	assert_true(f.got.done > 15 && f.got.overdue > 0);
	fake_close();
}

static void silence_is_blamed_even_while_our_turns_are_long(void **state)
{
	int turns = 0;

	(void)state;
	open_up();
	for (; turns < 20 && redis_state(f.redis, 0) == REDIS_UP; turns++)
		busy_turn(15 * MS, false);
	assert_in_range(turns, 4, 6);
	turn(0);
	assert_true(redis_due_ns(f.redis) > fake_now_ns); /* nobody spins */
	fake_close();
}

static void after_three_good_pings_it_settles_twice_and_closes(void **state)
{
	(void)state;
	open_up();
	assert_true(ask_get() != 0);
	turn(0);
	reply("-LOADING Redis is loading the dataset in memory\r\n");
	turn(0);
	assert_int_equal(f.got.outcome, REDIS_REFUSED);
	assert_string_equal(f.events, "O");
	uint64_t opened_ns = fake_now_ns;
	assert_true(reach(REDIS_SETTLING, 5 * MS, 200));
	assert_in_range(fake_now_ns - opened_ns, 240 * MS, 370 * MS); /* three of 80 to 120 ms, and a turn each */
	assert_string_equal(f.events, "OS");
	assert_int_equal(ask_get(), 0);
	assert_true(ask_words((const struct slice[]){ S("GET"), S("k") }, 2, true) != 0);
	uint64_t settling_ns = fake_now_ns;
	turn(0);
	assert_true(serve(command));
	reply(":1\r\n");
	assert_true(reach(REDIS_UP, 5 * MS, 200));
	assert_in_range(fake_now_ns - settling_ns, 300 * MS, 306 * MS);
	assert_string_equal(f.events, "OSSC");
	assert_int_equal(f.got.done, 2);
	fake_close();
}

/* Turns until a probe goes out, which has to be a write, and answers it. */
static void answer_probe(const char *with)
{
	for (int i = 0; !serve(command) && i < 100; i++)
		turn(5 * MS);
	assert_string_equal(command, "BITFIELD sallyport:dev:rl:{probe-0} INCRBY u8 0 0");
	assert_true(serve(command));
	assert_string_equal(command, "PEXPIRE sallyport:dev:rl:{probe-0} 60000");
	reply(with);
	turn(0);
}

static void where_a_write_was_refused_only_writes_tell_when_it_takes_them_again(void **state)
{
	static const char *const errors[] = { "-OOM command not allowed\r\n", "-MISCONF Redis is\r\n",
		                                  "-NOREPLICAS Not enough good replicas to write.\r\n" };

	(void)state;
	for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
		char both[128];
		snprintf(both, sizeof both, "%s:0\r\n", errors[e]);
		open_up();
		assert_true(ask_get() != 0);
		turn(0);
		assert_true(serve(command));
		reply(errors[e]);
		turn(0);
		for (int i = 0; i < 10; i++)
			answer_probe(both);
		assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
		for (int i = 0; i < 3; i++)
			answer_probe("*1\r\n:0\r\n:1\r\n");
		assert_int_equal(redis_state(f.redis, 0), REDIS_SETTLING);
		assert_string_equal(f.events, "OS");
		fake_close();
	}
}

static void a_user_who_may_not_write_there_probes_by_ping(void **state)
{
	(void)state;
	open_up();
	assert_true(ask_get() != 0);
	turn(0);
	assert_true(serve(command));
	reply("-OOM command not allowed\r\n");
	turn(0);
	answer_probe("-NOPERM no access to that key\r\n-NOPERM no access to that key\r\n");
	assert_true(reach(REDIS_SETTLING, 5 * MS, 200));
	fake_close();
}

static void a_slow_ping_starts_the_count_again(void **state)
{
	(void)state;
	open_up();
	assert_true(ask_get() != 0);
	turn(0);
	reply("-LOADING Redis is loading the dataset in memory\r\n");
	turn(0);
	for (int i = 0; i < 20; i++) {
		turn(120 * MS);
		hear();
		turn(i % 3 == 2 ? 11 * MS : 0);
		while (serve(command))
			;
		turn(0);
	}
	assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
	assert_string_equal(f.events, "O");
	fake_close();
}

static void the_errors_of_a_server_open_it_and_a_keys_own_does_not(void **state)
{
	static const char *const servers[] = { "-READONLY You can't write against a read only replica.\r\n",
		                                   "-LOADING Redis is loading\r\n",
		                                   "-OOM command not allowed\r\n",
		                                   "-CLUSTERDOWN Hash slot not served\r\n",
		                                   "-NOPERM this user has no permissions\r\n",
		                                   "-MISCONF Redis is configured to save\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
		open_up();
		assert_true(ask_get() != 0);
		turn(0);
		reply(servers[i]);
		turn(0);
		assert_int_equal(f.got.outcome, REDIS_REFUSED);
		assert_int_equal(redis_state(f.redis, 0), REDIS_DOWN);
		fake_close();
	}
	open_up();
	assert_true(ask_get() != 0);
	turn(0);
	reply("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
	turn(0);
	assert_int_equal(f.got.outcome, REDIS_REFUSED);
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	const struct slice words[] = { S("GET"), S("k") };
	const struct redis_command get = { words, 2 };
	for (int i = 4; i >= 0; i -= 4) { /* NOPERM may be its own affair, READONLY never */
		assert_true(redis_ask(f.redis, &(struct redis_ask){ .commands = &get,
		                                                    .commands_len = 1,
		                                                    .lenient = true,
		                                                    .on_done = on_done }) != 0);
		turn(0);
		reply(servers[i]);
		turn(0);
		assert_int_equal(f.got.outcome, REDIS_REFUSED);
		assert_int_equal(redis_state(f.redis, 0), i == 4 ? REDIS_UP : REDIS_DOWN);
	}
	fake_close();
}

static void silence_drops_the_connection_and_loses_what_was_asked(void **state)
{
	(void)state;
	open_up();
	unsigned dials = f.dials;
	assert_true(ask_get() != 0);
	turn(0);
	turn(999 * MS);
	assert_int_equal(f.got.done, 0);
	assert_int_equal(f.dials, dials);
	turn(1 * MS);
	assert_int_equal(f.got.done, 1);
	assert_int_equal(f.got.outcome, REDIS_LOST);
	assert_string_equal(f.events, "O");
	turn(121 * MS);
	assert_int_equal(f.dials, dials + 1);
	assert_true(reach(REDIS_UP, 5 * MS, 400));
	assert_string_equal(f.events, "OSSC");
	fake_close();
}

static void an_idle_connection_that_hangs_is_noticed(void **state)
{
	(void)state;
	open_up();
	for (int i = 0; i < 250 && f.events_len == 0; i++)
		turn(10 * MS); /* nobody asks anything, and nobody answers */
	assert_string_equal(f.events, "O");
	fake_close();
}

static void refusal_is_tried_again_ten_times_a_second(void **state)
{
	(void)state;
	open_up();
	f.refuses = true;
	close(f.peer);
	f.peer = -1;
	turn(0);
	unsigned dials = f.dials;
	for (int i = 0; i < 1000; i++)
		turn(MS);
	assert_in_range(f.dials - dials, 8, 13);
	fake_close();
}

static void a_replica_is_never_used(void **state)
{
	(void)state;
	fake_open(ONE);
	f.role = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:0\r\n";
	assert_false(reach(REDIS_UP, 20 * MS, 100));
	assert_string_equal(f.events, "");
	f.role = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
	assert_true(reach(REDIS_UP, 20 * MS, 100));
	fake_close();
}

static void another_run_of_the_server_is_told_of(void **state)
{
	(void)state;
	open_up();
	close(f.peer);
	f.peer = -1;
	f.run = "run_id:bbbb\r\n";
	assert_true(reach(REDIS_DOWN, 0, 2));
	assert_true(reach(REDIS_UP, 5 * MS, 400));
	assert_string_equal(f.events, "ORSSC");
	fake_close();
}

static void a_clock_beyond_what_a_bucket_can_count_is_not_believed(void **state)
{
	struct redis_value two[] = { { .type = REDIS_STRING, .text = S("4294967295") },
		                         { .type = REDIS_STRING, .text = S("999999") } };
	struct redis_value time = { .type = REDIS_ARRAY, .array = two, .len = 2 };

	(void)state;
	assert_true(other_clock_parse(&time) > UINT64_C(4294967295) * NS_PER_S);
	two[0].text = S("5000000000"); /* the year 2128 */
	assert_int_equal(other_clock_parse(&time), 0);
}

static void the_clock_of_redis_is_known_to_within_half_a_round_trip(void **state)
{
	uint64_t error_ns, before_ns, stamp_ns;

	(void)state;
	fake_open(ONE);
	assert_int_equal(redis_stamp(f.redis, 0, fake_now_ns, &error_ns), 0);
	assert_true(reach(REDIS_UP, MS, 8));
	for (int i = 0; i < 8; i++) { /* each question is answered 4 ms after it left, read in the middle */
		turn(60 * MS);
		hear();
		while (next_command(command)) {
			if (strcmp(command, "TIME") == 0)
				reply_time(fake_now_ns + 2 * MS + REDIS_AHEAD_NS);
			else
				reply("+PONG\r\n");
		}
		turn(4 * MS);
		serve(command);
		turn(0);
	}
	stamp_ns = redis_stamp(f.redis, 5, fake_now_ns, &error_ns);
	before_ns = fake_now_ns + REDIS_AHEAD_NS;
	assert_true(error_ns > 0 && error_ns < 3 * MS);
	assert_true(stamp_ns + error_ns >= before_ns && stamp_ns <= before_ns + error_ns);
	fake_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_connection_is_used_at_once),
		TEST(auth_goes_out_first_and_all_of_the_greeting_in_one_write),
		TEST(what_is_asked_in_a_turn_leaves_in_one_write_and_is_answered_in_order),
		TEST(past_the_budget_the_asker_is_told_once_and_the_reply_comes_late),
		TEST(an_orphan_is_answered_to_nobody),
		TEST(three_turns_in_a_row_over_the_budget_open_it),
		TEST(one_in_time_between_slow_ones_keeps_it_closed),
		TEST(our_own_long_turns_are_not_blamed_on_redis),
		TEST(silence_is_blamed_even_while_our_turns_are_long),
		TEST(after_three_good_pings_it_settles_twice_and_closes),
		TEST(where_a_write_was_refused_only_writes_tell_when_it_takes_them_again),
		TEST(a_user_who_may_not_write_there_probes_by_ping),
		TEST(a_slow_ping_starts_the_count_again),
		TEST(the_errors_of_a_server_open_it_and_a_keys_own_does_not),
		TEST(silence_drops_the_connection_and_loses_what_was_asked),
		TEST(an_idle_connection_that_hangs_is_noticed),
		TEST(refusal_is_tried_again_ten_times_a_second),
		TEST(a_replica_is_never_used),
		TEST(another_run_of_the_server_is_told_of),
		TEST(a_clock_beyond_what_a_bucket_can_count_is_not_believed),
		TEST(the_clock_of_redis_is_known_to_within_half_a_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
