#include "h2_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct world w;
static struct client_side c;

static int begin(void **state)
{
	(void)state;
	world_open(&w);
	client_open(&c, &w);
	return 0;
}

static int begin_small(void **state)
{
	(void)state;
	world_open_for(&w, 5);
	client_open(&c, &w);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	world_close(&w);
	client_close(&c);
	return 0;
}

static void pass(uint64_t ns)
{
	skew_ns += ns;
	client_turns(&c, 6);
}

/* ---- leaving ---- */

static void at_drain_the_request_in_hand_is_answered_and_then_the_connection_ends(void **state)
{
	(void)state;
	w.big = 4 << 20;
	int32_t id = client_ask(&c, "GET", "/big", NULL);
	client_turns(&c, 3);
	http_drain(&w.server);
	struct answer_seen *a = client_await(&c, id);
	assert_int_equal(a->len, 4 << 20);
	client_until_over(&c);
	assert_int_equal(c.goaways, 2);
	assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
	assert_int_equal(c.goaway_last, id);
	loop_turn(w.loop, 0);
	close(w.peer);
	w.peer = -1;
	loop_turn(w.loop, NS_PER_MS);
	assert_true(w.closed);
}

static void a_request_that_crosses_the_notice_is_answered(void **state)
{
	(void)state;
	client_turns(&c, 3);
	http_drain(&w.server);
	int32_t id = client_ask(&c, "GET", "/hello", NULL); /* the client has not read the notice yet */
	assert_int_equal(client_await(&c, id)->status, 200);
	client_until_over(&c);
	assert_true(c.over);
}

static void a_client_that_does_not_echo_gets_the_last_goaway_after_a_second(void **state)
{
	(void)state;
	client_turns(&c, 3);
	c.greedless = true;
	http_drain(&w.server);
	client_turns(&c, 3);
	c.greedless = false;
	skew_ns += 1200 * NS_PER_MS;
	for (int i = 0; i < 4; i++)
		loop_turn(w.loop, 0);
	client_receive(&c);
	assert_int_equal(c.goaways, 2);
}

static void the_last_request_of_a_connection_is_followed_by_goaway(void **state)
{
	(void)state;
	w.config.root.http.requests_max = 3;
	for (int i = 0; i < 3; i++)
		assert_int_equal(client_await(&c, client_ask(&c, "GET", "/hello", NULL))->status, 200);
	client_until_over(&c);
	assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
}

static void killed_connections_cut_their_requests_and_go(void **state)
{
	(void)state;
	client_ask(&c, "GET", "/park", NULL);
	client_turns(&c, 3);
	http_kill(&w.server);
	client_turns(&c, 3);
	assert_int_equal(w.gone, 1);
	assert_true(w.closed);
}

/* ---- time ---- */

static void an_idle_connection_is_left_politely(void **state)
{
	(void)state;
	assert_int_equal(client_await(&c, client_ask(&c, "GET", "/hello", NULL))->status, 200);
	pass(50 * NS_PER_S);
	assert_int_equal(c.goaways, 0);
	pass(11 * NS_PER_S);
	client_until_over(&c);
	assert_int_equal(c.goaway, NGHTTP2_NO_ERROR);
	assert_true(c.over);
}

static void a_connection_with_a_request_in_hand_is_not_idle(void **state)
{
	(void)state;
	client_ask(&c, "GET", "/park", NULL);
	for (int i = 0; i < 10; i++)
		pass(30 * NS_PER_S);
	assert_int_equal(c.goaways, 0);
	assert_false(c.over);
}

static void a_client_that_says_nothing_is_not_waited_for(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		loop_turn(w.loop, 0);
	skew_ns += 10100 * NS_PER_MS;
	for (int i = 0; i < 4; i++)
		loop_turn(w.loop, 0);
	client_receive(&c);
	assert_int_equal(c.goaway, NGHTTP2_SETTINGS_TIMEOUT);
	assert_true(c.over);
}

static void a_head_that_stops_in_its_middle_ends_the_connection(void **state)
{
	static const char part[] = "\0\0\1\1\1\0\0\0\1\x82";

	(void)state;
	client_turns(&c, 3);
	client_raw(&c, part, 10);
	client_turns(&c, 2);
	pass(9 * NS_PER_S);
	assert_false(c.over);
	pass(2 * NS_PER_S);
	client_until_over(&c);
	assert_true(c.over);
	assert_string_equal(w.last_fault, "header-timeout"); /* told of all the same, for the log */
}

static void an_answer_left_to_be_sent_is_cut_when_its_window_never_opens(void **state)
{
	nghttp2_settings_entry closed = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0 };

	(void)state;
	nghttp2_submit_settings(c.session, 0, &closed, 1);
	client_turns(&c, 3);
	int32_t id = client_ask(&c, "GET", "/hello", NULL);
	client_turns(&c, 3);
	assert_int_equal(w.settled, 1); /* for the journey it is over */
	assert_int_equal(seen(&c, id)->status, 200);
	pass(15 * NS_PER_S);
	assert_false(seen(&c, id)->closed);
	pass(30 * NS_PER_S);
	assert_true(seen(&c, id)->closed);
	assert_int_equal(seen(&c, id)->code, NGHTTP2_CANCEL);
	assert_int_equal(w.loop->blocks_used, 0);
}

static void a_client_that_takes_nothing_is_dropped(void **state)
{
	(void)state;
	w.big = 20 << 20;
	client_turns(&c, 5);
	int32_t id = client_ask(&c, "GET", "/big", NULL);
	client_send(&c);
	nghttp2_session_set_local_window_size(c.session, 0, 0, 32 << 20);
	nghttp2_session_set_local_window_size(c.session, 0, id, 32 << 20);
	c.greedless = true;
	client_turns(&c, 50);
	pass(15 * NS_PER_S);
	assert_false(w.closed);
	pass(10 * NS_PER_S);
	assert_true(w.closed);
	assert_int_equal(w.gone, 1);
}

/* ---- what is refused ---- */

static int status_of(const char *method, const char *path, const char *name, const char *value)
{
	const char *const more[] = { name, value, NULL };

	return client_await(&c, client_ask_with(&c, method, path, NULL, name ? more : NULL))->status;
}

static void a_connection_that_speaks_http_1_is_told_goaway(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

	(void)state;
	check(send(w.peer, text, sizeof text - 1, 0) == sizeof text - 1);
	for (int i = 0; i < 4; i++)
		loop_turn(w.loop, 0);
	client_receive(&c);
	assert_int_equal(c.goaway, NGHTTP2_PROTOCOL_ERROR);
	assert_true(c.over);
}

static void connect_is_answered_501(void **state)
{
	nghttp2_nv fields[] = { nv(":method", "CONNECT"), nv(":authority", "example.com:443") };

	(void)state;
	int32_t id = nghttp2_submit_request(c.session, NULL, fields, 2, NULL, NULL);
	assert_int_equal(client_await(&c, id)->status, 501);
}

static void what_could_smuggle_is_refused_and_the_connection_goes_on(void **state)
{
	(void)state;
	assert_int_equal(status_of("GET", "/hello", "x-a", "b\r\nx-c: d"), 400);
	assert_int_equal(status_of("GET", "/hello", "x-a b", "c"), 400);
	assert_int_equal(status_of("GET", "/hello", "x:a", "c"), 400);
	assert_int_equal(status_of("GET", "/hello", "host", "other.example.com"), 400);
	assert_int_equal(status_of("GET", "/hello", "te", "gzip"), 0);
	assert_int_equal(status_of("GET", "/hello", "connection", "x-a"), 0);
	assert_int_equal(status_of("GET", "/hello", "upgrade", "websocket"), 0);
	assert_int_equal(status_of("GET", "/hello", "content-length", "+1"), 0);
	assert_int_equal(status_of("GET", "/hello", "content-length", "1"), 0);
	assert_int_equal(status_of("GET", "hello", NULL, NULL), 0);
	assert_int_equal(status_of("GET", "http://example.com/", NULL, NULL), 0);
	assert_int_equal(status_of("GE T", "/hello", NULL, NULL), 0);
	assert_int_equal(status_of("GET", "/hello", "te", "trailers"), 200);
	assert_int_equal(status_of("GET", "/hello", "host", "EXAMPLE.com"), 200);
	assert_int_equal(w.began, 14); /* all are told of, for the log */
}

static void too_many_requests_in_flight_are_answered_503(void **state)
{
	struct upload u = { .len = 1 << 20 };

	(void)state;
	for (int i = 0; i < 5; i++)
		client_ask(&c, "GET", "/park", NULL);
	client_turns(&c, 3);
	assert_int_equal(w.began, 5);
	assert_int_equal(status_of("GET", "/hello", NULL, NULL), 503);
	struct answer_seen *a = client_await(&c, client_ask(&c, "POST", "/sink", &u));
	assert_int_equal(a->status, 503);
	assert_int_equal(a->code, NGHTTP2_NO_ERROR);
	assert_int_equal(w.began, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_drain_the_request_in_hand_is_answered_and_then_the_connection_ends),
		TEST(a_request_that_crosses_the_notice_is_answered),
		TEST(a_client_that_does_not_echo_gets_the_last_goaway_after_a_second),
		TEST(the_last_request_of_a_connection_is_followed_by_goaway),
		TEST(killed_connections_cut_their_requests_and_go),
		TEST(an_idle_connection_is_left_politely),
		TEST(a_connection_with_a_request_in_hand_is_not_idle),
		TEST(a_client_that_says_nothing_is_not_waited_for),
		TEST(a_head_that_stops_in_its_middle_ends_the_connection),
		TEST(an_answer_left_to_be_sent_is_cut_when_its_window_never_opens),
		TEST(a_client_that_takes_nothing_is_dropped),
		TEST(a_connection_that_speaks_http_1_is_told_goaway),
		TEST(connect_is_answered_501),
		TEST(what_could_smuggle_is_refused_and_the_connection_goes_on),
		cmocka_unit_test_setup_teardown(too_many_requests_in_flight_are_answered_503, begin_small, finish),
	};

	return cmocka_run_group_tests_name("h2 life", tests, NULL, NULL);
}
