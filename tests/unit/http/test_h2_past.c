/* test_h2_past.c -- frames on streams that are over, or never were (RFC 9113 sections 5.1 and 5.1.1). */
#include "h2_client.h"
#include "http/h2_past.h"
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

static void raw_frame(uint8_t type, uint8_t flags, int32_t id, struct slice payload)
{
	uint8_t head[9] = { 0, 0, (uint8_t)payload.len, type, flags, 0, 0, (uint8_t)(id >> 8), (uint8_t)id };

	client_send(&c);
	client_raw(&c, head, sizeof head);
	client_raw(&c, payload.at, payload.len);
}

static void raw_head(int32_t id, uint8_t flags)
{
	raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, id,
	          S("\x82\x86\x84\x01\x0b"
	            "example.com"));
}

static void raw_data(int32_t id)
{
	raw_frame(NGHTTP2_DATA, 0, id, S("late"));
}

static void ends_with(uint32_t code)
{
	client_until_over(&c);
	assert_true(c.over);
	assert_int_equal(c.goaway, code);
}

static void goes_on(void)
{
	client_turns(&c, 3);
	assert_int_equal(client_await(&c, client_ask(&c, "GET", "/hello", NULL))->status, 200);
	assert_int_equal(c.goaways, 0);
}

static int32_t over(void)
{
	int32_t id = client_ask(&c, "GET", "/hello", NULL);

	assert_int_equal(client_await(&c, id)->status, 200);
	return id;
}

/* ---- streams that ended ---- */

static void data_behind_the_end_ends_the_connection(void **state)
{
	(void)state;
	raw_data(over());
	ends_with(NGHTTP2_STREAM_CLOSED);
}

static void a_head_behind_the_end_ends_the_connection(void **state)
{
	(void)state;
	raw_head(over(), NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_STREAM_CLOSED);
	assert_int_equal(w.began, 1);
}

static void a_head_on_a_stream_long_over_ends_the_connection(void **state)
{
	int32_t first = over();

	(void)state;
	for (int i = 0; i < 100; i++)
		over();
	raw_head(first, NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_STREAM_CLOSED);
}

static void data_while_the_answer_is_awaited_ends_the_connection(void **state)
{
	int32_t id = client_ask(&c, "GET", "/park", NULL);

	(void)state;
	client_turns(&c, 3);
	raw_data(id);
	ends_with(NGHTTP2_STREAM_CLOSED);
}

static void a_head_while_the_answer_is_awaited_ends_the_connection(void **state)
{
	int32_t id = client_ask(&c, "GET", "/park", NULL);

	(void)state;
	client_turns(&c, 3);
	raw_head(id, NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_STREAM_CLOSED);
}

static int32_t reset_by_the_client(void)
{
	int32_t id = client_ask(&c, "GET", "/park", NULL);

	client_turns(&c, 3);
	nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
	client_turns(&c, 3);
	return id;
}

static void data_behind_its_own_reset_ends_the_connection(void **state)
{
	(void)state;
	raw_data(reset_by_the_client());
	ends_with(NGHTTP2_STREAM_CLOSED);
}

static void a_head_behind_its_own_reset_ends_the_connection(void **state)
{
	(void)state;
	raw_head(reset_by_the_client(), NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_STREAM_CLOSED);
}

static void frames_that_may_cross_the_end_are_no_error(void **state)
{
	int32_t id = over();

	(void)state;
	raw_frame(NGHTTP2_WINDOW_UPDATE, 0, id, S("\0\0\0\1"));
	raw_frame(NGHTTP2_RST_STREAM, 0, id, S("\0\0\0\10"));
	raw_frame(NGHTTP2_PRIORITY, 0, id, S("\0\0\0\0\1"));
	goes_on();
}

/* The client may have sent what follows before it read of our reset. */
static void frames_behind_a_reset_of_ours_are_discarded(void **state)
{
	struct upload body = { .len = 10, .stuck = true };
	int32_t id = client_ask(&c, "POST", "/cut", &body);

	(void)state;
	client_await(&c, id);
	assert_int_not_equal(seen(&c, id)->code, NGHTTP2_NO_ERROR);
	raw_data(id);
	raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id, S("\0\1x\1y"));
	goes_on();
}

/* It has no path; the second DATA is in the same read, before our reset is written. */
static void frames_behind_a_malformed_head_are_discarded(void **state)
{
	nghttp2_nv fields[] = { nv(":method", "POST"), nv(":scheme", "http"), nv(":authority", "example.com") };
	int32_t id = nghttp2_submit_headers(c.session, 0, -1, NULL, fields, 3, NULL);

	(void)state;
	raw_data(id);
	client_turns(&c, 3);
	assert_int_equal(seen(&c, id)->closed, true);
	raw_data(id);
	goes_on();
}

/* ---- streams that never were ---- */

static void a_lower_stream_than_the_last_ends_the_connection(void **state)
{
	(void)state;
	nghttp2_session_set_next_stream_id(c.session, 5);
	over();
	raw_head(3, NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_PROTOCOL_ERROR);
	assert_int_equal(w.began, 1);
}

static void a_lower_stream_that_was_prioritized_is_no_exception(void **state)
{
	(void)state;
	raw_frame(NGHTTP2_PRIORITY, 0, 3, S("\0\0\0\0\1"));
	nghttp2_session_set_next_stream_id(c.session, 5);
	over();
	raw_head(3, NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_PROTOCOL_ERROR);
}

static void an_even_stream_ends_the_connection(void **state)
{
	(void)state;
	raw_head(2, NGHTTP2_FLAG_END_STREAM);
	ends_with(NGHTTP2_PROTOCOL_ERROR);
}

static void frames_on_a_stream_not_opened_end_the_connection(void **state)
{
	static const struct {
		uint8_t type;
		struct slice payload;
	} frames[] = {
		{ NGHTTP2_DATA, { "late", 4 } },
		{ NGHTTP2_RST_STREAM, { "\0\0\0\10", 4 } },
		{ NGHTTP2_WINDOW_UPDATE, { "\0\0\0\1", 4 } },
		{ NGHTTP2_CONTINUATION, { "\x82", 1 } },
	};

	for (size_t i = 0; i < 4; i++) {
		for (int32_t id = 0x101; id <= 0x102; id++) {
			if (i || id > 0x101) {
				finish(state);
				begin(state);
			}
			raw_frame(frames[i].type, 0, id, frames[i].payload);
			ends_with(NGHTTP2_PROTOCOL_ERROR);
		}
	}
}

/* The bytes come in pieces of any size. */
static void late_data_is_seen_through_split_frames(void **state)
{
	const uint8_t late[] = { 0, 0, 4, NGHTTP2_WINDOW_UPDATE, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		                     0, 0, 4, NGHTTP2_DATA,          0, 0, 0, 0, 1 };

	(void)state;
	assert_int_equal(over(), 1);
	for (size_t i = 0; i < sizeof late; i++) {
		client_raw(&c, late + i, 1);
		loop_turn(w.loop, 0);
	}
	ends_with(NGHTTP2_STREAM_CLOSED);
}

/* ---- what is remembered ---- */

static void resets_long_ago_are_remembered_as_a_bound(void **state)
{
	struct h2_past p = { .highest = 0 };

	(void)state;
	h2_past_open(&p, 1);
	h2_past_open(&p, 5);
	h2_past_reset(&p, 5);
	assert_int_equal(h2_past_error(&p, 1), NGHTTP2_STREAM_CLOSED);
	assert_int_equal(h2_past_error(&p, 3), NGHTTP2_PROTOCOL_ERROR);
	assert_int_equal(h2_past_error(&p, 5), 0);
	for (int32_t id = 7; id < 7 + 2 * 63; id += 2)
		h2_past_open(&p, id);
	assert_int_equal(h2_past_error(&p, 5), 0);
	assert_int_equal(h2_past_error(&p, 3), NGHTTP2_STREAM_CLOSED);
	h2_past_open(&p, p.highest + 2);
	assert_int_equal(h2_past_error(&p, 5), 0);
	assert_int_equal(h2_past_error(&p, 7), NGHTTP2_STREAM_CLOSED);
	h2_past_reset(&p, p.highest);
	h2_past_open(&p, INT32_MAX);
	assert_int_equal(h2_past_error(&p, 133), 0);
	h2_past_reset(&p, 201);
	assert_int_equal(h2_past_error(&p, 201), 0);
	assert_int_equal(h2_past_error(&p, 203), NGHTTP2_STREAM_CLOSED);
}

/* ---- the end of a body whose length was told ---- */

static void the_last_byte_waits_for_the_end(void **state)
{
	struct upload body = { .len = 4, .stuck = true };
	const char *const length[] = { "content-length", "4", NULL };
	int32_t id = client_ask_with(&c, "POST", "/sink", &body, length);

	(void)state;
	w.gulp = 100;
	client_turns(&c, 5);
	assert_int_equal(w.got, 3);
	raw_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, S(""));
	client_turns(&c, 5);
	assert_int_equal(w.got, 4);
	assert_int_equal(seen(&c, id)->status, 200);
}

static void more_than_the_length_never_completes_it(void **state)
{
	struct upload body = { .len = 4, .stuck = true };
	const char *const length[] = { "content-length", "4", NULL };
	int32_t id = client_ask_with(&c, "POST", "/sink", &body, length);

	(void)state;
	w.gulp = 100;
	client_turns(&c, 5);
	raw_data(id);
	client_turns(&c, 5);
	assert_int_equal(w.got, 3);
	assert_int_equal(seen(&c, id)->code, NGHTTP2_PROTOCOL_ERROR);
	goes_on();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_behind_the_end_ends_the_connection),
		TEST(a_head_behind_the_end_ends_the_connection),
		TEST(a_head_on_a_stream_long_over_ends_the_connection),
		TEST(data_while_the_answer_is_awaited_ends_the_connection),
		TEST(a_head_while_the_answer_is_awaited_ends_the_connection),
		TEST(data_behind_its_own_reset_ends_the_connection),
		TEST(a_head_behind_its_own_reset_ends_the_connection),
		TEST(frames_that_may_cross_the_end_are_no_error),
		TEST(frames_behind_a_reset_of_ours_are_discarded),
		TEST(frames_behind_a_malformed_head_are_discarded),
		TEST(a_lower_stream_than_the_last_ends_the_connection),
		TEST(a_lower_stream_that_was_prioritized_is_no_exception),
		TEST(late_data_is_seen_through_split_frames),
		TEST(an_even_stream_ends_the_connection),
		TEST(frames_on_a_stream_not_opened_end_the_connection),
		TEST(the_last_byte_waits_for_the_end),
		TEST(more_than_the_length_never_completes_it),
		cmocka_unit_test(resets_long_ago_are_remembered_as_a_bound),
	};

	return cmocka_run_group_tests_name("h2 past", tests, NULL, NULL);
}
