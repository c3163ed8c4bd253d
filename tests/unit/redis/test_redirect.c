/* A cluster that the test plays: who is asked, and where questions are sent on to. */
#include "fake.h"

#define TEST(name) cmocka_unit_test(name)
#define SLOTS_OF(port) "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:" port "\r\n$2\r\nid\r\n"

/* The peer of the n-th connection speaks from now on. */
static void speak_as(unsigned n)
{
	assert_true(n < f.dials);
	f.peer = f.peers[n];
	f.heard_len = 0;
}

/* The greeting, and whatever else the room wants to know, until the peer is asked something else. */
static void expect(const char *what)
{
	for (int i = 0; i < 20; i++) {
		if (serve(command)) {
			assert_string_equal(command, what);
			return;
		}
		turn(0);
	}
	fail_msg("%s was not asked", what);
}

static void open_cluster(void)
{
	fake_open("mode: cluster, servers: \"redis://127.0.0.1:7000\"");
	f.keeps = true;
	turn(0);
	expect("CLUSTER SLOTS");
	reply(SLOTS_OF("7001"));
	turn(0);
	turn(0);
	assert_int_equal(f.dials, 2);
	assert_true(reach(REDIS_UP, 0, 8));
	assert_int_equal(redis_shard(f.redis, 16383), redis_shard(f.redis, 0));
}

static void ask_is_followed_with_asking_and_changes_nothing(void **state)
{
	(void)state;
	open_cluster();
	unsigned shard = redis_shard(f.redis, redis_slot(S("k")));
	assert_true(ask_get() != 0);
	turn(0);
	expect("GET k");
	reply("-ASK 7629 127.0.0.1:7002\r\n");
	turn(0);
	turn(0);
	assert_int_equal(f.dials, 3);
	speak_as(2);
	expect("ASKING");
	assert_true(next_command(command));
	assert_string_equal(command, "GET k");
	reply("+OK\r\n:9\r\n");
	turn(0);
	assert_int_equal(f.got.done, 1);
	assert_int_equal(f.got.outcome, REDIS_ANSWERED);
	assert_int_equal(f.got.integer, 9);
	assert_int_equal(redis_shard(f.redis, redis_slot(S("k"))), shard);
	assert_string_equal(f.events, "CC");
	fake_close();
}

static void moved_is_followed_and_remembered(void **state)
{
	char moved[64];

	(void)state;
	open_cluster();
	unsigned slot = redis_slot(S("k")), shard = redis_shard(f.redis, redis_slot(S("k")));
	snprintf(moved, sizeof moved, "-MOVED %u :7002\r\n", slot); /* no host: the one that was asked */
	assert_true(ask_get() != 0);
	turn(0);
	expect("GET k");
	reply(moved);
	turn(0);
	turn(0);
	assert_int_not_equal(redis_shard(f.redis, (uint16_t)slot), shard);
	assert_int_equal(redis_shard(f.redis, (uint16_t)(slot + 1)), shard);
	speak_as(2);
	expect("GET k");
	reply(":3\r\n");
	turn(0);
	assert_int_equal(f.got.integer, 3);
	assert_true(ask_get() != 0);
	turn(0);
	expect("GET k"); /* there at once */
	fake_close();
}

static void only_what_was_redirected_is_asked_again(void **state)
{
	const struct slice get[] = { S("GET"), S("k") }, expire[] = { S("PEXPIRE"), S("k"), S("9") };
	const struct redis_command commands[] = { { get, 2 }, { expire, 3 } };
	const struct redis_ask ask = {
		.slot = redis_slot(S("k")), .commands = commands, .commands_len = 2, .on_done = on_done
	};

	(void)state;
	open_cluster();
	assert_true(redis_ask(f.redis, &ask) != 0);
	turn(0);
	expect("GET k");
	reply(":4\r\n-ASK 7629 127.0.0.1:7002\r\n");
	turn(0);
	turn(0);
	speak_as(2);
	expect("ASKING");
	assert_true(next_command(command));
	assert_string_equal(command, "PEXPIRE k 9");
	assert_true(!next_command(command) || strcmp(command, "TIME") == 0);
	reply("+OK\r\n:1\r\n");
	turn(0);
	assert_int_equal(f.got.done, 1);
	assert_int_equal(f.got.outcome, REDIS_ANSWERED);
	assert_int_equal(f.got.integer, 4);
	fake_close();
}

static void redirections_in_a_circle_end(void **state)
{
	unsigned sent = 0;

	(void)state;
	open_cluster();
	assert_true(ask_get() != 0);
	turn(0);
	for (; f.got.done == 0 && sent < 20; sent++) {
		expect("GET k");
		reply("-MOVED 7629 127.0.0.1:7001\r\n");
		turn(0);
	}
	assert_int_equal(f.got.outcome, REDIS_REFUSED);
	assert_in_range(sent, 2, 7);
	fake_close();
}

static void a_redirection_to_nowhere_is_refused(void **state)
{
	static const char *const bad[] = { "-MOVED\r\n",
		                               "-MOVED x 127.0.0.1:7002\r\n",
		                               "-MOVED 99999 127.0.0.1:1\r\n",
		                               "-MOVED 5 127.0.0.1\r\n",
		                               "-MOVED 5 127.0.0.1:0\r\n",
		                               "-ASK 5 a b:1\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		open_cluster();
		assert_true(ask_get() != 0);
		turn(0);
		expect("GET k");
		reply(bad[i]);
		turn(0);
		assert_int_equal(f.got.done, 1);
		assert_int_equal(f.got.outcome, REDIS_REFUSED);
		assert_true(redis_is_usable(f.redis, 0)); /* who redirects is well */
		fake_close();
	}
}

static void who_takes_over_from_a_dead_master_is_settled_with_first(void **state)
{
	(void)state;
	open_cluster();
	close(f.peer);
	f.peer = f.peers[1] = -1;
	turn(0);
	assert_string_equal(f.events, "CO");
	for (int i = 0; i < 40 && f.dials < 4; i++)
		turn(20 * MS);                       /* the master again, and the seed, in whatever order */
	for (unsigned i = 2; i < f.dials; i++) { /* whichever asks for the slots is the seed */
		speak_as(i);
		for (int j = 0; j < 10; j++) {
			f.role = "*1\r\n$5\r\nslave\r\n";
			if (serve(command) && strcmp(command, "CLUSTER SLOTS") == 0)
				reply(SLOTS_OF("7009"));
			turn(0);
		}
	}
	f.role = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
	f.events_len = 0;
	speak_as(f.dials - 1);
	assert_true(reach(REDIS_UP, 5 * MS, 400));
	assert_string_equal(f.events, "SSC");
	fake_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ask_is_followed_with_asking_and_changes_nothing),
		TEST(moved_is_followed_and_remembered),
		TEST(only_what_was_redirected_is_asked_again),
		TEST(redirections_in_a_circle_end),
		TEST(a_redirection_to_nowhere_is_refused),
		TEST(who_takes_over_from_a_dead_master_is_settled_with_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
