#include "respond/answer.h"
#include "fake.h"
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define WALL_NS (UINT64_C(1741964966535) * NS_PER_MS)
#define BROWSER S("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8")

static struct slice words[4];
static struct config_route_verify verify;
static struct config_route route;
static struct config_cors cors;

static struct request *routed(enum fault why)
{
	struct request *r = fake_request();

	route = (struct config_route){ .name = S("api") };
	cors = (struct config_cors){ 0 };
	verify = (struct config_route_verify){ 0 };
	r->route = &route;
	r->fault = (uint8_t)why;
	return r;
}

static json_t *problem(void)
{
	json_error_t e;
	json_t *o = json_loadb(fake.body, fake.body_len, JSON_REJECT_DUPLICATES, &e);

	assert_non_null(o);
	return o;
}

static void every_fault_has_its_answer_and_none_says_not_found(void **state)
{
	(void)state;
	for (unsigned f = FAULT_NONE + 1; f < FAULTS; f++) {
		struct request *r = routed((enum fault)f);
		if (fault_info[f].status == 0) {
			assert_false(respond_own(r, WALL_NS));
			assert_int_equal(fake.heads, 0);
			continue;
		}
		assert_true(respond_own(r, WALL_NS));
		assert_int_not_equal(fake.status, 404);
		assert_int_not_equal(fake.status, 410);
		assert_int_equal(fake.status, fault_info[f].status);
		assert_int_equal(r->status, fake.status);
		assert_int_equal(r->said, SAID_HEAD | SAID_END);
		assert_int_equal(fake.ends, 1);
		assert_int_equal(fake.close, fault_info[f].close);
		assert_string_equal(fake_field("Sallyport-Reason"), fault_info[f].code);
		assert_string_equal(fake_field("Sallyport-Request-Id"), r->id);
		assert_string_equal(fake_field("Cache-Control"), "no-store");
		assert_string_equal(fake_field("Date"), "Fri, 14 Mar 2025 15:09:26 GMT");
		assert_string_equal(fake_field("Content-Type"), "application/problem+json");
		assert_int_equal(fake.length, fake.body_len);
		json_t *o = problem();
		assert_int_equal(json_integer_value(json_object_get(o, "status")), fake.status);
		assert_string_equal(json_string_value(json_object_get(o, "reason")), fault_info[f].code);
		assert_string_equal(json_string_value(json_object_get(o, "detail")), fault_info[f].text);
		assert_string_equal(json_string_value(json_object_get(o, "request_id")), r->id);
		assert_string_equal(json_string_value(json_object_get(o, "type")), "about:blank");
		assert_true(json_string_length(json_object_get(o, "title")) > 0);
		bool later = fake.status == 429 || fake.status == 503;
		assert_int_equal(later, fake_field("Retry-After")[0] != '\0');
		assert_int_equal(later, json_is_integer(json_object_get(o, "retry_after")));
		assert_int_equal(fake.status == 401, fake_field("WWW-Authenticate")[0] && fake.status == 401);
		json_decref(o);
	}
}

static void a_request_without_route_or_method_is_answered(void **state)
{
	struct request *r = fake_request();

	(void)state;
	r->method = r->target = r->path = r->host = S("");
	r->fault = FAULT_BAD_REQUEST;
	assert_true(respond_own(r, WALL_NS));
	assert_int_equal(fake.status, 400);
	assert_true(fake.close);
	assert_true(fake.body_len > 0);
}

static void a_browser_gets_a_page_and_a_machine_gets_json(void **state)
{
	const struct {
		struct slice accept;
		bool page;
	} asks[] = {
		{ S(""), false },
		{ S("*/*"), false },
		{ S("application/json"), false },
		{ S("text/html"), true },
		{ BROWSER, true },
		{ S("text/html;q=0.5, application/json"), false },
		{ S("application/json;q=0.1, TEXT/HTML;level=1;q=0.2"), true },
		{ S("text/html;q=0"), false },
		{ S("text/html, */*"), false },
		{ S("text/html;q=0.9,application/problem+json;q=0.91"), false },
		{ S(",;,q=,text/html;q=0.x"), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
		struct request *r = routed(FAULT_NO_ROUTE);
		if (asks[i].accept.len)
			fake_ask(S("Accept"), asks[i].accept);
		assert_true(respond_own(r, WALL_NS));
		const char *want = asks[i].page ? "text/html; charset=utf-8" : "application/problem+json";
		assert_string_equal(fake_field("Content-Type"), want);
		assert_string_equal(fake_field("Sallyport-Reason"), "no-route");
		assert_int_equal(asks[i].page, strstr(fake.body, "<h1>") != NULL);
	}
}

static void the_page_loads_nothing_and_its_style_is_what_the_policy_allows(void **state)
{
	struct request *r = routed(FAULT_LIMITED);
	unsigned char digest[32], base64[64];
	char want[128];

	(void)state;
	fake_ask(S("Accept"), BROWSER);
	assert_true(respond_own(r, WALL_NS));
	assert_null(strstr(fake.body, "http"));
	assert_null(strstr(fake.body, "src="));
	assert_non_null(strstr(fake.body, "<code>limited</code>"));
	assert_non_null(strstr(fake.body, r->id));
	char *style = strstr(fake.body, "<style>") + 7, *end = strstr(style, "</style>");
	SHA256((unsigned char *)style, (size_t)(end - style), digest);
	EVP_EncodeBlock(base64, digest, sizeof digest);
	snprintf(want, sizeof want, "style-src 'sha256-%s'", (char *)base64);
	assert_non_null(strstr(fake_field("Content-Security-Policy"), want));
	assert_non_null(strstr(fake_field("Content-Security-Policy"), "default-src 'none'"));
}

static void a_login_that_has_to_wait_tries_again_by_itself_where_that_repeats_nothing(void **state)
{
	static const char *const methods[] = { "GET", "POST" };
	static const enum fault waits[] = { FAULT_ISSUER_AWAY, FAULT_ISSUER_RETURNING, FAULT_ISSUER_BUSY };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct request *r = routed(waits[i / 2]);
		char want[64];
		r->method = slice_of(methods[i % 2]);
		fake_ask(S("Accept"), BROWSER);
		assert_true(respond_own(r, WALL_NS));
		snprintf(want, sizeof want, "<meta http-equiv=\"refresh\" content=\"%.9s\">",
		         fake_field("Retry-After"));
		assert_int_equal(strstr(fake.body, want) != NULL, i % 2 == 0);
		assert_non_null(strstr(fake.body, "Signing in has to wait"));
	}
}

static void head_gets_the_length_and_no_body(void **state)
{
	struct request *r = routed(FAULT_DENIED);

	(void)state;
	assert_true(respond_own(r, WALL_NS));
	uint64_t length = fake.length;
	r = routed(FAULT_DENIED);
	r->method = S("HEAD");
	assert_true(respond_own(r, WALL_NS));
	assert_true(fake.no_body);
	assert_true(fake.has_length);
	assert_int_equal(fake.length, length);
	assert_int_equal(fake.body_len, 0);
	assert_int_equal(fake.ends, 1);
}

static void who_sent_no_token_is_told_the_realm_and_no_error(void **state)
{
	struct request *r = routed(FAULT_TOKEN_MISSING);

	(void)state;
	route.verify = &verify;
	assert_true(respond_own(r, WALL_NS));
	assert_int_equal(fake.status, 401);
	assert_string_equal(fake_field("WWW-Authenticate"), "Bearer realm=\"api\"");
}

static void a_bad_token_is_called_invalid_and_why(void **state)
{
	static const enum fault bad[] = { FAULT_TOKEN_MALFORMED, FAULT_TOKEN_SIGNATURE, FAULT_TOKEN_EXPIRED,
		                              FAULT_TOKEN_EARLY,     FAULT_TOKEN_ISSUER,    FAULT_TOKEN_AUDIENCE,
		                              FAULT_TOKEN_KEY };
	char want[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_true(respond_own(routed(bad[i]), WALL_NS));
		snprintf(want, sizeof want, "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"%s\"",
		         fault_info[bad[i]].text);
		assert_int_equal(fake.status, 401);
		assert_string_equal(fake_field("WWW-Authenticate"), want);
	}
}

static void a_narrow_token_is_told_which_scopes_it_lacks(void **state)
{
	struct request *r = routed(FAULT_TOKEN_SCOPE);

	(void)state;
	words[0] = S("read");
	words[1] = S("not \"quotable\"");
	words[2] = S("clusters:write");
	verify.scopes = (CONFIG_TEXTS){ words, 3 };
	route.verify = &verify;
	assert_true(respond_own(r, WALL_NS));
	assert_int_equal(fake.status, 403);
	assert_string_equal(
	    fake_field("WWW-Authenticate"),
	    "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"the token lacks a scope or "
	    "permission of this route\", scope=\"read clusters:write\"");
}

static void a_realm_cannot_break_out_of_its_quotes(void **state)
{
	struct request *r = routed(FAULT_TOKEN_MISSING);

	(void)state;
	route.name = S("a\"b\\c\r\nd");
	assert_true(respond_own(r, WALL_NS));
	assert_string_equal(fake_field("WWW-Authenticate"), "Bearer realm=\"a\\\"b\\\\cd\"");
}

static void a_denied_route_says_the_status_it_was_given(void **state)
{
	static const struct {
		unsigned deny, status;
	} ways[] = {
		{ 400, 400 }, { 401, 401 }, { 403, 403 }, { 405, 405 }, { 429, 429 },
		{ 503, 503 }, { 404, 403 }, { 410, 403 }, { 200, 403 }, { 0, 403 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct request *r = routed(FAULT_DENIED);
		route.deny = ways[i].deny;
		assert_true(respond_own(r, WALL_NS));
		assert_int_equal(fake.status, ways[i].status);
		assert_string_equal(fake_field("Sallyport-Reason"), "denied");
	}
}

static void a_denied_method_is_told_the_allowed_ones(void **state)
{
	struct request *r = routed(FAULT_METHOD_DENIED);

	(void)state;
	words[0] = S("GET");
	words[1] = S("HEAD");
	route.methods = (CONFIG_TEXTS){ words, 2 };
	assert_true(respond_own(r, WALL_NS));
	assert_int_equal(fake.status, 405);
	assert_string_equal(fake_field("Allow"), "GET, HEAD");
}

static void retry_after_is_at_least_the_limits_and_at_most_a_fifth_more(void **state)
{
	const struct config_limit limit = { .id = S("api-per-key") };
	bool differs = false;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct request *r = routed(FAULT_LIMITED);
		r->refusal = (struct refusal){ &limit, 100 * NS_PER_S };
		unsigned s = respond_retry_after(r);
		assert_in_range(s, 100, 120);
		differs = differs || s != 100;
		r->refusal.retry_after_ns = 1;
		assert_int_equal(respond_retry_after(r), 1);
	}
	assert_true(differs);
}

static void whoever_comes_back_when_told_is_never_too_early(void **state)
{
	const struct config_limit limit = { .id = S("api-per-key") };
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct request *r = routed(FAULT_LIMITED);
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		/* from a nanosecond to two years, all orders of magnitude alike */
		uint64_t wait_ns = (seed >> 8) % (UINT64_C(1) << (1 + seed % 56)) + 1;
		r->refusal = (struct refusal){ &limit, wait_ns };
		assert_true(respond_retry_after(r) * NS_PER_S >= wait_ns);
	}
}

static void without_a_limit_it_is_1_to_30_seconds(void **state)
{
	(void)state;
	for (unsigned f = FAULT_NONE + 1; f < FAULTS; f++)
		for (int i = 0; i < 50; i++)
			assert_in_range(respond_retry_after(routed((enum fault)f)), 1, 30);
}

static void limits_are_told(void **state)
{
	struct request *r = routed(FAULT_LIMITED);

	(void)state;
	r->rate_limit = S("\"api-per-key\";r=0;t=7");
	r->rate_limit_policy = S("\"api-per-key\";q=10;w=2");
	r->issuer_state = S("blind");
	assert_true(respond_own(r, WALL_NS));
	assert_string_equal(fake_field("RateLimit"), "\"api-per-key\";r=0;t=7");
	assert_string_equal(fake_field("RateLimit-Policy"), "\"api-per-key\";q=10;w=2");
	assert_string_equal(fake_field("Sallyport-Issuer-State"), "blind");
}

static void an_allowed_origin_may_read_our_answers_and_no_other(void **state)
{
	struct request *r = routed(FAULT_TOKEN_MISSING);

	(void)state;
	words[0] = S("https://app.example.com");
	cors.origins = (CONFIG_TEXTS){ words, 1 };
	cors.credentials = true;
	route.cors = &cors;
	fake_ask(S("Origin"), S("https://app.example.com"));
	assert_true(respond_own(r, WALL_NS));
	assert_string_equal(fake_field("Access-Control-Allow-Origin"), "https://app.example.com");
	assert_string_equal(fake_field("Access-Control-Allow-Credentials"), "true");
	assert_non_null(strstr(fake_field("Access-Control-Expose-Headers"), "Retry-After"));
	assert_string_equal(fake_field("Vary"), "Origin");

	r->said = 0;
	r->headers.at[0].value = S("https://app.example.com.evil.example");
	assert_true(respond_own(r, WALL_NS));
	assert_string_equal(fake_field("Access-Control-Allow-Origin"), "");
	assert_string_equal(fake_field("Vary"), "Origin");
}

static void any_origin_never_gets_credentials(void **state)
{
	struct request *r = routed(FAULT_TOKEN_MISSING);

	(void)state;
	words[0] = S("*");
	cors.origins = (CONFIG_TEXTS){ words, 1 };
	cors.credentials = true;
	route.cors = &cors;
	fake_ask(S("Origin"), S("https://evil.example"));
	assert_true(respond_own(r, WALL_NS));
	assert_string_equal(fake_field("Access-Control-Allow-Origin"), "*");
	assert_string_equal(fake_field("Access-Control-Allow-Credentials"), "");
}

static void the_routes_own_fields_stand_beside_ours_and_replace_none(void **state)
{
	struct request *r = routed(FAULT_OVERLOADED);
	struct config_pair pairs[] = { { S("Strict-Transport-Security"), S("max-age=31536000") },
		                           { S("cache-control"), S("public") },
		                           { S("Content-Length"), S("0") },
		                           { S("sallyport-reason"), S("all-well") } };
	struct config_headers changes = { .set = { pairs, 4 } };

	(void)state;
	route.response_headers = &changes;
	assert_true(respond_own(r, WALL_NS));
	assert_string_equal(fake_field("Strict-Transport-Security"), "max-age=31536000");
	assert_null(strstr(fake.head, "public"));
	assert_null(strstr(fake.head, "all-well"));
	assert_string_equal(fake_field("Content-Length"), "");
}

static void an_answer_that_is_no_fault_has_its_own_fields_and_no_body(void **state)
{
	struct header own[] = { { .name = S("Location"), .value = S("https://new.example.com/") } };
	struct request *r = routed(FAULT_NONE);

	(void)state;
	r->answer.status = 308;
	r->answer.fields = (struct headers){ own, 1, 1 };
	assert_true(respond_own(r, WALL_NS));
	assert_int_equal(fake.status, 308);
	assert_string_equal(fake_field("Location"), "https://new.example.com/");
	assert_string_equal(fake_field("Sallyport-Reason"), "redirect");
	assert_string_equal(fake_field("Cache-Control"), "");
	assert_true(fake.has_length);
	assert_int_equal(fake.length, 0);
	assert_int_equal(fake.body_len, 0);
	assert_false(fake.close);
}

static void a_preflights_answer_speaks_for_itself(void **state)
{
	struct header own[] = { { .name = S("Vary"), .value = S("Origin") },
		                    { .name = S("Access-Control-Allow-Origin"),
		                      .value = S("https://app.example.com") } };
	struct request *r = routed(FAULT_NONE);

	(void)state;
	words[0] = S("https://app.example.com");
	cors.origins = (CONFIG_TEXTS){ words, 1 };
	route.cors = &cors;
	fake_ask(S("Origin"), S("https://app.example.com"));
	r->answer.status = 204;
	r->answer.fields = (struct headers){ own, 2, 2 };
	assert_true(respond_own(r, WALL_NS));
	assert_false(fake.has_length);
	assert_true(fake.no_body);
	assert_string_equal(fake_field("Sallyport-Reason"), "preflight");
	char *first = strstr(fake.head, "Access-Control-Allow-Origin");
	assert_non_null(first);
	assert_null(strstr(first + 1, "Access-Control-Allow-Origin"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_has_its_answer_and_none_says_not_found),
		cmocka_unit_test(a_request_without_route_or_method_is_answered),
		cmocka_unit_test(a_browser_gets_a_page_and_a_machine_gets_json),
		cmocka_unit_test(the_page_loads_nothing_and_its_style_is_what_the_policy_allows),
		cmocka_unit_test(a_login_that_has_to_wait_tries_again_by_itself_where_that_repeats_nothing),
		cmocka_unit_test(head_gets_the_length_and_no_body),
		cmocka_unit_test(who_sent_no_token_is_told_the_realm_and_no_error),
		cmocka_unit_test(a_bad_token_is_called_invalid_and_why),
		cmocka_unit_test(a_narrow_token_is_told_which_scopes_it_lacks),
		cmocka_unit_test(a_realm_cannot_break_out_of_its_quotes),
		cmocka_unit_test(a_denied_route_says_the_status_it_was_given),
		cmocka_unit_test(a_denied_method_is_told_the_allowed_ones),
		cmocka_unit_test(retry_after_is_at_least_the_limits_and_at_most_a_fifth_more),
		cmocka_unit_test(whoever_comes_back_when_told_is_never_too_early),
		cmocka_unit_test(without_a_limit_it_is_1_to_30_seconds),
		cmocka_unit_test(limits_are_told),
		cmocka_unit_test(an_allowed_origin_may_read_our_answers_and_no_other),
		cmocka_unit_test(any_origin_never_gets_credentials),
		cmocka_unit_test(the_routes_own_fields_stand_beside_ours_and_replace_none),
		cmocka_unit_test(an_answer_that_is_no_fault_has_its_own_fields_and_no_body),
		cmocka_unit_test(a_preflights_answer_speaks_for_itself),
	};

	return cmocka_run_group_tests_name("own answers", tests, NULL, NULL);
}
