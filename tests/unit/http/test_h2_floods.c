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
	client_turns(&c, 3);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	world_close(&w);
	client_close(&c);
	return 0;
}

static void is_told_to_calm_down(void)
{
	client_until_over(&c);
	assert_int_equal(c.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_true(c.over);
}

static void is_served(void)
{
	assert_int_equal(client_await(&c, client_ask(&c, "GET", "/hello", NULL))->status, 200);
	assert_int_equal(c.goaways, 0);
}

/* A frame made by hand, which nghttp2's client would not send. */
static void raw_frame(uint8_t type, uint8_t flags, uint32_t id, const char *payload, size_t len)
{
	uint8_t head[9] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
		                (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };

	client_raw(&c, head, sizeof head);
	client_raw(&c, payload, len);
}

/* ---- what is allowed ---- */

static void pings_within_the_allowance_are_answered(void **state)
{
	(void)state;
	for (int i = 0; i < 190; i++)
		nghttp2_submit_ping(c.session, 0, NULL);
	is_served();
}

static void frames_earned_by_answers_are_no_flood(void **state)
{
	(void)state;
	for (int i = 0; i < 400; i++) {
		is_served();
		nghttp2_submit_ping(c.session, 0, NULL);
		nghttp2_submit_window_update(c.session, 0, 0, 100);
	}
	is_served();
}

static void the_allowance_comes_back_with_time(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 190; i++)
			nghttp2_submit_ping(c.session, 0, NULL);
		client_turns(&c, 3);
		skew_ns += 11 * NS_PER_S;
	}
	is_served();
}

/* ---- floods ---- */

static void a_flood_of_pings_ends_the_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		nghttp2_submit_ping(c.session, 0, NULL);
	is_told_to_calm_down();
}

static void a_flood_of_settings_ends_the_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		raw_frame(NGHTTP2_SETTINGS, 0, 0, "", 0);
	is_told_to_calm_down();
}

static void a_flood_of_tiny_window_updates_ends_the_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		raw_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
	is_told_to_calm_down();
}

static void a_flood_of_priorities_ends_the_connection(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		raw_frame(NGHTTP2_PRIORITY, 0, 1001 + 2 * i, "\0\0\0\0\20", 5);
	is_told_to_calm_down();
}

static void a_flood_of_unknown_frames_ends_the_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		raw_frame(0xbe, 0, 0, "", 0);
	is_told_to_calm_down();
}

static void a_flood_of_empty_data_ends_the_connection(void **state)
{
	struct upload u = { .stuck = true };
	int32_t id = client_ask(&c, "POST", "/sink", &u);

	(void)state;
	client_turns(&c, 3);
	for (int i = 0; i < 300; i++)
		raw_frame(NGHTTP2_DATA, 0, (uint32_t)id, "", 0);
	is_told_to_calm_down();
	assert_int_equal(w.gone, 1);
}

static void a_flood_of_padding_ends_the_connection(void **state)
{
	struct upload u = { .stuck = true };
	int32_t id = client_ask(&c, "POST", "/sink", &u);

	(void)state;
	client_turns(&c, 3);
	for (int i = 0; i < 300; i++)
		raw_frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, (uint32_t)id, "\3\0\0\0", 4);
	is_told_to_calm_down();
}

/* Of a stream that was answered early and reset by us before its body had ended. */
static int32_t reset_by_the_proxy(void)
{
	struct upload u = { .len = 10, .stuck = true };
	int32_t id = client_ask(&c, "POST", "/cut", &u);

	client_await(&c, id);
	assert_true(seen(&c, id)->closed);
	return id;
}

static void a_flood_of_data_that_carries_nothing_on_a_stream_reset_by_us_ends_the_connection(void **state)
{
	static const struct {
		uint8_t flags;
		struct slice payload;
	} frames[] = {
		{ 0, { "", 0 } },
		{ NGHTTP2_FLAG_END_STREAM, { "", 0 } },
		{ NGHTTP2_FLAG_PADDED, { "", 0 } },
		{ NGHTTP2_FLAG_PADDED, { "\0", 1 } },
		{ NGHTTP2_FLAG_PADDED, { "\3\0\0\0", 4 } },
		{ NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, { "\1\0", 2 } },
	};

	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		if (i) {
			finish(state);
			begin(state);
		}
		int32_t id = reset_by_the_proxy();
		for (int n = 0; n < 300; n++)
			raw_frame(NGHTTP2_DATA, frames[i].flags, (uint32_t)id, frames[i].payload.at,
			          frames[i].payload.len);
		is_told_to_calm_down();
	}
}

static void a_body_under_way_when_we_reset_its_stream_is_no_flood(void **state)
{
	int32_t id = reset_by_the_proxy();

	(void)state;
	for (int n = 0; n < 300; n++)
		raw_frame(NGHTTP2_DATA, n % 2 ? NGHTTP2_FLAG_PADDED : 0, (uint32_t)id, "\1x\0", 3);
	raw_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, (uint32_t)id, "", 0);
	is_served();
}

static void padding_is_seen_through_split_frames(void **state)
{
	static const uint8_t empty[] = { 0, 0, 4, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 0, 0, 0, 1, 3, 0, 0, 0 };
	int32_t id = reset_by_the_proxy();

	(void)state;
	assert_int_equal(id, 1);
	for (size_t n = 0; n < 300 * sizeof empty && !c.over; n++) {
		client_raw(&c, empty + n % sizeof empty, 1);
		if (n % 7 == 0)
			loop_turn(w.loop, 0);
	}
	is_told_to_calm_down();
}

static void an_endless_head_ends_the_connection(void **state)
{
	(void)state;
	raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, "\x82", 1);
	for (int i = 0; i < 1000 && !c.over; i++) {
		raw_frame(NGHTTP2_CONTINUATION, 0, 1, "", 0);
		client_receive(&c);
	}
	client_until_over(&c);
	assert_true(c.over);
	assert_in_range(w.blocks_most, 0, 4);
}

static void a_rapid_reset_ends_the_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 150 && !c.over; i++) {
		int32_t id = client_ask(&c, "GET", "/park", NULL);
		client_send(&c);
		nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
		client_send(&c);
	}
	is_told_to_calm_down();
	assert_in_range(w.began, 90, 110);
}

static void resets_of_ours_that_the_peer_provokes_count_as_its_own(void **state)
{
	static const char *const more[] = { "transfer-encoding", "chunked", NULL };

	(void)state;
	for (int i = 0; i < 150 && !c.over; i++) {
		client_ask_with(&c, "GET", "/hello", NULL, more);
		client_turns(&c, 1);
	}
	is_told_to_calm_down();
	assert_string_equal(w.last_fault, "bad-request"); /* told of all the same, for the log */
}

static void streams_over_the_limit_are_refused_not_served(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		client_ask(&c, "GET", "/park", NULL);
	client_turns(&c, 5);
	raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, 201,
	          "\x82\x84\x86\x41\x01x", 6);
	client_turns(&c, 5);
	assert_int_equal(w.began, 100);
}

/* ---- heads that are too much ---- */

static void ask_with_fields(size_t fields, size_t len)
{
	static char value[40000];
	const char *more[2 * 200 + 1];
	size_t n = 0;

	memset(value, 'v', len);
	value[len] = '\0';
	for (; n < fields; n++)
		more[2 * n] = "x-much", more[2 * n + 1] = value;
	more[2 * n] = NULL;
	struct answer_seen *a = client_await(&c, client_ask_with(&c, "GET", "/hello", NULL, more));
	assert_int_equal(a->status, 431);
	assert_string_equal(w.last_fault, "head-too-big");
	assert_string_equal(w.line, "GET /hello example.com 00 0");
}

static void a_head_that_is_too_long_is_answered_431(void **state)
{
	(void)state;
	ask_with_fields(1, 17000);
	is_served();
}

static void a_head_of_too_many_fields_is_answered_431(void **state)
{
	(void)state;
	ask_with_fields(101, 1);
	is_served();
}

static void a_head_that_unfolds_beyond_measure_is_reset(void **state)
{
	char block[4096 + 4096] = "\x82\x84\x86\x41\x01x\x40\x01y\x7f\x81\x1e"; /* y: 4,000 bytes, indexed */
	size_t at = 12;

	(void)state;
	memset(block + at, 'b', 4000);
	for (at += 4000; at < sizeof block - 100; at++)
		block[at] = (char)0xbe; /* that field again, for one byte */
	raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, 1, block, at);
	client_turns(&c, 5);
	assert_int_equal(w.began, 1);
	assert_string_equal(w.last_fault, "head-too-big");
	assert_int_equal(w.settled, 1);
}

static void a_target_that_is_too_long_is_answered_414(void **state)
{
	static char path[9000] = "/";

	(void)state;
	memset(path + 1, 'p', sizeof path - 2);
	assert_int_equal(client_await(&c, client_ask(&c, "GET", path, NULL))->status, 414);
}

static void a_thousand_cookie_crumbs_are_bounded(void **state)
{
	const char *more[2 * 650 + 1];
	size_t n = 0;

	(void)state;
	for (; n < 650; n++)
		more[2 * n] = "cookie", more[2 * n + 1] = "crumb=0123456789";
	more[2 * n] = NULL;
	int status = client_await(&c, client_ask_with(&c, "GET", "/hello", NULL, more))->status;
	assert_true(status == 200 || status == 431);
	is_served();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pings_within_the_allowance_are_answered),
		TEST(frames_earned_by_answers_are_no_flood),
		TEST(the_allowance_comes_back_with_time),
		TEST(a_flood_of_pings_ends_the_connection),
		TEST(a_flood_of_settings_ends_the_connection),
		TEST(a_flood_of_tiny_window_updates_ends_the_connection),
		TEST(a_flood_of_priorities_ends_the_connection),
		TEST(a_flood_of_unknown_frames_ends_the_connection),
		TEST(a_flood_of_empty_data_ends_the_connection),
		TEST(a_flood_of_padding_ends_the_connection),
		TEST(a_flood_of_data_that_carries_nothing_on_a_stream_reset_by_us_ends_the_connection),
		TEST(a_body_under_way_when_we_reset_its_stream_is_no_flood),
		TEST(padding_is_seen_through_split_frames),
		TEST(an_endless_head_ends_the_connection),
		TEST(a_rapid_reset_ends_the_connection),
		TEST(resets_of_ours_that_the_peer_provokes_count_as_its_own),
		TEST(streams_over_the_limit_are_refused_not_served),
		TEST(a_head_that_is_too_long_is_answered_431),
		TEST(a_head_of_too_many_fields_is_answered_431),
		TEST(a_head_that_unfolds_beyond_measure_is_reset),
		TEST(a_target_that_is_too_long_is_answered_414),
		TEST(a_thousand_cookie_crumbs_are_bounded),
	};

	return cmocka_run_group_tests_name("h2 floods", tests, NULL, NULL);
}
