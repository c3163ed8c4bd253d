#include "sample.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void every_name_is_found_in_any_case(void **state)
{
	char upper[64];

	(void)state;
	for (unsigned id = 1; id < HEADER_IDS; id++) {
		struct slice name = header_names[id];
		assert_true(name.len && name.len < sizeof upper);
		assert_int_equal(header_id(name), id);
		for (size_t i = 0; i < name.len; i++)
			upper[i] = name.at[i] >= 'a' && name.at[i] <= 'z' ? (char)(name.at[i] - 32) : name.at[i];
		assert_int_equal(header_id((struct slice){ upper, name.len }), id);
		for (size_t i = 0; i < name.len; i++) { /* a flipped case bit is another name where it is no letter */
			upper[i] ^= 0x20;
			assert_int_equal(header_id((struct slice){ upper, name.len }),
			                 name.at[i] >= 'a' && name.at[i] <= 'z' ? id : HEADER_OTHER);
			upper[i] ^= 0x20;
			upper[i] ^= 1;
			assert_int_not_equal(header_id((struct slice){ upper, name.len }), id);
			upper[i] ^= 1;
		}
	}
}

static void other_names_are_other(void **state)
{
	(void)state;
	assert_int_equal(header_id(S("")), HEADER_OTHER);
	assert_int_equal(header_id(S("x")), HEADER_OTHER);
	assert_int_equal(header_id(S("hos")), HEADER_OTHER);
	assert_int_equal(header_id(S("hosts")), HEADER_OTHER);
	assert_int_equal(header_id(S("content_length")), HEADER_OTHER);
	assert_int_equal(header_id(S("access-control-request-headers-and-more-of-them")), HEADER_OTHER);
}

static void a_full_list_takes_no_more(void **state)
{
	struct header two[2];
	struct headers h = { .at = two, .cap = 2 };

	(void)state;
	assert_true(headers_add(&h, S("Host"), S("a")));
	assert_true(headers_add(&h, S("X-A"), S("b")));
	assert_false(headers_add(&h, S("X-B"), S("c")));
	assert_ptr_equal(headers_find(&h, HEADER_HOST), &two[0]);
	assert_ptr_equal(headers_find_name(&h, S("HOST")), &two[0]);
	assert_ptr_equal(headers_find_name(&h, S("x-a")), &two[1]);
	assert_null(headers_find_name(&h, S("x-b")));
	two[0].dropped = two[1].dropped = true;
	assert_null(headers_find(&h, HEADER_HOST));
	assert_null(headers_find_name(&h, S("x-a")));
	assert_int_equal(headers_count(&h, HEADER_HOST), 0);
}

static void names_and_values_are_held_to_their_bytes(void **state)
{
	(void)state;
	assert_true(header_is_name(S("X-a!#$%&'*+-.^_`|~9")));
	assert_false(header_is_name(S("")));
	assert_false(header_is_name(S("a b")));
	assert_false(header_is_name(S("a:")));
	assert_false(header_is_name(S("\xc3\xa9")));
	assert_true(header_is_value(S("")));
	assert_true(header_is_value(S("a \t\xff, and so on, for more than eight bytes")));
	for (unsigned c = 0; c < 256; c++) { /* at every place, also of those taken together */
		char text[] = "0123456789abcdefghijklmnopqrstuvwxyz-ABC";
		bool sound = c == '\t' || (c >= 32 && c != 127);
		bool token = c < 128 && (isalnum((int)c) || (c && strchr("!#$%&'*+-.^_`|~", (int)c)));
		for (size_t at = 0; at < sizeof text - 1; at++) {
			char kept = text[at];
			text[at] = (char)c;
			assert_int_equal(header_is_value((struct slice){ text, sizeof text - 1 }), sound);
			assert_int_equal(header_is_name((struct slice){ text, sizeof text - 1 }), token);
			assert_int_equal(header_is_name((struct slice){ text + 10, sizeof text - 11 }), at < 10 || token);
			text[at] = kept;
		}
	}
}

static void lists_are_searched_by_whole_words(void **state)
{
	(void)state;
	assert_true(header_list_has(S("a, Close\t,b"), S("close")));
	assert_true(header_list_has(S("close"), S("close")));
	assert_false(header_list_has(S("closed, not-close"), S("close")));
	assert_false(header_list_has(S(""), S("close")));
}

static void a_length_is_digits_alone(void **state)
{
	static const char *const bad[] = { "",
		                               "+1",
		                               "-1",
		                               " 1",
		                               "1 ",
		                               "0x1",
		                               "1,1",
		                               "1.0",
		                               "1e3",
		                               "\xb2",
		                               "9223372036854775808",
		                               "18446744073709551616",
		                               "00000000000000000001" };
	uint64_t n = 7;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(header_length(slice_of(bad[i]), &n));
	assert_int_equal(n, 7);
	assert_true(header_length(S("0"), &n));
	assert_int_equal(n, 0);
	assert_true(header_length(S("9223372036854775807"), &n));
	assert_true(n == INT64_MAX);
}

/* ---- what ends here ---- */

static struct request *asked(struct sample *s, const char *const (*fields)[2], size_t len)
{
	struct request *r = sample_init(s);

	for (size_t i = 0; i < len; i++)
		assert_true(headers_add(&r->headers, slice_of(fields[i][0]), slice_of(fields[i][1])));
	return r;
}
#define ASKED(s, fields) asked(s, fields, sizeof(fields) / sizeof(fields)[0])

static void fields_of_the_hop_end_here(void **state)
{
	static const char *const fields[][2] = { { "Connection", "close, X-Mine , x" },
		                                     { "X-Mine", "1" },
		                                     { "x-mine", "2" },
		                                     { "Keep-Alive", "5" },
		                                     { "Proxy-Connection", "x" },
		                                     { "TE", "trailers" },
		                                     { "Trailer", "x" },
		                                     { "Transfer-Encoding", "chunked" },
		                                     { "Upgrade", "h2c" },
		                                     { "HTTP2-Settings", "x" },
		                                     { "Proxy-Authorization", "x" },
		                                     { "Proxy", "http://evil/" } };
	static struct sample s;
	struct request *r = ASKED(&s, fields);

	(void)state;
	request_strip(r);
	for (uint16_t i = 0; i < r->headers.len; i++)
		assert_true(r->headers.at[i].dropped);
}

static void what_matters_cannot_be_named_away(void **state)
{
	static const char *const fields[][2] = {
		{ "Connection", "authorization, COOKIE, host, content-length" },
		{ "Connection", "forwarded,X-Forwarded-Proto,x-forwarded-for,x-forwarded-user,x-real-ip" },
		{ "Host", "a" },
		{ "Authorization", "b" },
		{ "Cookie", "c" },
		{ "Content-Length", "1" },
		{ "X-Forwarded-Proto", "https" },
		{ "X-Forwarded-User", "u" },
		{ "X-Real-IP", "10.0.0.1" }
	};
	static struct cidr all = { .bits = 0 };
	static struct sample s;
	struct request *r = ASKED(&s, fields);

	(void)state;
	s.config.root.trusted_proxies = (struct config_cidrs){ &all, 1 };
	request_strip(r);
	for (uint16_t i = 2; i < r->headers.len; i++)
		assert_false(r->headers.at[i].dropped);
}

static const char *const gone[] = { "Sallyport-Subject",
	                                "sallyport_subject",
	                                "SALLYPORT.Scope",
	                                "sallyport-tenant_id.x",
	                                "Sallyport-Anything",
	                                "x_forwarded_for",
	                                "X.Forwarded.For",
	                                "X-Forwarded_Host",
	                                "x_forwarded_anything",
	                                "X-Forwarded-For",
	                                "X-Forwarded-Proto",
	                                "X-Forwarded-Host",
	                                "X-Forwarded-User",
	                                "Forwarded",
	                                "X-Real-IP",
	                                "x_real_ip",
	                                "content_length",
	                                "Transfer_Encoding",
	                                "transfer.encoding",
	                                "Proxy_Authorization",
	                                "http2_settings",
	                                "sec_websocket_key",
	                                "Sallyport!Tenant",
	                                "sallyport~subject",
	                                "SALLYPORT|Verdict",
	                                "Sallyport`Class",
	                                "Sallyport'Scope",
	                                "sallyport#x",
	                                "sallyport$x",
	                                "sallyport%x",
	                                "sallyport&x",
	                                "sallyport*x",
	                                "sallyport+x",
	                                "sallyport^x",
	                                "x!forwarded~for",
	                                "X-Forwarded!Host",
	                                "x-real~ip",
	                                "content!length",
	                                "transfer*encoding",
	                                "sec-websocket|key" };
static const char *const kept[] = { "Accept",    "X-Tenant",    "x_tenant",    "my.field",          "sally",
	                                "Sallyport", "X-Forwarded", "traceparent", "Sec-WebSocket-Key", "server",
	                                "Set-Cookie" };

static void identity_fields_of_a_client_end_here_in_every_spelling(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
		const char *const fields[][2] = { { gone[i], "x" } };
		static struct sample s;
		struct request *r = ASKED(&s, fields);
		request_strip(r);
		if (!r->headers.at[0].dropped)
			fail_msg("kept: %s", gone[i]);
	}
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		const char *const fields[][2] = { { kept[i], "x" } };
		static struct sample s;
		struct request *r = ASKED(&s, fields);
		request_strip(r);
		if (r->headers.at[0].dropped)
			fail_msg("dropped: %s", kept[i]);
	}
}

static bool override_is_dropped(const char *name, bool trusted, const char *passed)
{
	const char *const fields[][2] = { { name, "x" } };
	struct slice pass = slice_of(passed);
	struct config_headers change = { .pass = { &pass, 1 } };
	const struct config_route route = { .request_headers = &change };
	static struct cidr all = { .bits = 0 };
	static struct sample s;
	struct request *r = ASKED(&s, fields);

	r->route = &route;
	if (trusted)
		s.config.root.trusted_proxies = (struct config_cidrs){ &all, 1 };
	request_strip(r);
	return r->headers.at[0].dropped;
}

static const char *const overrides[] = { "X-Original-URL",    "X-Original-URI",         "X-Rewrite-URL",
	                                     "x-original-host",   "X-HTTP-Method-Override", "X-HTTP-METHOD",
	                                     "X-Method-Override", "True-Client-IP",         "Client-IP",
	                                     "X-Client-IP",       "X-Cluster-Client-IP",    "CF-Connecting-IP",
	                                     "Fastly-Client-IP" };
static const char *const odd_overrides[] = { "X_Original_URL",         "x-original_url", "X.Rewrite.Url",
	                                         "x!http~method-override", "TRUE_CLIENT_IP", "Client_IP",
	                                         "x|method|override" };

static void overrides_of_a_client_end_here_unless_the_route_passes_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof overrides / sizeof overrides[0]; i++) {
		assert_true(override_is_dropped(overrides[i], false, "X-Other"));
		assert_false(override_is_dropped(overrides[i], false, overrides[i]));
		assert_false(override_is_dropped(overrides[i], true, "X-Other"));
		assert_true(trailer_overrides(slice_of(overrides[i])));
	}
	for (size_t i = 0; i < sizeof odd_overrides / sizeof odd_overrides[0]; i++) {
		assert_true(override_is_dropped(odd_overrides[i], false, "X-Original-URL"));
		assert_true(override_is_dropped(odd_overrides[i], true, "X-Original-URL"));
		assert_true(trailer_overrides(slice_of(odd_overrides[i])));
	}
	assert_false(override_is_dropped("X-Original-URLs", false, "X-Other"));
	assert_false(override_is_dropped("X_Original_URLs", false, "X-Other"));
	assert_false(trailer_overrides(S("X-Checksum")));
}

static void trailer_is_announced_only_where_trailers_follow(void **state)
{
	static const char *const fields[][2] = { { "Trailer", "Digest" } };
	static struct sample s;
	struct request *r = ASKED(&s, fields);

	(void)state;
	r->version = 11;
	r->has_body = r->chunked = true;
	request_strip(r);
	assert_false(r->headers.at[0].dropped);
	r->chunked = false;
	request_strip(r);
	assert_true(r->headers.at[0].dropped);
}

static void trailers_hold_no_framing_and_no_identity(void **state)
{
	(void)state;
	assert_false(header_is_trailer(S("Content-Length")));
	assert_false(header_is_trailer(S("TRANSFER-ENCODING")));
	assert_false(header_is_trailer(S("host")));
	assert_false(header_is_trailer(S("authorization")));
	assert_false(header_is_trailer(S("Set-Cookie")));
	for (unsigned id = 1; id < HEADER_IDS; id++)
		if (header_is(id, FIELD_CONNECTION | FIELD_HOP | FIELD_FRAMING | FIELD_CREDENTIAL))
			assert_false(header_is_trailer(header_names[id]));
	assert_false(header_is_trailer(S("HTTP2-Settings")));
	assert_true(header_is_trailer(S("grpc-status")));
	assert_true(header_is_trailer(S("Digest")));
	assert_true(header_is_ours(S("sallyport_subject")));
	assert_false(header_is_ours(S("digest")));
	assert_true(header_is_vouched(S("X-Forwarded-For")));
	assert_true(header_is_vouched(S("x_forwarded.proto")));
	assert_true(header_is_vouched(S("X.Real_Ip")));
	assert_true(header_is_vouched(S("SALLYPORT.Class")));
	assert_true(header_is_vouched(S("sallyport!class")));
	assert_true(header_is_vouched(S("X-Forwarded|User")));
	assert_true(header_is_vouched(S("x!real^ip")));
	assert_true(header_is_vouched(S("content_type")));
	assert_true(header_is_vouched(S("if!none~match")));
	assert_false(header_is_vouched(S("grpc_status")));
	assert_false(header_is_vouched(S("grpc-status")));
	assert_false(header_is_vouched(S("x-forwarded")));
}

static void an_answer_final_or_interim_loses_the_same_fields(void **state)
{
	static const char *const fields[][2] = { { "Connection", "x-named, x-kept-not" },
		                                     { "X-Named", "1" },
		                                     { "Keep-Alive", "5" },
		                                     { "Proxy-Authenticate", "Basic" },
		                                     { "TE", "x" },
		                                     { "HTTP2-Settings", "x" },
		                                     { "Content-Length", "3" },
		                                     { "sallyport_reason", "x" },
		                                     { "Upgrade", "h2c" },
		                                     { "Trailer", "x" },
		                                     { "X-Kept", "2" } };
	static const unsigned statuses[] = { 103, 200, 426 };
	static struct sample s;

	(void)state;
	for (size_t n = 0; n < 3; n++) {
		struct request *r = ASKED(&s, fields);
		struct headers *h = &r->headers;
		r->version = 11;
		request_strip_answer(r, h, statuses[n]);
		for (uint16_t i = 0; i < 8; i++)
			assert_true(h->at[i].dropped);
		assert_int_equal(h->at[8].dropped, statuses[n] != 426);
		assert_false(h->at[9].dropped);
		assert_false(h->at[10].dropped);
		r->version = 10;
		request_strip_answer(r, h, statuses[n]);
		assert_true(h->at[9].dropped);
	}
}

static void a_field_name_is_plain_where_no_upstream_folds_it(void **state)
{
	static const char odd[] = "!#$%&'*+^`|~";
	static struct sample s;
	char name[] = "X?Name", head[80];

	(void)state;
	for (const char *c = odd; *c; c++) {
		name[1] = *c;
		assert_false(header_is_plain(slice_of(name)));
		snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s: x\r\n\r\n", name);
		sample_init(&s);
		assert_int_equal(sample_read(&s, slice_of(head)), FAULT_FIELD_NAME);
		sample_init(&s);
		s.config.root.http.field_names = FIELD_NAMES_TOKEN;
		assert_int_equal(sample_read(&s, slice_of(head)), FAULT_NONE);
	}
	assert_true(header_is_plain(S("X-a_B.9")));
}

/* ---- request.c ---- */

static struct request *woken;

static void on_wake(struct request *r)
{
	woken = r;
}

static void a_request_that_is_over_is_not_woken(void **state)
{
	static struct sample s;
	struct request *r = sample_init(&s);

	(void)state;
	request_on_wake = on_wake;
	r->over = true;
	request_wake(r);
	assert_null(woken);
	r->over = false;
	request_wake(r);
	assert_ptr_equal(woken, r);
}

static void a_fault_is_answered_where_it_has_a_status(void **state)
{
	static struct sample s;
	struct request *r = sample_init(&s);

	(void)state;
	assert_int_equal(request_fail(r, FAULT_BAD_HOST), ANSWER);
	assert_int_equal(r->fault, FAULT_BAD_HOST);
	assert_int_equal(fault_info[r->fault].status, 400);
	assert_int_equal(request_fail(r, FAULT_CLIENT_LEFT), HANG_UP);
	for (unsigned i = 1; i < FAULTS; i++) /* never an own 404 or 410 */
		assert_true(fault_info[i].code && fault_info[i].status != 404 && fault_info[i].status != 410);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_found_in_any_case),
		cmocka_unit_test(other_names_are_other),
		cmocka_unit_test(a_full_list_takes_no_more),
		cmocka_unit_test(names_and_values_are_held_to_their_bytes),
		cmocka_unit_test(lists_are_searched_by_whole_words),
		cmocka_unit_test(a_length_is_digits_alone),
		cmocka_unit_test(fields_of_the_hop_end_here),
		cmocka_unit_test(what_matters_cannot_be_named_away),
		cmocka_unit_test(identity_fields_of_a_client_end_here_in_every_spelling),
		cmocka_unit_test(overrides_of_a_client_end_here_unless_the_route_passes_them),
		cmocka_unit_test(trailer_is_announced_only_where_trailers_follow),
		cmocka_unit_test(trailers_hold_no_framing_and_no_identity),
		cmocka_unit_test(an_answer_final_or_interim_loses_the_same_fields),
		cmocka_unit_test(a_field_name_is_plain_where_no_upstream_folds_it),
		cmocka_unit_test(a_request_that_is_over_is_not_woken),
		cmocka_unit_test(a_fault_is_answered_where_it_has_a_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
