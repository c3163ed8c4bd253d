#include "http/codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char content[8192];
static size_t content_len;

/* Decodes in pieces of `step` bytes; returns the bytes consumed, or -1 where it is malformed. */
static long decode(struct body *b, struct slice all, size_t step)
{
	size_t at = 0;

	content_len = 0;
	while (at < all.len && !b->ended) {
		struct slice piece = slice_head(slice_from(all, at), step), run;
		size_t offered = piece.len;
		if (!body_decode(b, &piece, &run))
			return -1;
		assert_true(run.len || !piece.len || b->ended);
		memcpy(content + content_len, run.at, run.len);
		content_len += run.len;
		at += offered - piece.len;
	}
	return (long)at;
}

static void is(const char *wanted)
{
	assert_true(slice_same((struct slice){ content, content_len }, slice_of(wanted)));
}

#define WIKI "4\r\nWiki\r\n5;a=\"b\"\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\n\r\n"

static void chunks_are_joined_in_whatever_pieces(void **state)
{
	(void)state;
	for (size_t step = 1; step < 80; step++) {
		struct body b;
		body_init(&b, BODY_CHUNKED, 0);
		assert_int_equal(decode(&b, S(WIKI "GET /next"), step), sizeof WIKI - 1);
		assert_true(b.ended);
		is("Wikipedia in\r\n\r\nchunks.");
	}
}

static void a_length_is_counted_down(void **state)
{
	struct body b;

	(void)state;
	body_init(&b, BODY_LENGTH, 5);
	assert_int_equal(decode(&b, S("hello, world"), 3), 5);
	assert_true(b.ended);
	is("hello");
	body_init(&b, BODY_LENGTH, 0);
	assert_true(b.ended);
	body_init(&b, BODY_NONE, 0);
	assert_true(b.ended);
}

static void a_body_until_close_is_all_there_is(void **state)
{
	struct body b;

	(void)state;
	body_init(&b, BODY_UNTIL_CLOSE, 0);
	assert_int_equal(decode(&b, S("hello"), 2), 5);
	assert_false(b.ended);
	is("hello");
}

static void trailers_are_gathered(void **state)
{
	struct header at[4];

	(void)state;
	for (size_t step = 1; step < 60; step++) {
		struct headers to = { .at = at, .cap = 4 };
		struct body b;
		body_init(&b, BODY_CHUNKED, 0);
		assert_true(decode(&b, S("0\r\nDigest: x \r\nSallyport_Subject: me\r\nEmpty:\r\n\r\n."), step) == 48);
		assert_true(b.ended);
		assert_true(body_trailers(&b, &to));
		assert_int_equal(to.len, 2);
		assert_true(slice_same(to.at[0].name, S("Digest")));
		assert_true(slice_same(to.at[0].value, S("x")));
		assert_true(slice_same(to.at[1].name, S("Empty")));
		to = (struct headers){ .at = at, .cap = 1 };
		assert_false(body_trailers(&b, &to));
	}
}

static const char *const bad[] = {
	"\r\n",
	";a\r\n",
	"g\r\n",
	"-1\r\n",
	"+1\r\n",
	" 1\r\n",
	"1 \r\n",
	"0x1\r\n",
	"1\n",
	"1\r1",
	"1;a\n",
	"1;a\rb",
	"1;\x01\r\n",
	"10000000000000000\r\n",
	"8000000000000000\r\n",
	"ffffffffffffffff1\r\n",
	"1\r\nab",
	"1\r\na\n",
	"1\r\na\rb",
	"1\r\na0\r\n",
	"0\r\nX : y\r\n",
	"0\r\nX\r\n",
	"0\r\n: y\r\n",
	"0\r\nX: y\n",
	"0\r\nX: a\rb\r\n",
	"0\r\nA: b\r\n C\r\n",
	"0\r\n\n",
	"0\r\n\rX\n",
	"0\r\nContent-Length: 5\r\n",
	"0\r\ntransfer-encoding: chunked\r\n",
	"0\r\nHost: b\r\n",
	"0\r\nAuthorization: b\r\n",
	"0\r\nCookie: b\r\n",
	"0\r\nX: a\x01\r\n",
	"0;\r\nx\r\n",
	"1,1\r\n",
};

static void bad_chunks_are_refused_in_whatever_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		for (size_t step = 1; step < 40; step++) {
			struct slice more = S("0\r\n\r\n"), run;
			struct body b;
			body_init(&b, BODY_CHUNKED, 0);
			if (decode(&b, slice_of(bad[i]), step) != -1)
				fail_msg("decoded: %s", bad[i]);
			assert_false(body_decode(&b, &more, &run));
		}
}

static long decode_long(const char *head, char fill, size_t len, const char *tail)
{
	static char all[8192];
	struct body b;
	size_t at = strlen(head);

	memcpy(all, head, at);
	memset(all + at, fill, len);
	memcpy(all + at + len, tail, strlen(tail));
	body_init(&b, BODY_CHUNKED, 0);
	long got = decode(&b, (struct slice){ all, at + len + strlen(tail) }, 97);
	assert_true(got == -1 || b.ended);
	return got;
}

static void what_carries_no_content_is_bounded(void **state)
{
	(void)state;
	assert_true(decode_long("0;", 'x', 1000, "\r\n\r\n") > 0);
	assert_int_equal(decode_long("0;", 'x', 1025, "\r\n\r\n"), -1);
	assert_true(decode_long("0", '0', 1000, "\r\n\r\n") > 0);
	assert_int_equal(decode_long("0", '0', 1025, "\r\n\r\n"), -1);
	assert_true(decode_long("0\r\nX: ", 'x', 1017, "\r\n\r\n") > 0);
	assert_int_equal(decode_long("0\r\nX: ", 'x', 1018, "\r\n\r\n"), -1);
	assert_true(decode_long("1;aaaa\r\nx\r\n1;bbbb\r\nx\r\n0;", 'x', 1000, "\r\n\r\n") > 0);
	assert_int_equal(decode_long("1;aaaaaaaaaaa\r\nx\r\n1;bbbbbbbbbbbbb\r\nx\r\n0;", 'x', 1000, "\r\n\r\n"),
	                 -1);
}

static void a_size_may_be_as_large_as_a_signed_number_holds(void **state)
{
	struct slice from = S("7fffffffffffffff\r\nabc"), run;
	struct body b;

	(void)state;
	body_init(&b, BODY_CHUNKED, 0);
	assert_true(body_decode(&b, &from, &run));
	assert_true(slice_same(run, S("abc")));
	assert_true(b.left == INT64_MAX - 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_joined_in_whatever_pieces),
		cmocka_unit_test(a_length_is_counted_down),
		cmocka_unit_test(a_body_until_close_is_all_there_is),
		cmocka_unit_test(trailers_are_gathered),
		cmocka_unit_test(bad_chunks_are_refused_in_whatever_pieces),
		cmocka_unit_test(what_carries_no_content_is_bounded),
		cmocka_unit_test(a_size_may_be_as_large_as_a_signed_number_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
