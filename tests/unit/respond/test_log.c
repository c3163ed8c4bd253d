#include "fake.h"
#include <jansson.h>
#include <stdlib.h>

#define WALL_NS (UINT64_C(1741964966535) * NS_PER_MS)

static char line[RESPOND_LOG_MAX + 1];

/* The line as JSON; the caller drops the reference. */
static json_t *log_of(const struct request *r, uint64_t now_ns)
{
	struct text t = TEXT(line);
	json_error_t e;

	respond_log(r, WALL_NS, now_ns, &t);
	assert_true(t.len <= RESPOND_LOG_MAX);
	assert_true(text_end(&t));
	assert_null(strpbrk(line, "\n\r\x1b"));
	json_t *o = json_loadb(line, t.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!o)
		print_message("%s at %d: %s\n", e.text, e.position, line);
	assert_non_null(o);
	return o;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "(absent)";
}

static struct in6_addr mapped(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (
	    struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d } };
}

static struct request *whole(void)
{
	static struct config_route route;
	static struct config_limit limit;
	struct request *r = fake_request();

	route.name = S("api");
	route.reconcile = true;
	limit.id = S("api-per-key");
	r->route = &route;
	r->refusal.limit = &limit;
	r->absence = ABSENCE_HELD;
	r->absence_status = 410;
	r->fault = FAULT_LIMITED;
	r->status = 429;
	r->query = S("code=SECRET&page=2");
	r->address = mapped(203, 0, 113, 7);
	fake.client_facts = (struct client_facts){ .peer = mapped(10, 0, 0, 1),
		                                       .peer_port = 40000,
		                                       .local_port = 443,
		                                       .tls = true,
		                                       .resumed = true,
		                                       .tls_version = S("1.3"),
		                                       .server_name = S("cloud.example.com"),
		                                       .ja4 = "t13d1516h2_8daaf6152771_b0da82dd1658" };
	fake_ask(S("User-Agent"), S("terraform/1.7.0"));
	fake_ask(S("Authorization"), S("Bearer eyJSECRET"));
	fake_ask(S("Cookie"), S("session=SECRET"));
	r->identity = (struct identity){ .verdict = VERDICT_VALID,
		                             .issuer = S("auth0"),
		                             .subject = S("auth0|alice"),
		                             .client = S("ci"),
		                             .tenant = S("org_1") };
	r->upstream = S("auth-api");
	r->endpoint = S("http://10.0.1.10:8080");
	r->rule = S("honest-automation");
	r->class = CLASS_DECLARED;
	r->retried = true;
	r->body_in = 12;
	r->body_out = 345;
	return r;
}

static void the_line_tells_what_happened(void **state)
{
	static const char *const want[][2] = {
		{ "timestamp", "2025-03-14T15:09:26.535Z" },
		{ "trace_id", "0af7651916cd43dd8448eb211c80319c" },
		{ "span_id", "b7ad6b7169203331" },
		{ "http.request.method", "GET" },
		{ "url.scheme", "https" },
		{ "url.path", "/api/v1/things" },
		{ "url.query", "code=-&page=-" },
		{ "server.address", "cloud.example.com" },
		{ "user_agent.original", "terraform/1.7.0" },
		{ "network.protocol.version", "2" },
		{ "client.address", "203.0.113.7" },
		{ "network.peer.address", "10.0.0.1" },
		{ "tls.protocol.version", "1.3" },
		{ "sallyport.ja4", "t13d1516h2_8daaf6152771_b0da82dd1658" },
		{ "sallyport.route", "api" },
		{ "sallyport.reason", "limited" },
		{ "sallyport.verdict", "valid" },
		{ "sallyport.issuer", "auth0" },
		{ "sallyport.client", "ci" },
		{ "sallyport.tenant", "org_1" },
		{ "sallyport.class", "declared" },
		{ "sallyport.rule", "honest-automation" },
		{ "sallyport.limit", "api-per-key" },
		{ "sallyport.upstream", "auth-api" },
		{ "sallyport.endpoint", "http://10.0.1.10:8080" },
		{ "sallyport.sni", "(absent)" }, /* it is the host asked for */
	};
	json_t *o = log_of(whole(), 0);

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		assert_string_equal(text_of(o, want[i][0]), want[i][1]);
	assert_int_equal(json_integer_value(json_object_get(o, "http.response.status_code")), 429);
	assert_int_equal(json_integer_value(json_object_get(o, "http.request.body.size")), 12);
	assert_int_equal(json_integer_value(json_object_get(o, "http.response.body.size")), 345);
	assert_int_equal(json_integer_value(json_object_get(o, "network.peer.port")), 40000);
	assert_int_equal(json_integer_value(json_object_get(o, "server.port")), 443);
	assert_true(json_is_true(json_object_get(o, "tls.resumed")));
	assert_true(json_is_true(json_object_get(o, "sallyport.retried")));
	assert_true(json_is_true(json_object_get(o, "sallyport.reconcile")));
	assert_string_equal(json_string_value(json_object_get(o, "sallyport.absence")), "held");
	assert_int_equal(json_integer_value(json_object_get(o, "sallyport.absence_status")), 410);
	json_decref(o);
}

static void no_credential_and_no_person_is_in_it(void **state)
{
	(void)state;
	json_decref(log_of(whole(), 0));
	assert_null(strstr(line, "SECRET"));
	assert_null(strstr(line, "alice"));
	assert_non_null(strstr(line, "user.hash"));
}

static void a_subject_has_one_hash_per_secret(void **state)
{
	char first[32], second[32];

	(void)state;
	respond_log_key((struct siphash_key){ 1, 2 });
	json_t *o = log_of(whole(), 0);
	snprintf(first, sizeof first, "%s", text_of(o, "user.hash"));
	json_decref(o);
	respond_log_key((struct siphash_key){ 1, 3 });
	o = log_of(whole(), 0);
	snprintf(second, sizeof second, "%s", text_of(o, "user.hash"));
	json_decref(o);
	assert_int_equal(strlen(first), 16);
	assert_string_not_equal(first, second);
	respond_log_key((struct siphash_key){ 1, 2 });
	o = log_of(whole(), 0);
	assert_string_equal(text_of(o, "user.hash"), first);
	json_decref(o);
}

static void query_values_are_hidden_unless_allowed(void **state)
{
	const struct {
		struct slice query;
		const char *shown;
	} ways[] = {
		{ S("page=2&code=abc"), "page=2&code=-" },
		{ S("page=2;code=abc"), "page=2;code=-" },
		{ S("a-token-without-a-name"), "-" },
		{ S("page"), "page" },
		{ S("x="), "x=-" },
		{ S("page=a=b"), "page=a=b" },
		{ S("=v"), "=-" },
		{ S("&&"), "&&" },
		{ S("Page=2"), "Page=-" },
	};
	struct slice allowed[] = { S("sort"), S("page") };

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct request *r = whole();
		fake.config.root.log.query_allow = (CONFIG_TEXTS){ allowed, 2 };
		r->query = ways[i].query;
		json_t *o = log_of(r, 0);
		assert_string_equal(text_of(o, "url.query"), ways[i].shown);
		json_decref(o);
	}
}

static void each_station_has_its_time(void **state)
{
	struct request *r = whole();
	const uint64_t at = UINT64_C(5000000000);

	(void)state;
	r->marks_ns[MARK_BEGAN] = at;
	r->marks_ns[MARK_ROUTED] = at + 10 * NS_PER_US;
	r->marks_ns[MARK_LIMITED] = at + 30 * NS_PER_US;
	r->marks_ns[MARK_SENT] = at + 2 * NS_PER_MS;
	r->marks_ns[MARK_HEAD] = at + 1500 * NS_PER_MS;
	r->marks_ns[MARK_ENDED] = at + 1502 * NS_PER_MS + 70 * NS_PER_US;
	json_decref(log_of(r, 0));
	assert_non_null(strstr(line, "\"sallyport.ms.route\":0.010,"));
	assert_non_null(strstr(line, "\"sallyport.ms.limit\":0.020,"));
	assert_null(strstr(line, "sallyport.ms.verify"));
	assert_non_null(strstr(line, "\"sallyport.ms.send\":1.970,"));
	assert_non_null(strstr(line, "\"sallyport.ms.upstream_head\":1498.000,"));
	assert_non_null(strstr(line, "\"sallyport.ms.answer\":2.070,"));
	assert_non_null(strstr(line, "\"sallyport.ms.total\":1502.070}"));
	r->marks_ns[MARK_VERIFIED] = r->marks_ns[MARK_SCREENED] = at + 50 * NS_PER_US;
	r->marks_ns[MARK_LIMITED_LATE] = at + 1050 * NS_PER_US; /* it waited for Redis */
	r->marks_ns[MARK_GATHERED] = at + 1350 * NS_PER_US;
	json_decref(log_of(r, 0));
	assert_non_null(strstr(line, "\"sallyport.ms.verify\":0.020,"));
	assert_null(strstr(line, "sallyport.ms.screen")); /* it did not wait there */
	assert_non_null(strstr(line, "\"sallyport.ms.limit_identity\":1.000,"));
	assert_non_null(strstr(line, "\"sallyport.ms.body\":0.300,"));
	assert_non_null(strstr(line, "\"sallyport.ms.send\":0.650,"));
	r->marks_ns[MARK_ENDED] = 0;
	json_decref(log_of(r, at + NS_PER_MS)); /* a clock behind the marks gives no nonsense */
	assert_non_null(strstr(line, "\"sallyport.ms.total\":1.000}"));
}

static void controls_and_bad_utf8_are_escaped(void **state)
{
	struct request *r = whole();

	(void)state;
	r->headers.at[0].value = S("a\x1b[31m\xff\xc2\x9b\xe2\x82\xac\"\\\n");
	json_decref(log_of(r, 0));
	assert_non_null(strstr(line, "a\\u001b[31m\\u00ff\\u009b\xe2\x82\xac\\\"\\\\\\u000a"));
}

static void a_request_that_was_never_understood_has_a_line(void **state)
{
	struct request *r = fake_request();

	(void)state;
	r->method = r->path = r->host = S("");
	r->target = S("/x\x01?token=SECRET");
	r->version = 0;
	r->fault = FAULT_BAD_REQUEST;
	json_t *o = log_of(r, 0);
	assert_string_equal(text_of(o, "sallyport.reason"), "bad-request");
	assert_string_equal(text_of(o, "url.path"), "/x\x01");
	assert_null(strstr(line, "SECRET"));
	assert_null(json_object_get(o, "http.response.status_code"));
	json_decref(o);
}

static struct slice random_slice(char *store, size_t cap, unsigned flavour)
{
	size_t len = (size_t)lrand48() % cap;

	for (size_t i = 0; i < len; i++) {
		const char kinds[] = { (char)lrand48(), '\x01', "\xE2\x82\xAC"[i % 3], 'x' };
		store[i] = kinds[flavour];
	}
	return (struct slice){ store, len };
}

static void random_bytes_in_every_field_give_valid_json_that_fits(void **state)
{
	static char store[20][9000];
	static struct config_route route;
	static struct config_limit limit;

	(void)state;
	srand48(7);
	for (unsigned n = 0; n < 2000; n++) {
		struct request *r = whole();
		struct slice *fields[] = { &r->method,
			                       &r->path,
			                       &r->query,
			                       &r->host,
			                       &r->headers.at[0].value,
			                       &fake.client_facts.tls_version,
			                       &fake.client_facts.server_name,
			                       &fake.client_facts.certificate,
			                       &r->rule,
			                       &r->upstream,
			                       &r->endpoint,
			                       &r->identity.issuer,
			                       &r->identity.subject,
			                       &r->identity.client,
			                       &r->identity.tenant,
			                       &route.name,
			                       &limit.id,
			                       &r->target,
			                       &r->scheme };
		r->route = &route;
		r->refusal.limit = &limit;
		for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
			*fields[i] = random_slice(store[i], n % 2 ? 9000 : 90, n / 2 % 4);
		memset(&r->address, 0xfe, sizeof r->address);
		memset(&fake.client_facts.peer, 0xfe, sizeof fake.client_facts.peer);
		fake.client_facts.peer_port = fake.client_facts.local_port = r->status = UINT16_MAX;
		r->body_in = r->body_out = INT64_MAX;
		for (int i = 0; i < MARKS; i++)
			r->marks_ns[i] = (uint64_t)i << 60;
		json_decref(log_of(r, UINT64_MAX));
	}
}

/* Every key that can be written is explained to the reader of the log. */
static void every_key_is_documented(void **state)
{
	static char document[65536];
	FILE *f = fopen("conf/ACCESS-LOG.md", "r");
	struct request *r = whole();
	const char *key;
	json_t *value;

	(void)state;
	assert_non_null(f);
	document[fread(document, 1, sizeof document - 1, f)] = '\0';
	fclose(f);
	fake.client_facts.server_name = S("other.example.com");
	fake.client_facts.certificate = S("CN=robot");
	for (int i = 0; i < MARKS; i++)
		r->marks_ns[i] = 1 + (uint64_t)i;
	json_t *o = log_of(r, 0);
	json_object_foreach(o, key, value) {
		char want[128];
		snprintf(want, sizeof want, "`%s`", key);
		if (!strstr(document, want))
			fail_msg("%s is not in conf/ACCESS-LOG.md", key);
	}
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_tells_what_happened),
		cmocka_unit_test(no_credential_and_no_person_is_in_it),
		cmocka_unit_test(a_subject_has_one_hash_per_secret),
		cmocka_unit_test(query_values_are_hidden_unless_allowed),
		cmocka_unit_test(each_station_has_its_time),
		cmocka_unit_test(controls_and_bad_utf8_are_escaped),
		cmocka_unit_test(a_request_that_was_never_understood_has_a_line),
		cmocka_unit_test(random_bytes_in_every_field_give_valid_json_that_fits),
		cmocka_unit_test(every_key_is_documented),
	};

	return cmocka_run_group_tests_name("the access log line", tests, NULL, NULL);
}
