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

static int finish(void **state)
{
	(void)state;
	world_close(&w);
	client_close(&c);
	return 0;
}

static void a_get_is_answered_on_its_stream(void **state)
{
	struct answer_seen *a = client_await(&c, client_ask(&c, "GET", "/hello", NULL));

	(void)state;
	assert_int_equal(a->status, 200);
	assert_string_equal(a->text, "hello");
	assert_string_equal(a->from, "world");
	assert_int_equal(a->code, NGHTTP2_NO_ERROR);
	assert_string_equal(w.line, "GET /hello example.com 00 0");
}

static void a_hundred_requests_at_once_are_all_answered(void **state)
{
	int32_t ids[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		ids[i] = client_ask(&c, "GET", "/hello", NULL);
	for (int i = 0; i < 100; i++)
		assert_int_equal(client_await(&c, ids[i])->status, 200);
	assert_int_equal(w.settled, 100);
}

static void an_answer_to_head_has_a_length_and_no_content(void **state)
{
	struct answer_seen *a = client_await(&c, client_ask(&c, "HEAD", "/hello", NULL));

	(void)state;
	assert_int_equal(a->status, 200);
	assert_int_equal(a->len, 0);
	assert_true(a->ended);
}

static void values_of_one_answer_stay_out_of_the_compression_table(void **state)
{
	char last[40] = "";

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct answer_seen *a = client_await(&c, client_ask(&c, "GET", "/named", NULL));
		assert_int_equal(strlen(a->id), 32);
		assert_string_not_equal(a->id, last);
		memcpy(last, a->id, sizeof last);
	}
	/* x-from, and the id of every 64th answer, for its name: name, value and 32 bytes each */
	assert_int_equal(nghttp2_session_get_hd_inflate_dynamic_table_size(c.session), 43 + 4 * 84);
}

static void a_body_with_a_length_is_read_to_its_end(void **state)
{
	static const char *const more[] = { "content-length", "300000", NULL };
	struct upload u = { .len = 300000 };
	struct answer_seen *a = client_await(&c, client_ask_with(&c, "POST", "/sink", &u, more));

	(void)state;
	assert_int_equal(a->status, 200);
	assert_int_equal(w.got, 300000);
	assert_string_equal(w.line, "POST /sink example.com 10 300000");
}

static void a_slow_reader_holds_the_client_back_and_memory_stays_bounded(void **state)
{
	struct upload u = { .len = 1 << 20 };
	struct answer_seen *a = client_await(&c, client_ask(&c, "POST", "/sink", &u));

	(void)state;
	assert_int_equal(a->status, 200);
	assert_int_equal(w.got, 1 << 20);
	assert_string_equal(w.line, "POST /sink example.com 11 0");
	assert_in_range(w.blocks_most, 1, 6); /* 64 KiB before our settings were known, then 16 */
}

static void a_parked_upload_is_held_at_the_protocols_default_window(void **state)
{
	struct upload parked = { .len = 1 << 20 }, open = { .len = 1 << 20 };

	(void)state;
	client_turns(&c, 5);
	client_ask(&c, "POST", "/park", &parked);
	client_turns(&c, 50);
	assert_int_equal(parked.sent, 65535);
	struct answer_seen *a = client_await(&c, client_ask(&c, "POST", "/open", &open));
	assert_int_equal(a->status, 200); /* the parked one has not eaten the connection's window */
	assert_int_equal(parked.sent, 65535);
	assert_in_range(w.blocks_most, 8, 12); /* 64 KiB parked, 64 KiB on their way */
}

static void many_parked_uploads_starve_nobody(void **state)
{
	static struct upload parked[90];
	struct upload open = { .len = 1 << 20 };

	(void)state;
	client_turns(&c, 5);
	for (int i = 0; i < 90; i++) {
		parked[i] = (struct upload){ .len = 1 << 20 };
		client_ask(&c, "POST", "/park", &parked[i]);
	}
	client_turns(&c, 50);
	assert_int_equal(client_await(&c, client_ask(&c, "POST", "/sink", &open))->status, 200);
	assert_in_range(w.blocks_most, 90, 5 * 90 + 8);
}

static void a_body_over_the_limit_is_told_as_too_long(void **state)
{
	static const char *const more[] = { "content-length", "101", NULL };
	struct upload announced = { .len = 101 }, counted = { .len = 101 }, fits = { .len = 100 };

	(void)state;
	struct answer_seen *a = client_await(&c, client_ask_with(&c, "POST", "/limited", &announced, more));
	assert_int_equal(a->status, 413);
	assert_int_equal(client_await(&c, client_ask(&c, "POST", "/limited", &counted))->status, 413);
	assert_int_equal(client_await(&c, client_ask(&c, "POST", "/limited", &fits))->status, 200);
}

static void content_that_contradicts_its_length_resets_the_stream(void **state)
{
	static const char *const more[] = { "content-length", "1000", NULL };
	struct upload u = { .len = 900 };
	struct answer_seen *a = client_await(&c, client_ask_with(&c, "POST", "/sink", &u, more));

	(void)state;
	assert_int_equal(a->status, 0);
	assert_int_equal(a->code, NGHTTP2_PROTOCOL_ERROR);
	client_turns(&c, 2);
	assert_int_equal(w.gone, 1);
}

static void an_early_answer_ends_the_stream_without_an_error(void **state)
{
	struct upload u = { .len = 1 << 20 };
	int32_t id = client_ask(&c, "POST", "/early", &u);
	struct answer_seen *a = seen(&c, id);

	(void)state;
	while (!a->ended)
		client_turns(&c, 1);
	assert_int_equal(a->status, 401);
	assert_string_equal(a->text, "no body wanted");
	assert_false(a->closed); /* the answer is read before the reset is */
	assert_int_equal(w.settled, 1);
	client_await(&c, id);
	assert_int_equal(a->code, NGHTTP2_NO_ERROR);
	assert_true(u.sent < 1 << 18);
	struct upload next = { .len = 1 << 20 }; /* what the dead stream got was given back to the connection */
	assert_int_equal(client_await(&c, client_ask(&c, "POST", "/sink", &next))->status, 200);
}

static void a_client_that_stops_after_an_early_answer_is_reset_in_the_end(void **state)
{
	struct upload u[12];
	int32_t ids[12];

	(void)state;
	for (int i = 0; i < 12; i++) {
		u[i] = (struct upload){ .len = 10, .stuck = true };
		ids[i] = client_ask(&c, "POST", "/early", &u[i]);
	}
	client_turns(&c, 5);
	assert_int_equal(w.settled, 12);
	for (int i = 0; i < 12; i++) /* more than are waited for: the oldest are reset at once */
		assert_int_equal(seen(&c, ids[i])->closed, i < 4);
	skew_ns += 2100 * NS_PER_MS;
	client_turns(&c, 5);
	for (int i = 0; i < 12; i++)
		assert_true(seen(&c, ids[i])->closed && seen(&c, ids[i])->code == NGHTTP2_NO_ERROR);
}

static void a_long_answer_arrives_whole_and_is_never_all_in_memory(void **state)
{
	(void)state;
	w.big = 20 << 20;
	struct answer_seen *a = client_await(&c, client_ask(&c, "GET", "/big", NULL));
	assert_int_equal(a->len, 20 << 20);
	assert_true(a->ended);
	assert_in_range(w.blocks_most, 1, 12);
}

static void a_client_that_does_not_read_holds_the_answer_back(void **state)
{
	(void)state;
	w.big = 20 << 20;
	client_turns(&c, 5);
	int32_t id = client_ask(&c, "GET", "/big", NULL);
	client_send(&c);
	nghttp2_session_set_local_window_size(c.session, 0, 0, 32 << 20);
	nghttp2_session_set_local_window_size(c.session, 0, id, 32 << 20);
	c.greedless = true;
	client_turns(&c, 200);
	assert_in_range(w.blocks_most, 1, 16);
	c.greedless = false;
	assert_int_equal(client_await(&c, id)->len, 20 << 20);
}

static void two_long_answers_share_the_connection(void **state)
{
	(void)state;
	w.big = 4 << 20;
	int32_t a = client_ask(&c, "GET", "/big", NULL), b = client_ask(&c, "GET", "/big", NULL);
	while (seen(&c, a)->len < 1 << 20)
		client_turns(&c, 1);
	assert_true(seen(&c, b)->len > 1 << 18);
	assert_int_equal(client_await(&c, a)->len, 4 << 20);
	assert_int_equal(client_await(&c, b)->len, 4 << 20);
}

static void hints_content_and_trailers_come_in_order(void **state)
{
	struct answer_seen *a = client_await(&c, client_ask(&c, "GET", "/trailers", NULL));

	(void)state;
	assert_int_equal(a->interim, 1);
	assert_int_equal(a->status, 200);
	assert_string_equal(a->text, "part");
	assert_string_equal(a->trailer, "42");
	assert_true(a->ended);
}

static void trailers_of_a_request_are_taken_and_left_out(void **state)
{
	struct upload u = { .len = 1000, .trailers = true };
	struct answer_seen *a = client_await(&c, client_ask(&c, "POST", "/sink", &u));

	(void)state;
	assert_int_equal(a->status, 200);
	assert_int_equal(w.got, 1000);
}

static void an_expected_continue_is_said_once(void **state)
{
	static const char *const more[] = { "expect", "100-continue", NULL };
	struct upload u = { .len = 100000 };
	struct answer_seen *a = client_await(&c, client_ask_with(&c, "POST", "/sink", &u, more));

	(void)state;
	assert_int_equal(a->interim, 1);
	assert_int_equal(a->status, 200);
}

static void cookie_crumbs_become_one_field(void **state)
{
	static const char *const more[] = { "cookie", "a=1",    "accept", "*/*", "cookie",
		                                "b=2",    "cookie", "c=3",    NULL };

	(void)state;
	client_await(&c, client_ask_with(&c, "GET", "/hello", NULL, more));
	assert_string_equal(w.cookie, "a=1; b=2; c=3");
}

static void an_answer_that_breaks_off_resets_its_stream_alone(void **state)
{
	struct answer_seen *a = client_await(&c, client_ask(&c, "GET", "/cut", NULL));

	(void)state;
	assert_int_equal(a->code, NGHTTP2_INTERNAL_ERROR);
	assert_int_equal(client_await(&c, client_ask(&c, "GET", "/hello", NULL))->status, 200);
}

static void a_stream_reset_by_the_client_wakes_its_request(void **state)
{
	int32_t id = client_ask(&c, "GET", "/park", NULL);

	(void)state;
	client_turns(&c, 5);
	assert_int_equal(w.began, 1);
	nghttp2_submit_rst_stream(c.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
	client_turns(&c, 5);
	assert_int_equal(w.gone, 1);
	assert_int_equal(w.settled, 1);
}

static void a_client_that_leaves_takes_all_its_requests_with_it(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		client_ask(&c, "GET", "/park", NULL);
	client_turns(&c, 5);
	assert_int_equal(w.began, 10);
	close(w.peer);
	w.peer = -1;
	for (int i = 0; i < 5; i++)
		loop_turn(w.loop, NS_PER_MS);
	assert_int_equal(w.gone, 10);
	assert_true(w.closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_get_is_answered_on_its_stream),
		TEST(a_hundred_requests_at_once_are_all_answered),
		TEST(an_answer_to_head_has_a_length_and_no_content),
		TEST(values_of_one_answer_stay_out_of_the_compression_table),
		TEST(a_body_with_a_length_is_read_to_its_end),
		TEST(a_slow_reader_holds_the_client_back_and_memory_stays_bounded),
		TEST(a_parked_upload_is_held_at_the_protocols_default_window),
		TEST(many_parked_uploads_starve_nobody),
		TEST(a_body_over_the_limit_is_told_as_too_long),
		TEST(content_that_contradicts_its_length_resets_the_stream),
		TEST(an_early_answer_ends_the_stream_without_an_error),
		TEST(a_client_that_stops_after_an_early_answer_is_reset_in_the_end),
		TEST(a_long_answer_arrives_whole_and_is_never_all_in_memory),
		TEST(a_client_that_does_not_read_holds_the_answer_back),
		TEST(two_long_answers_share_the_connection),
		TEST(hints_content_and_trailers_come_in_order),
		TEST(trailers_of_a_request_are_taken_and_left_out),
		TEST(an_expected_continue_is_said_once),
		TEST(cookie_crumbs_become_one_field),
		TEST(an_answer_that_breaks_off_resets_its_stream_alone),
		TEST(a_stream_reset_by_the_client_wakes_its_request),
		TEST(a_client_that_leaves_takes_all_its_requests_with_it),
	};

	return cmocka_run_group_tests_name("h2", tests, NULL, NULL);
}
