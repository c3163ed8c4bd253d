#include "http/codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct head_bounds bounds = { .head_max = 4096, .fields_max = 16 };
static struct header fields[16];
static struct answer_head a;
static size_t length;

static enum head_result read_answer(struct slice bytes, bool to_head)
{
	size_t seen = 0;

	a.headers = (struct headers){ .at = fields, .cap = 16 };
	return head_read_answer(bytes, &bounds, &seen, to_head, &a, &length);
}

static void take(struct slice bytes)
{
	if (read_answer(bytes, false) != HEAD_DONE)
		fail_msg("refused: %.*s", SLICE(bytes));
}

static void an_answer_is_read_into_its_parts(void **state)
{
	(void)state;
	take(S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVia: 1.1x\r\n\r\nhello"));
	assert_int_equal(length, 49);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.version, 11);
	assert_int_equal(a.headers.len, 2);
	assert_int_equal(a.headers.at[1].id, HEADER_VIA);
	assert_true(a.has_length && a.length == 5 && a.keep && !a.no_body);
	assert_int_equal(answer_body(&a), BODY_LENGTH);
	take(S("HTTP/1.1 404 \r\nTransfer-Encoding: CHUNKED\r\n\r\n"));
	assert_int_equal(answer_body(&a), BODY_CHUNKED);
	assert_true(a.keep);
	take(S("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"));
	take(S("HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 0\r\n\r\n"));
	take(S("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
	assert_true(a.no_body && a.keep);
}

static void without_framing_the_body_ends_with_the_connection(void **state)
{
	(void)state;
	take(S("HTTP/1.1 200 OK\r\n\r\n"));
	assert_int_equal(answer_body(&a), BODY_UNTIL_CLOSE);
	assert_false(a.keep);
}

static void some_answers_have_no_body_whatever_they_say(void **state)
{
	(void)state;
	assert_int_equal(read_answer(S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), true), HEAD_DONE);
	assert_int_equal(answer_body(&a), BODY_NONE);
	assert_true(a.keep && a.has_length && a.length == 5);
	assert_int_equal(read_answer(S("HTTP/1.1 200 OK\r\n\r\n"), true), HEAD_DONE);
	assert_true(a.keep);
	take(S("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"));
	assert_true(a.no_body && a.keep);
	take(S("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"));
	assert_true(a.no_body && a.keep);
	take(S("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"));
	assert_true(a.no_body && !a.keep);
	take(S("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"));
	assert_true(a.no_body && !a.keep);
}

static void a_connection_is_kept_as_its_version_and_words_say(void **state)
{
	(void)state;
	take(S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
	assert_false(a.keep);
	take(S("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
	assert_false(a.keep);
	take(S("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
	assert_true(a.keep);
	take(S("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
	assert_false(a.keep);
}

static void equal_lengths_are_one(void **state)
{
	(void)state;
	take(S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5, 05\r\n\r\n"));
	assert_true(a.has_length && a.length == 5);
}

static const char *const bad[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 5\n\n",
	"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
	"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
	"HTTP/1.1 200 OK\r\nhello\r\n\r\n",
	"HTTP/1.1 2000 OK\r\n\r\n",
	"HTTP/1.1 20 OK\r\n\r\n",
	"HTTP/1.1 099 OK\r\n\r\n",
	"HTTP/1.1 1000 OK\r\n\r\n",
	"HTTP/1.1 +20 OK\r\n\r\n",
	"HTTP/1.1  200 OK\r\n\r\n",
	"HTTP/1.1 200OK\r\n\r\n",
	"HTTP/2.0 200 OK\r\n\r\n",
	"HTTP/1.2 200 OK\r\n\r\n",
	"http/1.1 200 OK\r\n\r\n",
	"\r\nHTTP/1.1 200 OK\r\n\r\n",
	"hello\r\n\r\n",
	"SSH-2.0-OpenSSH_9.2\r\n",
	"HTTP/1.1 200 O\x01K\r\n\r\n",
};

static void nonsense_is_refused_in_whatever_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct slice all = slice_of(bad[i]);
		enum head_result result = HEAD_MORE;
		size_t seen = 0;

		if (read_answer(all, false) != HEAD_BAD)
			fail_msg("read: %s", bad[i]);
		for (size_t n = 0; n <= all.len && result == HEAD_MORE; n++)
			result = head_read_answer(slice_head(all, n), &bounds, &seen, false, &a, &length);
		if (result != HEAD_BAD)
			fail_msg("read in pieces: %s", bad[i]);
	}
}

static void an_endless_head_is_refused(void **state)
{
	static char big[5000];

	(void)state;
	memset(big, 'x', sizeof big);
	memcpy(big, "HTTP/1.1 200 ", 13);
	assert_int_equal(read_answer((struct slice){ big, 4095 }, false), HEAD_MORE);
	assert_int_equal(read_answer((struct slice){ big, 4096 }, false), HEAD_BAD);
	assert_true(a.too_big);
	memcpy(big, "HTTP/1.1 200 OK\r\n", 17);
	for (size_t i = 17; i + 6 < 300; i += 6)
		memcpy(big + i, "a: b\r\n", 6);
	assert_int_equal(read_answer((struct slice){ big, 300 }, false), HEAD_BAD);
	assert_true(a.too_big);
	assert_int_equal(read_answer(S("HTTP/1.1 200 OK\r\na b\r\n\r\n"), false), HEAD_BAD);
	assert_false(a.too_big);
}

static void chunks_and_phrases_are_written(void **state)
{
	char to[18];

	(void)state;
	assert_int_equal(chunk_head(0, to), 3);
	assert_memory_equal(to, "0\r\n", 3);
	assert_int_equal(chunk_head(0x1a2b, to), 6);
	assert_memory_equal(to, "1a2b\r\n", 6);
	assert_int_equal(chunk_head(SIZE_MAX, to), 18);
	assert_memory_equal(to, "ffffffffffffffff\r\n", 18);
	assert_true(slice_same(status_phrase(503), S("Service Unavailable")));
	assert_true(slice_same(status_phrase(599), S("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_read_into_its_parts),
		cmocka_unit_test(without_framing_the_body_ends_with_the_connection),
		cmocka_unit_test(some_answers_have_no_body_whatever_they_say),
		cmocka_unit_test(a_connection_is_kept_as_its_version_and_words_say),
		cmocka_unit_test(equal_lengths_are_one),
		cmocka_unit_test(nonsense_is_refused_in_whatever_pieces),
		cmocka_unit_test(an_endless_head_is_refused),
		cmocka_unit_test(chunks_and_phrases_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
