/* Replies: in pieces, in numbers, too large, and no RESP at all. */
#include "fake.h"

#define TEST(name) cmocka_unit_test(name)

static void a_reply_may_come_byte_by_byte(void **state)
{
	const char *bytes = "$11\r\nhello world\r\n";
	char one[2] = "";

	(void)state;
	open_up();
	assert_true(ask_get() != 0);
	turn(0);
	for (; *bytes; bytes++) {
		assert_int_equal(f.got.done, 0);
		one[0] = *bytes;
		reply(one);
		turn(0);
	}
	assert_int_equal(f.got.done, 1);
	assert_string_equal(f.got.text, "hello world");
	fake_close();
}

static void several_commands_are_one_ask_with_a_value_each(void **state)
{
	const struct slice bitfield[] = { S("BITFIELD"), S("k"), S("GET"), S("u63"), S("0") };
	const struct slice expire[] = { S("PEXPIRE"), S("k"), S("100") };
	const struct redis_command commands[] = { { bitfield, 5 }, { expire, 3 } };
	const struct redis_ask ask = {
		.slot = redis_slot(S("k")), .commands = commands, .commands_len = 2, .on_done = on_done
	};

	(void)state;
	open_up();
	assert_true(redis_ask(f.redis, &ask) != 0);
	turn(0);
	assert_true(serve(command));
	assert_string_equal(command, "BITFIELD k GET u63 0");
	assert_true(serve(command));
	assert_string_equal(command, "PEXPIRE k 100");
	reply("*1\r\n:42\r\n");
	turn(0);
	assert_int_equal(f.got.done, 0);
	reply(":1\r\n");
	turn(0);
	assert_int_equal(f.got.done, 1);
	assert_int_equal(f.got.outcome, REDIS_ANSWERED);
	fake_close();
}

static void what_cannot_be_held_is_refused_at_once(void **state)
{
	unsigned asked = 0;

	(void)state;
	open_up();
	while (asked < 100000 && ask_get() != 0)
		asked++;
	assert_in_range(asked, 1000, 4096);
	turn(0);
	assert_int_equal(ask_get(), 0);
	turn(10 * MS);
	assert_int_equal(f.got.overdue, asked);
	close(f.peer);
	f.peer = -1;
	turn(0);
	assert_int_equal(f.got.done, asked);
	assert_true(reach(REDIS_UP, 5 * MS, 400)); /* its own probes found room */
	fake_close();
}

static void large_values_are_bounded_by_bytes(void **state)
{
	static char big[200000];
	const struct slice words[] = { S("SET"), S("k"), { big, sizeof big } };
	unsigned asked = 0;

	(void)state;
	memset(big, 'x', sizeof big);
	open_up();
	while (asked < 100 && ask_words(words, 3, false) != 0)
		asked++;
	assert_int_equal(asked, 3);
	fake_close();
}

static void nonsense_ends_the_connection(void **state)
{
	static const char *const bad[] = { "hello\r\n", "*1000000000\r\n", "$-7\r\n", ":12x\r\n:\r\n",
		                               "*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n",
		                               "+one\r\n+too many\r\n",
		                               /* what RESP3 adds: hiredis has read it since 1.0 */
		                               "_\r\n", "#t\r\n", ",1.5\r\n", "(123\r\n", "=6\r\ntxt:ab\r\n",
		                               "%1\r\n+a\r\n+b\r\n", "~1\r\n+a\r\n", ">1\r\n+a\r\n",
		                               "|1\r\n+a\r\n+b\r\n+c\r\n", "*1\r\n#t\r\n", "*2\r\n+a\r\n,1.5\r\n",
		                               "*1\r\n%1\r\n+a\r\n+b\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		open_up();
		assert_true(ask_get() != 0);
		turn(0);
		reply(bad[i]);
		turn(0);
		assert_int_equal(f.got.done, 1);
		assert_string_equal(f.events, "O");
		fake_close();
	}
}

static void eight_arrays_in_each_other_are_read_and_nine_are_not(void **state)
{
	(void)state;
	for (int nested = 8; nested <= 9; nested++) {
		char bytes[64] = "";
		for (int i = 0; i < nested; i++)
			strcat(bytes, "*1\r\n");
		open_up();
		assert_true(ask_get() != 0);
		turn(0);
		reply(strcat(bytes, ":7\r\n"));
		turn(0);
		assert_int_equal(f.got.done, 1);
		assert_int_equal(f.got.outcome, nested == 8 ? REDIS_ANSWERED : REDIS_LOST);
		fake_close();
	}
}

static void a_reply_without_end_is_cut(void **state)
{
	static char piece[65537];
	unsigned pieces = 0;

	(void)state;
	open_up();
	memset(piece, 'x', sizeof piece - 1);
	assert_true(ask_get() != 0);
	turn(0);
	reply("$100000000\r\n");
	while (f.got.done == 0 && pieces++ < 200) {
		(void)!write(f.peer, piece, sizeof piece - 1);
		turn(0);
	}
	assert_int_equal(f.got.outcome, REDIS_LOST);
	assert_in_range(pieces, 16, 80);
	fake_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reply_may_come_byte_by_byte),
		TEST(several_commands_are_one_ask_with_a_value_each),
		TEST(what_cannot_be_held_is_refused_at_once),
		TEST(large_values_are_bounded_by_bytes),
		TEST(nonsense_ends_the_connection),
		TEST(eight_arrays_in_each_other_are_read_and_nine_are_not),
		TEST(a_reply_without_end_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
