#include "../request/sample.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct sample s;
static size_t length;

static enum head_result read_bounded(struct slice bytes, const struct head_bounds *b, enum fault *why)
{
	size_t seen = 0;

	sample_init(&s);
	*why = FAULT_NONE;
	length = 0;
	return head_read_request(bytes, b, &seen, &s.r, &length, why);
}

static enum head_result read_head(struct slice bytes, enum fault *why)
{
	return read_bounded(bytes, &sample_bounds, why);
}

static void is(struct slice got, const char *wanted)
{
	if (!slice_same(got, slice_of(wanted)))
		fail_msg("%.*s is not %s", SLICE(got), wanted);
}

/* ---- good ones ---- */

#define GOOD \
	"GET /where?q=now HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/7.16.3 \t\r\n" \
	"Accept-Language:en, mi\r\nEmpty:\r\nX-Spaces:   \r\n\r\n"

static void a_head_is_read_into_its_parts(void **state)
{
	enum fault why;

	(void)state;
	assert_int_equal(read_head(S(GOOD "GET /next"), &why), HEAD_DONE);
	assert_int_equal(length, sizeof GOOD - 1);
	is(s.r.method, "GET");
	is(s.r.target, "/where?q=now");
	assert_int_equal(s.r.version, 11);
	assert_int_equal(s.r.headers.len, 5);
	is(s.r.headers.at[0].name, "Host");
	is(s.r.headers.at[0].value, "www.example.com");
	is(s.r.headers.at[1].value, "curl/7.16.3");
	is(s.r.headers.at[2].name, "Accept-Language");
	is(s.r.headers.at[2].value, "en, mi");
	is(s.r.headers.at[3].value, "");
	is(s.r.headers.at[4].value, "");
	assert_int_equal(s.r.headers.at[1].id, HEADER_USER_AGENT);
	assert_false(s.r.has_body || s.r.chunked || s.r.client_close || s.r.upgrade_websocket);
}

static void lengths_and_codings_announce_a_body(void **state)
{
	enum fault why;

	(void)state;
	assert_int_equal(read_head(S("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0042\r\n\r\n"), &why),
	                 HEAD_DONE);
	assert_true(s.r.has_body && !s.r.chunked);
	assert_int_equal(s.r.content_length, 42);
	assert_int_equal(read_head(S("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), &why),
	                 HEAD_DONE);
	assert_true(s.r.has_body && s.r.chunked);
	assert_int_equal(read_head(S("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), &why), HEAD_DONE);
	assert_true(s.r.has_body && s.r.content_length == 0);
}

static void the_connection_stays_as_the_version_and_its_words_say(void **state)
{
	enum fault why;

	(void)state;
	assert_int_equal(read_head(S("GET / HTTP/1.0\r\n\r\n"), &why), HEAD_DONE);
	assert_true(s.r.client_close);
	assert_int_equal(read_head(S("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), &why), HEAD_DONE);
	assert_false(s.r.client_close);
	assert_int_equal(read_head(S("GET / HTTP/1.1\r\nConnection: a\r\nConnection: b,CLOSE\r\n\r\n"), &why),
	                 HEAD_DONE);
	assert_true(s.r.client_close);
	assert_int_equal(read_head(S("GET / HTTP/1.1\r\nConnection: closed\r\n\r\n"), &why), HEAD_DONE);
	assert_false(s.r.client_close);
}

#define UPGRADE(method, version, connection, upgrade) \
	method " / HTTP/" version "\r\nConnection: " connection "\r\nUpgrade: " upgrade "\r\n"

static bool upgrades(struct slice head)
{
	enum fault why;

	assert_int_equal(read_head(head, &why), HEAD_DONE);
	return s.r.upgrade_websocket;
}

static void only_a_plain_websocket_upgrade_counts(void **state)
{
	(void)state;
	assert_true(upgrades(S(UPGRADE("GET", "1.1", "keep-alive, Upgrade", "WebSocket") "\r\n")));
	assert_false(upgrades(S("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")));
	assert_false(upgrades(S(UPGRADE("GET", "1.1", "upgrade", "h2c") "\r\n")));
	assert_false(upgrades(S(UPGRADE("GET", "1.1", "upgrade", "h2c, websocket") "\r\n")));
	assert_false(upgrades(S(UPGRADE("GET", "1.1", "upgrade", "websocket") "Upgrade: h2c\r\n\r\n")));
	assert_true(upgrades(S(UPGRADE("GET", "1.1", "upgrade", "websocket") "Sec-WebSocket-Key: a\r\n\r\n")));
	assert_false(upgrades(S(UPGRADE("GET", "1.1", "upgrade",
	                                "websocket") "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key: b\r\n\r\n")));
	assert_false(upgrades(S(UPGRADE("GET", "1.0", "upgrade", "websocket") "\r\n")));
	assert_false(upgrades(S(UPGRADE("POST", "1.1", "upgrade", "websocket") "\r\n")));
	assert_false(upgrades(S(UPGRADE("GET", "1.1", "upgrade", "websocket") "Content-Length: 1\r\n\r\n")));
}

static void one_empty_line_before_a_request_is_forgiven(void **state)
{
	enum fault why;

	(void)state;
	assert_int_equal(read_head(S("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), &why), HEAD_DONE);
	assert_int_equal(length, 29);
	assert_int_equal(read_head(S("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), &why), HEAD_BAD);
	assert_int_equal(read_head(S("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), &why), HEAD_BAD);
}

/* ---- attacks ---- */

struct attack {
	const char *what;
	struct slice head;
	enum fault why;
};
#define WHOLE(text) \
	{ \
		text, sizeof(text) - 1 \
	}
#define HEAD(fields) WHOLE("POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n\r\n")
#define LINE(line) WHOLE(line "\r\nHost: a\r\n\r\n")
#define TEN(fields) WHOLE("POST / HTTP/1.0\r\n" fields "\r\n\r\n")

static const struct attack attacks[] = {
	{ "CL.TE", HEAD("Content-Length: 6\r\nTransfer-Encoding: chunked"), FAULT_BAD_FRAMING },
	{ "TE.CL", HEAD("Transfer-Encoding: chunked\r\nContent-Length: 6"), FAULT_BAD_FRAMING },
	{ "CL.0 with TE", HEAD("Transfer-Encoding: chunked\r\nContent-Length: 0"), FAULT_BAD_FRAMING },
	{ "TE.TE", HEAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), FAULT_BAD_FRAMING },
	{ "TE twice", HEAD("Transfer-Encoding: chunked\r\nTransfer-encoding: chunked"), FAULT_BAD_FRAMING },
	{ "TE listed twice", HEAD("Transfer-Encoding: chunked, chunked"), FAULT_BAD_FRAMING },
	{ "TE chunked and a comma", HEAD("Transfer-Encoding: chunked,"), FAULT_BAD_FRAMING },
	{ "TE not last", HEAD("Transfer-Encoding: chunked, gzip"), FAULT_BAD_FRAMING },
	{ "TE parameter", HEAD("Transfer-Encoding: chunked;q=1"), FAULT_BAD_FRAMING },
	{ "TE quoted", HEAD("Transfer-Encoding: \"chunked\""), FAULT_BAD_FRAMING },
	{ "TE empty", HEAD("Transfer-Encoding:"), FAULT_BAD_FRAMING },
	{ "TE comma", HEAD("Transfer-Encoding: ,chunked"), FAULT_BAD_FRAMING },
	{ "TE two words", HEAD("Transfer-Encoding: chunked chunked"), FAULT_BAD_FRAMING },
	{ "TE vertical tab",
	  HEAD("Transfer-Encoding: \x0b"
	       "chunked"),
	  FAULT_BAD_REQUEST },
	{ "TE nul", HEAD("Transfer-Encoding: chunked\0"), FAULT_BAD_REQUEST },
	{ "TE before colon", HEAD("Transfer-Encoding : chunked"), FAULT_BAD_REQUEST },
	{ "TE tab before colon", HEAD("Transfer-Encoding\t: chunked"), FAULT_BAD_REQUEST },
	{ "TE folded", HEAD("Transfer-Encoding:\r\n chunked"), FAULT_BAD_REQUEST },
	{ "TE after fold", HEAD("X: y\r\n\tTransfer-Encoding: chunked"), FAULT_BAD_REQUEST },
	{ "TE bare LF", HEAD("X: y\nTransfer-Encoding: chunked"), FAULT_BAD_REQUEST },
	{ "TE bare CR", HEAD("X: y\rTransfer-Encoding: chunked"), FAULT_BAD_REQUEST },
	{ "TE CR CR LF", HEAD("X: y\r\r\nTransfer-Encoding: chunked"), FAULT_BAD_REQUEST },
	{ "TE gzip, chunked", HEAD("Transfer-Encoding: gzip, chunked"), FAULT_BAD_CODING },
	{ "TE identity", HEAD("Transfer-Encoding: identity"), FAULT_BAD_CODING },
	{ "TE xchunked", HEAD("Transfer-Encoding: xchunked"), FAULT_BAD_CODING },
	{ "TE in 1.0", TEN("Transfer-Encoding: chunked"), FAULT_BAD_FRAMING },
	{ "CL.CL", HEAD("Content-Length: 6\r\nContent-Length: 5"), FAULT_BAD_FRAMING },
	{ "CL twice the same", HEAD("Content-Length: 6\r\ncontent-length: 6"), FAULT_BAD_FRAMING },
	{ "CL listed", HEAD("Content-Length: 6, 6"), FAULT_BAD_FRAMING },
	{ "CL plus", HEAD("Content-Length: +6"), FAULT_BAD_FRAMING },
	{ "CL minus", HEAD("Content-Length: -6"), FAULT_BAD_FRAMING },
	{ "CL hexadecimal", HEAD("Content-Length: 0x6"), FAULT_BAD_FRAMING },
	{ "CL inner space", HEAD("Content-Length: 6 6"), FAULT_BAD_FRAMING },
	{ "CL empty", HEAD("Content-Length: "), FAULT_BAD_FRAMING },
	{ "CL overflow", HEAD("Content-Length: 18446744073709551622"), FAULT_BAD_FRAMING },
	{ "CL negative when signed", HEAD("Content-Length: 9223372036854775808"), FAULT_BAD_FRAMING },
	{ "CL float", HEAD("Content-Length: 6.0"), FAULT_BAD_FRAMING },
	{ "CL before colon", HEAD("Content-Length : 6"), FAULT_BAD_REQUEST },
	{ "CL folded", HEAD("Content-Length: 1\r\n 2"), FAULT_BAD_REQUEST },
	{ "CL nul", HEAD("Content-Length: 6\0"), FAULT_BAD_REQUEST },
	{ "empty name", HEAD(": x"), FAULT_BAD_REQUEST },
	{ "no colon", HEAD("Hello"), FAULT_BAD_REQUEST },
	{ "name with space", HEAD("X Y: z"), FAULT_BAD_REQUEST },
	{ "name with 8 bits", HEAD("X\xc4: z"), FAULT_BAD_REQUEST },
	{ "name with nul", HEAD("X\0Y: z"), FAULT_BAD_REQUEST },
	{ "leading space", HEAD(" X: y"), FAULT_BAD_REQUEST },
	{ "DEL in value", HEAD("X: y\x7f"), FAULT_BAD_REQUEST },
	{ "escape in value", HEAD("X: \x1b[2J"), FAULT_BAD_REQUEST },
	{ "HTTP/0.9", LINE("GET /"), FAULT_BAD_REQUEST },
	{ "0.9 written", LINE("GET / HTTP/0.9"), FAULT_BAD_VERSION },
	{ "version 2.0", LINE("PRI * HTTP/2.0"), FAULT_BAD_VERSION },
	{ "version 1.2", LINE("GET / HTTP/1.2"), FAULT_BAD_VERSION },
	{ "version 1.10", LINE("GET / HTTP/1.10"), FAULT_BAD_REQUEST },
	{ "version 01.1", LINE("GET / HTTP/01.1"), FAULT_BAD_REQUEST },
	{ "version lower case", LINE("GET / http/1.1"), FAULT_BAD_REQUEST },
	{ "version of another", LINE("GET / ICE/1.1"), FAULT_BAD_REQUEST },
	{ "version with space", LINE("GET / HTTP/1.1 "), FAULT_BAD_REQUEST },
	{ "version short", LINE("GET / HTTP/1"), FAULT_BAD_REQUEST },
	{ "two spaces", LINE("GET  / HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "two spaces after", LINE("GET /  HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "tabs", LINE("GET\t/\tHTTP/1.1"), FAULT_BAD_REQUEST },
	{ "space in target", LINE("GET /a b HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "nul in target", LINE("GET /\0 HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "CR in target", LINE("GET /\rX HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "no method", LINE(" / HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "bad method", LINE("G(T / HTTP/1.1"), FAULT_BAD_REQUEST },
	{ "TLS here", LINE("\x16\x03\x01\x02\n"), FAULT_HTTP_EXPECTED },
	{ "line by LF", WHOLE("GET / HTTP/1.1\nHost: a\n\n"), FAULT_BAD_REQUEST },
	{ "blank line by LF", WHOLE("GET / HTTP/1.1\r\nHost: a\r\n\n"), FAULT_BAD_REQUEST },
	{ "blank line by CR", WHOLE("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"), FAULT_BAD_REQUEST },
};

static void smuggling_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
		enum fault why;
		enum head_result result = read_head(attacks[i].head, &why);
		if (result != HEAD_BAD || why != attacks[i].why)
			fail_msg("%s: %d, %s", attacks[i].what, (int)result, fault_info[why].code);
		assert_true(fault_info[why].close && fault_info[why].status >= 400);
	}
}

/* ---- pieces and bounds ---- */

static void byte_by_byte(struct slice head, enum head_result wanted, enum fault why_wanted)
{
	enum head_result result = HEAD_MORE;
	enum fault why = FAULT_NONE;
	size_t seen = 0, len = 0, n;

	sample_init(&s);
	for (n = 0; n <= head.len && result == HEAD_MORE; n++)
		result = head_read_request(slice_head(head, n), &sample_bounds, &seen, &s.r, &len, &why);
	assert_int_equal(result, wanted);
	if (wanted == HEAD_BAD)
		assert_int_equal(why, why_wanted);
	else
		assert_int_equal(len, n - 1);
}

static void pieces_do_not_change_the_verdict(void **state)
{
	(void)state;
	byte_by_byte(S(GOOD), HEAD_DONE, FAULT_NONE);
	byte_by_byte(S("\r\n" GOOD), HEAD_DONE, FAULT_NONE);
	for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
		byte_by_byte(attacks[i].head, HEAD_BAD, attacks[i].why);
}

static void a_head_that_is_not_whole_waits(void **state)
{
	enum fault why;

	(void)state;
	for (size_t n = 0; n < sizeof GOOD - 1; n++)
		assert_int_equal(read_head((struct slice){ GOOD, n }, &why), HEAD_MORE);
}

static void bounds_are_kept_whatever_the_pieces(void **state)
{
	static const struct head_bounds b = { .head_max = 64, .target_max = 16, .fields_max = 2 };
	static const char many[] = "GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n\r\n";
	static const char exact[] = "GET / HTTP/1.1\r\nHost: 0123456789012345678901234567890123456789\r\n";
	char big[256];
	enum fault why;

	(void)state;
	assert_int_equal(read_bounded(slice_of(many), &b, &why), HEAD_BAD);
	assert_int_equal(why, FAULT_HEAD_TOO_BIG);
	assert_int_equal(read_bounded(S("GET /0123456789abcde HTTP/1.1\r\n\r\n"), &b, &why), HEAD_DONE);
	assert_int_equal(read_bounded(S("GET /0123456789abcdef HTTP/1.1\r\n\r\n"), &b, &why), HEAD_BAD);
	assert_int_equal(why, FAULT_TARGET_TOO_LONG);
	memset(big, 'x', sizeof big);
	memcpy(big, "GET /", 5);
	for (size_t n = 64; n <= sizeof big; n += 64) {
		assert_int_equal(read_bounded((struct slice){ big, n }, &b, &why), HEAD_BAD);
		assert_int_equal(why, FAULT_TARGET_TOO_LONG);
	}
	memset(big, 'x', 6);
	assert_int_equal(read_bounded((struct slice){ big, 63 }, &b, &why), HEAD_MORE);
	assert_int_equal(read_bounded((struct slice){ big, 64 }, &b, &why), HEAD_BAD);
	assert_int_equal(why, FAULT_HEAD_TOO_BIG);
	assert_int_equal(sizeof exact - 1, 64);
	assert_int_equal(read_bounded(slice_of(exact), &b, &why), HEAD_BAD);
	assert_int_equal(why, FAULT_HEAD_TOO_BIG);
	memcpy(big, exact, 60);
	memcpy(big + 60, "\r\n\r\n", 4);
	assert_int_equal(read_bounded((struct slice){ big, 64 }, &b, &why), HEAD_DONE);
	memcpy(big + 60, "0\r\n\r\n", 5); /* what is wrong beyond the bound is not looked at */
	assert_int_equal(read_bounded((struct slice){ big, 65 }, &b, &why), HEAD_BAD);
	assert_int_equal(why, FAULT_HEAD_TOO_BIG);
}

static void what_could_be_read_of_a_bad_head_lies_within_it(void **state)
{
	static const char bad[] = "GET /a HTTP/1.1\r\nHost: a\r\nX Y\r\n\r\n", worse[] = "\x01\r\n\r\n";
	enum fault why;

	(void)state;
	assert_int_equal(read_head(slice_of(bad), &why), HEAD_BAD);
	is(s.r.target, "/a");
	assert_int_equal(s.r.headers.len, 1);
	struct slice bytes = { worse, sizeof worse - 1 };
	assert_int_equal(read_head(bytes, &why), HEAD_BAD);
	assert_ptr_equal(s.r.method.at, worse);
	assert_int_equal(s.r.method.len + s.r.target.len + s.r.headers.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_read_into_its_parts),
		cmocka_unit_test(lengths_and_codings_announce_a_body),
		cmocka_unit_test(the_connection_stays_as_the_version_and_its_words_say),
		cmocka_unit_test(only_a_plain_websocket_upgrade_counts),
		cmocka_unit_test(one_empty_line_before_a_request_is_forgiven),
		cmocka_unit_test(smuggling_is_refused),
		cmocka_unit_test(pieces_do_not_change_the_verdict),
		cmocka_unit_test(a_head_that_is_not_whole_waits),
		cmocka_unit_test(bounds_are_kept_whatever_the_pieces),
		cmocka_unit_test(what_could_be_read_of_a_bad_head_lies_within_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
