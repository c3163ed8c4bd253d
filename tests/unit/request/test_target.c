#include "sample.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct sample s;

static enum fault read_text(const char *head)
{
	sample_init(&s);
	return sample_read(&s, slice_of(head));
}

static void same(struct slice got, const char *wanted)
{
	if (!slice_same(got, slice_of(wanted)))
		fail_msg("%.*s is not %s", SLICE(got), wanted);
}

static void an_origin_form_is_split(void **state)
{
	(void)state;
	assert_int_equal(read_text("GET /a/%7Eb//c?x=1?%zz HTTP/1.1\r\nHost: Example.COM:8443\r\n\r\n"),
	                 FAULT_NONE);
	same(s.r.scheme, "http");
	same(s.r.authority, "Example.COM:8443");
	same(s.r.host, "example.com");
	same(s.r.path, "/a/~b/c");
	same(s.r.query, "x=1?%zz");
	assert_true(s.r.has_query);
	assert_int_equal(read_text("GET /? HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_NONE);
	assert_true(s.r.has_query);
	same(s.r.query, "");
	assert_int_equal(read_text("GET / HTTP/1.1\r\nHost: a.\r\n\r\n"), FAULT_NONE);
	assert_false(s.r.has_query);
	same(s.r.host, "a");
}

static void the_scheme_is_that_of_the_connection(void **state)
{
	(void)state;
	sample_init(&s);
	s.client_facts.tls = true;
	assert_int_equal(sample_read(&s, S("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), FAULT_NONE);
	same(s.r.scheme, "https");
	assert_int_equal(read_text("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_MISDIRECTED);
}

static void an_absolute_form_must_agree_with_host(void **state)
{
	(void)state;
	assert_int_equal(read_text("GET HTTP://a:80/b?c HTTP/1.1\r\nHost: A\r\n\r\n"), FAULT_NONE);
	same(s.r.host, "a");
	same(s.r.path, "/b");
	same(s.r.query, "c");
	assert_int_equal(read_text("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_NONE);
	same(s.r.path, "/");
	assert_int_equal(read_text("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_NONE);
	same(s.r.path, "/");
	same(s.r.query, "b");
	assert_int_equal(read_text("GET http://a/ HTTP/1.0\r\n\r\n"), FAULT_NONE);
	same(s.r.host, "a");
	same(s.r.authority, "a");
}

static void the_server_as_a_whole_is_for_options(void **state)
{
	(void)state;
	assert_int_equal(read_text("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_NONE);
	same(s.r.path, "*");
	assert_int_equal(read_text("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_NONE);
	same(s.r.path, "*");
	assert_int_equal(read_text("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_BAD_TARGET);
	assert_int_equal(read_text("OPTIONS *?a HTTP/1.1\r\nHost: a\r\n\r\n"), FAULT_BAD_TARGET);
}

static const struct {
	const char *host;
	enum fault why;
} hosts[] = {
	{ "a", FAULT_NONE },
	{ "a.b-c_d.example", FAULT_NONE },
	{ "192.0.2.1:80", FAULT_NONE },
	{ "[2001:db8::1]", FAULT_NONE },
	{ "[::1]:65535", FAULT_NONE },
	{ "a:1", FAULT_NONE },
	{ "", FAULT_BAD_HOST },
	{ ".", FAULT_BAD_HOST },
	{ ".a", FAULT_BAD_HOST },
	{ "a..b", FAULT_BAD_HOST },
	{ "a..", FAULT_BAD_HOST },
	{ "a:", FAULT_NONE },
	{ "a:0", FAULT_BAD_HOST },
	{ "a:65536", FAULT_BAD_HOST },
	{ "a:+80", FAULT_BAD_HOST },
	{ "a:80:80", FAULT_BAD_HOST },
	{ "a:http", FAULT_BAD_HOST },
	{ "a b", FAULT_BAD_HOST },
	{ "a,b", FAULT_BAD_HOST },
	{ "a/b", FAULT_BAD_HOST },
	{ "a?b", FAULT_BAD_HOST },
	{ "user@a", FAULT_BAD_HOST },
	{ "user:pass@a", FAULT_BAD_HOST },
	{ "a%00", FAULT_BAD_HOST },
	{ "a\xc3\xa9", FAULT_BAD_HOST },
	{ "a\\b", FAULT_BAD_HOST },
	{ "*.a", FAULT_BAD_HOST },
	{ "[::1", FAULT_BAD_HOST },
	{ "::1", FAULT_BAD_HOST },
	{ "[::1]a", FAULT_BAD_HOST },
	{ "[]", FAULT_BAD_HOST },
	{ "[::g]", FAULT_BAD_HOST },
	{ "[fe80::1%25eth0]", FAULT_BAD_HOST },
	{ "[192.0.2.1]", FAULT_BAD_HOST },
	{ "[::1]:", FAULT_NONE },
	{ ":", FAULT_BAD_HOST },
	{ "[::1]80", FAULT_BAD_HOST },
	{ "\"a\"", FAULT_BAD_HOST },
	{ "http://a", FAULT_BAD_HOST },
};

static void a_host_is_a_name_or_an_address_with_perhaps_a_port(void **state)
{
	char head[256];

	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);
		enum fault why = read_text(head);
		if (why != hosts[i].why)
			fail_msg("Host: %s is %s", hosts[i].host, fault_info[why].code);
	}
}

static const struct {
	const char *head;
	enum fault why;
} heads[] = {
	{ "GET / HTTP/1.1\r\n\r\n", FAULT_BAD_HOST },
	{ "GET / HTTP/1.0\r\n\r\n", FAULT_NONE },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", FAULT_BAD_HOST },
	{ "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", FAULT_BAD_HOST },
	{ "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_HOST },
	{ "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_HOST },
	{ "GET http://a/ HTTP/1.1\r\n\r\n", FAULT_BAD_HOST },
	{ "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_HOST },
	{ "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET a HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /?a#b HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /?\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET http://a?\xff HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "GET /..;/a HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_TARGET },
	{ "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", FAULT_BAD_METHOD },
	{ "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_BAD_METHOD },
	{ "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nauthorization: y\r\n\r\n", FAULT_TWO_CREDENTIALS },
	{ "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", FAULT_EXPECTATION },
	{ "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: b\r\n\r\n", FAULT_EXPECTATION },
	{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", FAULT_NONE },
};

static void what_contradicts_itself_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		enum fault why = read_text(heads[i].head);
		if (why != heads[i].why)
			fail_msg("%s: %s", heads[i].head, fault_info[why].code);
	}
}

static void a_continue_is_expected_only_with_a_body_and_a_version_that_knows_it(void **state)
{
	(void)state;
	assert_int_equal(read_text("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
	                           "Content-Length: 1\r\n\r\n"),
	                 0);
	assert_true(s.r.expects_continue);
	assert_int_equal(read_text("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"), 0);
	assert_false(s.r.expects_continue);
	assert_int_equal(read_text("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), 0);
	assert_false(s.r.expects_continue);
}

static void connection_may_not_name_a_flood_of_fields(void **state)
{
	char head[512] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: ";
	size_t len = strlen(head), i;

	(void)state;
	for (i = 0; i < 64; i++)
		head[len++] = ',';
	memcpy(head + len, "\r\n\r\n", 5);
	assert_int_equal(read_text(head), FAULT_BAD_REQUEST);
	memcpy(head + len - 1, "\r\n\r\n", 5);
	assert_int_equal(read_text(head), FAULT_NONE);
}

/* ---- HTTP/2 ---- */

static struct request *h2(const char *path, const char *authority)
{
	struct request *r = sample_init(&s);

	s.client_facts.tls = s.client_facts.http2 = true;
	r->version = 20;
	r->method = S("GET");
	r->scheme = S("https");
	r->target = slice_of(path);
	r->authority = slice_of(authority);
	return r;
}

static enum fault h2_with(const char *name, const char *value)
{
	struct request *r = h2("/", "a");

	headers_add(&r->headers, slice_of(name), slice_of(value));
	return request_check(r);
}

static void http2_requests_are_held_to_the_same(void **state)
{
	(void)state;
	assert_int_equal(request_check(h2("/a/../b?c", "A.example:443")), FAULT_NONE);
	same(s.r.path, "/b");
	same(s.r.host, "a.example");
	assert_int_equal(request_check(h2("/", "")), FAULT_BAD_HOST);
	assert_int_equal(request_check(h2("/", "u@a")), FAULT_BAD_HOST);
	assert_int_equal(request_check(h2("", "a")), FAULT_BAD_TARGET);
	assert_int_equal(request_check(h2("*", "a")), FAULT_BAD_TARGET);
	assert_int_equal(request_check(h2("https://a/", "a")), FAULT_BAD_TARGET);
	assert_int_equal(request_check(h2("/ a", "a")), FAULT_BAD_TARGET);
	assert_int_equal(h2_with("host", "a"), FAULT_NONE);
	assert_int_equal(h2_with("host", "a:443"), FAULT_NONE);
	assert_int_equal(h2_with("host", "b"), FAULT_BAD_HOST);
	struct request *r = h2("/", "");
	headers_add(&r->headers, S("host"), S("a"));
	assert_int_equal(request_check(r), FAULT_NONE);
	same(r->authority, "a");
	r = h2("/", "a");
	r->scheme = S("http");
	assert_int_equal(request_check(r), FAULT_MISDIRECTED);
	r = h2("/", "a");
	r->scheme = S("gopher");
	assert_int_equal(request_check(r), FAULT_BAD_TARGET);
	r = h2("/", "a");
	r->method = S("G T");
	assert_int_equal(request_check(r), FAULT_BAD_REQUEST);
}

static enum fault asked_by_nginx(const char *authority, const char *host)
{
	struct request *r = h2("/check/nginx", authority);

	headers_add(&r->headers, S("x-original-method"), S("POST"));
	headers_add(&r->headers, S("x-original-uri"), S("/a/../b?c"));
	if (host)
		headers_add(&r->headers, S("host"), slice_of(host));
	assert_int_equal(request_check(r), FAULT_NONE);
	request_asked(r, EXT_AUTH_NGINX);
	return request_described(r, S(""));
}

static void nginx_may_ask_over_http2_whose_host_is_its_authority(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		const char *authority = i == 2 ? "" : "App.example:443", *host = i == 0 ? NULL : "App.example:443";
		assert_int_equal(asked_by_nginx(authority, host), FAULT_NONE);
		same(s.r.host, "app.example");
		same(s.r.path, "/b");
		same(s.r.query, "c");
		same(s.r.method, "POST");
	}
}

static void nginx_that_names_no_host_describes_nothing(void **state)
{
	(void)state;
	sample_init(&s);
	assert_int_equal(sample_read(&s, S("GET /check/nginx HTTP/1.0\r\nX-Original-Method: GET\r\n"
	                                   "X-Original-URI: /a\r\n\r\n")),
	                 FAULT_NONE);
	request_asked(&s.r, EXT_AUTH_NGINX);
	assert_int_equal(request_described(&s.r, S("")), FAULT_DESCRIPTION);
}

static void nothing_is_smuggled_down_from_http2(void **state)
{
	(void)state;
	assert_int_equal(h2_with("x-a", "b"), FAULT_NONE);
	assert_int_equal(h2_with("te", "trailers"), FAULT_NONE);
	assert_int_equal(h2_with("content-length", "5"), FAULT_NONE);
	assert_int_equal(h2_with("te", "gzip"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("X-A", "b"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("x a", "b"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("x-a:", "b"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("x-a\r\nx-b", "b"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("x-a", "b\r\nx-c: d"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("x-a", "b\n"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("transfer-encoding", "chunked"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("connection", "close"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("upgrade", "websocket"), FAULT_BAD_REQUEST);
	assert_int_equal(h2_with("content-length", "+5"), FAULT_BAD_FRAMING);
	struct request *r = h2("/", "a");
	headers_add(&r->headers, S("content-length"), S("5"));
	headers_add(&r->headers, S("content-length"), S("5"));
	assert_int_equal(request_check(r), FAULT_BAD_FRAMING);
}

static void a_full_arena_is_a_head_too_big(void **state)
{
	(void)state;
	sample_init(&s);
	arena_init(&s.r.arena, s.store, 0);
	assert_int_equal(sample_read(&s, S("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n")), FAULT_HEAD_TOO_BIG);
	s.r.arena.overflowed = false;
	assert_int_equal(sample_read(&s, S("GET /a HTTP/1.1\r\nHost: A\r\n\r\n")), FAULT_HEAD_TOO_BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_origin_form_is_split),
		cmocka_unit_test(the_scheme_is_that_of_the_connection),
		cmocka_unit_test(an_absolute_form_must_agree_with_host),
		cmocka_unit_test(the_server_as_a_whole_is_for_options),
		cmocka_unit_test(a_host_is_a_name_or_an_address_with_perhaps_a_port),
		cmocka_unit_test(what_contradicts_itself_is_refused),
		cmocka_unit_test(a_continue_is_expected_only_with_a_body_and_a_version_that_knows_it),
		cmocka_unit_test(connection_may_not_name_a_flood_of_fields),
		cmocka_unit_test(http2_requests_are_held_to_the_same),
		cmocka_unit_test(nginx_may_ask_over_http2_whose_host_is_its_authority),
		cmocka_unit_test(nginx_that_names_no_host_describes_nothing),
		cmocka_unit_test(nothing_is_smuggled_down_from_http2),
		cmocka_unit_test(a_full_arena_is_a_head_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
