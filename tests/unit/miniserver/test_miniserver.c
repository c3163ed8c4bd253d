#include "talk.h"
#include "base/text.h"

static struct miniserver *server;
static unsigned asks;
static char large[900 * 1024];

/* Letters by their place in the body, so that a hole or a double would be seen. */
static void fill(void *with, uint64_t from, char *to, size_t len)
{
	(void)with;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)('a' + (from + i) % 26);
}

static void on_ask(void *with, struct miniserver_ask *ask)
{
	char store[512];
	struct text t = TEXT(store);

	assert_ptr_equal(with, &asks);
	asks++;
	if (slice_same(ask->path, S("/silence")))
		return;
	if (slice_same(ask->path, S("/stream"))) {
		assert_true(miniserver_stream(ask, 200, S("text/plain"), 300000, fill, NULL));
		return;
	}
	if (slice_same(ask->path, S("/large"))) {
		memset(large, 'l', sizeof large - 1);
		large[sizeof large - 1] = '.';
		assert_true(miniserver_answer(ask, 200, S(""), S(""), (struct slice){ large, sizeof large }));
		return;
	}
	if (slice_same(ask->path, S("/bulky"))) {
		char lines[5000];
		memset(lines, 'x', sizeof lines);
		assert_false(miniserver_answer(ask, 200, S(""), (struct slice){ lines, sizeof lines }, S("")));
		return;
	}
	text_printf(&t, "%.*s %.*s ?%.*s body=%zu/%llu[%.*s]", SLICE(ask->method), SLICE(ask->path),
	            SLICE(ask->query), ask->body.len, (unsigned long long)ask->body_len,
	            SLICE(slice_head(ask->body, 100)));
	const struct header *agent = headers_find(ask->headers, HEADER_USER_AGENT);
	if (agent)
		text_printf(&t, " agent=%.*s", SLICE(agent->value));
	assert_true(miniserver_answer(ask, 200, S("text/plain"), S("X-Extra: 1\r\n"), text_slice(&t)));
}

static int begin(void **state)
{
	(void)state;
	open_loop();
	asks = 0;
	server = miniserver_open(loop, listening, on_ask, &asks);
	assert_non_null(server);
	return 0;
}

static int end(void **state)
{
	(void)state;
	miniserver_close(server);
	close_loop();
	return 0;
}

static void a_get_is_answered_and_the_connection_stays(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd, "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: probe\r\n\r\n",
	                    "GET /metrics ?a=b body=0/0[] agent=probe"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_non_null(strstr(heard, "\r\nContent-Type: text/plain\r\n"));
	assert_non_null(strstr(heard, "\r\nContent-Length: 40\r\n"));
	assert_non_null(strstr(heard, "\r\nX-Extra: 1\r\n"));
	assert_non_null(strstr(heard, "\r\nDate: "));
	assert_null(strstr(heard, "Connection:"));
	assert_true(ask_for(fd, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n", "GET /again ? body=0/0[]"));
	assert_int_equal(asks, 2);
	close(fd);
}

static void head_has_the_same_length_and_no_body(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd, "HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n"));
	assert_non_null(strstr(heard, "\r\nContent-Length: 20\r\n"));
	assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
	assert_true(ask_for(fd, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n"));
	assert_non_null(strstr(heard, "\r\nContent-Length: 300000\r\n"));
	assert_true(ask_for(fd, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n", "GET /next ?"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 200 OK\r\n", 17), 0);
	close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd,
	                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
	                    "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
	                    "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
	                    "GET /3"));
	char *one = strstr(heard, "GET /1"), *two = strstr(heard, "POST /2 ? body=3/3[abc]");
	assert_non_null(one);
	assert_non_null(two);
	assert_true(one < two);
	close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	const char *request = "POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	                      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
	int fd = dial();

	(void)state;
	forget();
	for (const char *p = request; *p; p++) {
		say(fd, (struct slice){ p, 1 });
		loop_turn(loop, NS_PER_MS);
	}
	assert_true(hear(fd, "POST /slow ? body=5/5[abcde]"));
	assert_true(ask_for(fd, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n", "GET /next"));
	close(fd);
}

static void a_continue_is_said_where_it_is_waited_for(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd,
	                    "POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	                    "Content-Length: 2\r\n\r\n",
	                    "HTTP/1.1 100 Continue\r\n\r\n"));
	assert_true(ask_for(fd, "hi", "body=2/2[hi]"));
	close(fd);
}

static void what_is_malformed_is_refused_and_closed(void **state)
{
	const char *const bad[] = {
		"GET /x HTTP/1.1\nHost: x\n\n",
		"GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"\x16\x03\x01\x02\x01\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int fd = dial();
		assert_true(ask_for(fd, bad[i], "\r\n\r\n"));
		assert_int_equal(strncmp(heard, "HTTP/1.1 4", 10), 0);
		hear(fd, NULL);
		assert_true(ended);
		close(fd);
	}
	assert_int_equal(asks, 0);
}

static void an_overlong_head_is_431_and_an_overlong_body_413(void **state)
{
	static char big[MINISERVER_BODY + 100];
	int fd = dial();

	(void)state;
	forget();
	memset(big, 'a', sizeof big);
	say(fd, S("GET /x HTTP/1.1\r\nHost: x\r\nX-Big: "));
	say(fd, (struct slice){ big, MINISERVER_HEAD });
	assert_true(hear(fd, "\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 431 ", 13), 0);
	assert_non_null(strstr(heard, "Connection: close"));
	close(fd);

	fd = dial();
	forget();
	say(fd, S("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 65636\r\n\r\n"));
	say(fd, (struct slice){ big, sizeof big });
	assert_true(hear(fd, "\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 413 ", 13), 0);
	close(fd);
	assert_int_equal(asks, 0);
}

static void counted_bodies_may_be_of_any_length(void **state)
{
	static char piece[100000];
	int fd = dial();

	(void)state;
	forget();
	miniserver_count_bodies(server);
	memset(piece, 'b', sizeof piece);
	say(fd, S("POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
	for (int i = 0; i < 10; i++)
		say(fd, (struct slice){ piece, sizeof piece });
	assert_true(hear(fd, "POST /big ? body=65536/1000000[bbb"));
	close(fd);
}

static void a_body_may_have_any_number_of_chunks(void **state)
{
	int fd = dial();

	(void)state;
	forget();
	miniserver_count_bodies(server);
	say(fd, S("POST /many HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 3000; i++)
		say(fd, S("a\r\n0123456789\r\n"));
	say(fd, S("0\r\n\r\n"));
	assert_true(hear(fd, "POST /many ? body=30000/30000[0123"));
	close(fd);
}

static void a_streamed_answer_is_whole_and_the_next_follows_it(void **state)
{
	int fd = dial();

	(void)state;
	forget();
	say(fd, S("GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n"));
	for (int i = 0; i < 50; i++) /* the client takes nothing for a while */
		loop_turn(loop, 0);
	assert_true(hear(fd, "GET /next"));
	char *body = strstr(heard, "\r\n\r\n") + 4;
	for (size_t i = 0; i < 300000; i++)
		assert_int_equal(body[i], 'a' + i % 26);
	assert_int_equal(strncmp(body + 300000, "HTTP/1.1 200 OK\r\n", 17), 0);
	close(fd);
}

static void close_is_honoured_and_half_closed_clients_are_answered(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /x"));
	assert_non_null(strstr(heard, "Connection: close\r\n"));
	hear(fd, NULL);
	assert_true(ended);
	close(fd);

	fd = dial();
	forget();
	say(fd, S("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
	shutdown(fd, SHUT_WR);
	hear(fd, NULL);
	assert_true(ended);
	assert_true(heard_len > 300000);
	close(fd);
}

static void a_callback_that_says_nothing_is_500(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd, "GET /silence HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 500 "));
	assert_true(ask_for(fd, "GET /bulky HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 500 "));
	close(fd);
}

static void past_the_bound_the_longest_idle_connection_gives_way(void **state)
{
	static int fds[MINISERVER_CONNECTIONS + 1];

	(void)state;
	for (size_t i = 0; i < MINISERVER_CONNECTIONS; i++) {
		fds[i] = dial();
		loop_turn(loop, 0);
	}
	assert_true(ask_for(fds[0], "GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "GET /x")); /* 0 is fresh, 1 is not */
	fds[MINISERVER_CONNECTIONS] = dial();
	assert_true(ask_for(fds[MINISERVER_CONNECTIONS], "GET /y HTTP/1.1\r\nHost: x\r\n\r\n", "GET /y"));
	hear(fds[1], NULL);
	assert_true(ended);
	assert_true(ask_for(fds[0], "GET /z HTTP/1.1\r\nHost: x\r\n\r\n", "GET /z"));
	for (size_t i = 0; i <= MINISERVER_CONNECTIONS; i++)
		close(fds[i]);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
}

static void what_nobody_takes_is_bounded_and_the_oldest_gives_way(void **state)
{
	enum { READERS = 2 * MINISERVER_WAITING / sizeof large };
	int fds[READERS], small = 64 * 1024;

	(void)state;
	setsockopt(listening, SOL_SOCKET, SO_SNDBUF, &small, sizeof small); /* what is accepted inherits it */
	for (size_t i = 0; i < READERS; i++) {
		fds[i] = dial();
		say(fds[i], S("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
		for (int turns = 0; asks <= i && turns < 1000; turns++)
			loop_turn(loop, NS_PER_MS);
		assert_int_equal(asks, i + 1);
		assert_in_range(loop->blocks_used * BLOCK_SIZE, 0, MINISERVER_WAITING + READERS * BLOCK_SIZE);
	}
	assert_in_range(loop->blocks_used * BLOCK_SIZE, MINISERVER_WAITING / 2, SIZE_MAX);
	forget();
	assert_true(hear(fds[READERS - 1], "l."));
	forget();
	hear(fds[0], "l.");
	assert_true(ended);
	assert_in_range(heard_len, 0, sizeof large - 1);
	for (size_t i = 0; i < READERS; i++)
		close(fds[i]);
	for (int i = 0; i < 5; i++)
		loop_turn(loop, NS_PER_MS);
}

static uint64_t leap_ns;
static uint64_t leaping(void)
{
	return clock_ns() + leap_ns;
}

static void an_idle_connection_is_closed(void **state)
{
	int fd = dial();

	(void)state;
	loop->clock = leaping;
	assert_true(ask_for(fd, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "GET /x"));
	leap_ns += MINISERVER_IDLE_NS - NS_PER_S;
	assert_true(ask_for(fd, "GET /y HTTP/1.1\r\nHost: x\r\n\r\n", "GET /y"));
	forget();
	say(fd, S("GET /never-ends"));
	leap_ns += MINISERVER_IDLE_NS + NS_PER_S;
	hear(fd, NULL);
	assert_true(ended);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_get_is_answered_and_the_connection_stays, begin, end),
		cmocka_unit_test_setup_teardown(head_has_the_same_length_and_no_body, begin, end),
		cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, begin, end),
		cmocka_unit_test_setup_teardown(a_request_may_come_byte_by_byte, begin, end),
		cmocka_unit_test_setup_teardown(a_continue_is_said_where_it_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(what_is_malformed_is_refused_and_closed, begin, end),
		cmocka_unit_test_setup_teardown(an_overlong_head_is_431_and_an_overlong_body_413, begin, end),
		cmocka_unit_test_setup_teardown(counted_bodies_may_be_of_any_length, begin, end),
		cmocka_unit_test_setup_teardown(a_body_may_have_any_number_of_chunks, begin, end),
		cmocka_unit_test_setup_teardown(a_streamed_answer_is_whole_and_the_next_follows_it, begin, end),
		cmocka_unit_test_setup_teardown(close_is_honoured_and_half_closed_clients_are_answered, begin, end),
		cmocka_unit_test_setup_teardown(a_callback_that_says_nothing_is_500, begin, end),
		cmocka_unit_test_setup_teardown(past_the_bound_the_longest_idle_connection_gives_way, begin, end),
		cmocka_unit_test_setup_teardown(what_nobody_takes_is_bounded_and_the_oldest_gives_way, begin, end),
		cmocka_unit_test_setup_teardown(an_idle_connection_is_closed, begin, end),
	};

	return cmocka_run_group_tests_name("the mini server", tests, NULL, NULL);
}
