#include "base/clock.h"
#include "fetch/transfer.h"
#include "origin_tls.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>

#define KEEP 65536

static struct event_base *base;
static struct fetcher *fetcher;
static struct origin plain, local, secure;
static char directory[] = "/tmp/sallyport-fetch-XXXXXX", ca[64], socket_path[64];

static struct seen { /* of the last answer */
	unsigned answers;
	int status;
	char body[KEEP], failure[300];
	size_t len;
	uint64_t max_age_s, took_ns;
} seen;

static void on_done(void *with, const struct fetch_answer *a)
{
	struct seen *s = with;

	s->answers++;
	s->status = a->status;
	s->len = a->body.len;
	s->max_age_s = a->max_age_s;
	s->took_ns = a->took_ns;
	if (a->body.len && a->body.len <= KEEP)
		memcpy(s->body, a->body.at, a->body.len);
	snprintf(s->failure, sizeof s->failure, "%s", a->failure ? a->failure : "");
}

static void wait_for(unsigned answers)
{
	uint64_t give_up_ns = clock_ns() + 10 * NS_PER_S;

	while (seen.answers < answers && clock_ns() < give_up_ns)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(seen.answers, answers);
}

static void get_with(struct fetch_ask ask, const char *scheme, uint16_t port, const char *path)
{
	char url[128];

	snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, port, path);
	ask.url = url;
	ask.timeout_ns = ask.timeout_ns ? ask.timeout_ns : 5 * NS_PER_S;
	memset(&seen, 0, sizeof seen);
	fetch(fetcher, &ask, on_done, &seen);
	assert_int_equal(seen.answers, 0); /* never from inside the call */
	wait_for(1);
}

static void get(const char *path)
{
	get_with((struct fetch_ask){ .body_max = 4096 }, "http", plain.port, path);
}

static void a_document_comes_with_its_age(void **state)
{
	(void)state;
	get("/keys");
	assert_int_equal(seen.status, 200);
	assert_int_equal(seen.len, 5);
	assert_memory_equal(seen.body, "hello", 5);
	assert_true(seen.max_age_s == 77);
	assert_true(seen.took_ns > 0);
	assert_non_null(strstr(plain.request, "User-Agent: sallyport\r\n"));
	get("/500");
	assert_int_equal(seen.status, 500);
	assert_true(seen.max_age_s == UINT64_MAX);
	get("/no-store");
	assert_true(seen.max_age_s == 0);
}

static void connections_are_used_again(void **state)
{
	(void)state;
	get("/keys");
	unsigned before = atomic_load(&plain.connections);
	get("/keys");
	get("/keys");
	assert_int_equal(atomic_load(&plain.connections), before);
}

static void a_body_over_its_bound_is_a_failure(void **state)
{
	(void)state;
	get("/big");
	assert_int_equal(seen.status, 200); /* who asked was answered */
	assert_string_equal(seen.failure, "the body is too long");
	assert_int_equal(seen.len, 0);
	get_with((struct fetch_ask){ .body_max = 1 << 30 }, "http", plain.port, "/big"); /* never over 1 MiB */
	assert_string_equal(seen.failure, "the body is too long");
}

static void without_interest_in_the_body_only_the_status_counts(void **state)
{
	(void)state;
	get_with((struct fetch_ask){ 0 }, "http", plain.port, "/keys");
	assert_int_equal(seen.status, 200);
	assert_int_equal(seen.len, 0);
	get_with((struct fetch_ask){ 0 }, "http", plain.port, "/big");
	assert_int_equal(seen.status, 200);
}

static void what_is_no_http_answer_is_a_failure_with_a_reason(void **state)
{
	static const char *const paths[] = { "/nonsense", "/cut", "/silence" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		get(paths[i]);
		assert_int_equal(seen.status, 0);
		assert_true(strlen(seen.failure) > 3);
	}
	get_with((struct fetch_ask){ 0 }, "http", 1, "/refused");
	assert_int_equal(seen.status, 0);
	get_with((struct fetch_ask){ 0 }, "ftp", plain.port, "/keys");
	assert_int_equal(seen.status, 0);
	get_with((struct fetch_ask){ .host = "a\r\nX: y" }, "http", plain.port, "/keys");
	assert_int_equal(seen.status, 0);
}

static void one_that_hangs_ends_at_its_timeout(void **state)
{
	uint64_t before_ns = clock_ns();

	(void)state;
	get_with((struct fetch_ask){ .timeout_ns = 150 * NS_PER_MS }, "http", plain.port, "/hang");
	assert_int_equal(seen.status, 0);
	assert_in_range(clock_ns() - before_ns, 140 * NS_PER_MS, 2 * NS_PER_S);
}

static void a_redirect_to_plain_http_is_not_followed(void **state)
{
	(void)state;
	get("/plain");
	assert_int_equal(seen.status, 302);
	get_with((struct fetch_ask){ .follow = true, .body_max = 10 }, "http", plain.port, "/plain");
	assert_int_equal(seen.status, 0);
}

static void the_host_field_can_be_another(void **state)
{
	(void)state;
	get_with((struct fetch_ask){ .host = "cloud.example.com" }, "http", plain.port, "/keys");
	assert_int_equal(seen.status, 200);
	assert_non_null(strstr(plain.request, "Host: cloud.example.com\r\n"));
}

static void a_unix_socket_is_connected_to_instead(void **state)
{
	(void)state;
	get_with((struct fetch_ask){ .unix_socket = socket_path, .body_max = 10 }, "http", 1, "/keys");
	assert_int_equal(seen.status, 200);
	assert_int_equal(atomic_load(&local.connections), 1);
}

static void a_proxy_of_the_environment_is_not_asked(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	get("/keys");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(seen.status, 200);
}

static void a_certificate_is_verified_against_the_name_given(void **state)
{
	struct fetch_ask ask = { .ca = ca, .server_name = "api.internal", .body_max = 10 };

	(void)state;
	get_with(ask, "https", secure.port, "/keys");
	assert_string_equal(seen.failure, "");
	assert_int_equal(seen.status, 200);
	char host[64];
	snprintf(host, sizeof host, "Host: 127.0.0.1:%u\r\n", secure.port);
	assert_non_null(strstr(secure.request, host)); /* the name is TLS's; the Host stays the URL's */
	ask.host = "other";
	get_with(ask, "https", secure.port, "/keys");
	assert_non_null(strstr(secure.request, "Host: other\r\n"));
	ask.server_name = "else.internal";
	get_with(ask, "https", secure.port, "/keys");
	assert_int_equal(seen.status, 0);
	ask.server_name = NULL;
	get_with(ask, "https", secure.port, "/keys");
	assert_int_equal(seen.status, 0);
	ask = (struct fetch_ask){ .server_name = "api.internal" };
	get_with(ask, "https", secure.port, "/keys"); /* not signed by any CA of the system */
	assert_int_equal(seen.status, 0);
}

static void more_than_may_fly_wait_their_turn(void **state)
{
	char url[64];
	struct fetch_ask ask = { .url = url, .body_max = 10, .timeout_ns = 5 * NS_PER_S };

	(void)state;
	snprintf(url, sizeof url, "http://127.0.0.1:%u/keys", 1);
	memset(&seen, 0, sizeof seen);
	for (int i = 0; i < 200; i++)
		fetch(fetcher, &ask, on_done, &seen);
	wait_for(200);
}

static void closing_calls_back_what_is_unfinished(void **state)
{
	char url[64];
	struct fetch_ask ask = { .url = url, .body_max = 10, .timeout_ns = 5 * NS_PER_S };
	struct fetcher *own = fetcher_open(base);

	(void)state;
	snprintf(url, sizeof url, "http://127.0.0.1:%u/hang", plain.port);
	memset(&seen, 0, sizeof seen);
	fetch(own, &ask, on_done, &seen);
	for (int i = 0; i < 5; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	fetch(own, &ask, on_done, &seen);
	fetcher_close(own);
	assert_int_equal(seen.answers, 2);
	assert_int_equal(seen.status, 0);
	assert_true(seen.failure[0]);
}

static void cache_control_is_read_as_written(void **state)
{
	static const struct {
		const char *line;
		uint64_t age;
	} table[] = {
		{ "Cache-Control: max-age=5", 5 },
		{ "cache-control:public,max-age=\"6\"", 6 },
		{ "Cache-Control: no-cache", 0 },
		{ "Cache-Control: no-store, max-age=9", 0 },
		{ "Cache-Control: max-age=-1", UINT64_MAX },
		{ "Cache-Control: max-age=", UINT64_MAX },
		{ "Cache-Control: max-age=1x", UINT64_MAX },
		{ "X-Cache-Control: max-age=5", UINT64_MAX },
		{ "Cache-Control", UINT64_MAX },
		{ "Cache-Control: max-age=\"", UINT64_MAX },
		{ "Cache-Control: s-maxage=5", UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint64_t age = UINT64_MAX;
		flight_cache_control(slice_of(table[i].line), &age);
		if (age != table[i].age)
			fail_msg("%s gave %llu", table[i].line, (unsigned long long)age);
	}
}

static void a_proxy_is_asked_where_one_is_named(void **state)
{
	static struct origin between; /* nobody else, not even late, writes into what it has seen */
	char proxy[64];

	(void)state;
	origin_open(&between, NULL, NULL);
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", between.port);
	struct fetch_ask ask = { .url = "http://issuer.invalid/keys",
		                     .proxy = proxy,
		                     .body_max = KEEP,
		                     .alone = true,
		                     .timeout_ns = 5 * NS_PER_S };
	memset(&seen, 0, sizeof seen);
	fetch(fetcher, &ask, on_done, &seen);
	wait_for(1);
	assert_int_not_equal(seen.status, 0);
	assert_int_equal(strncmp(between.request, "GET http://issuer.invalid/keys HTTP/1.1", 39), 0);
	ask.url = "https://issuer.invalid/keys"; /* this one answers CONNECT like any other request */
	fetch(fetcher, &ask, on_done, &seen);
	wait_for(2);
	assert_int_equal(seen.status, 0);
	assert_int_equal(strncmp(between.request, "CONNECT issuer.invalid:443 HTTP/1.1", 35), 0);
	origin_close(&between);
}

static void a_local_address_is_gone_from_where_one_is_named(void **state)
{
	static struct origin own; /* which no connection of an earlier test reaches late */
	const struct fetch_ask from = { .body_max = KEEP, .address = "127.0.0.9", .alone = true };

	(void)state;
	origin_open(&own, NULL, NULL);
	get_with(from, "http", own.port, "/keys");
	assert_int_equal(seen.status, 200);
	get_with((struct fetch_ask){ .body_max = KEEP, .alone = true }, "http", own.port, "/keys");
	assert_int_equal(own.connections, 2); /* one way's connection never serves another */
	get_with((struct fetch_ask){ .body_max = KEEP, .address = "192.0.2.1" }, "http", own.port, "/");
	assert_int_equal(seen.status, 0); /* it is not this machine's */
	get_with((struct fetch_ask){ .body_max = KEEP, .address = "lo" }, "http", own.port, "/keys");
	assert_int_equal(seen.status, 0); /* nor is the name of an interface an address */
	origin_close(&own);
}

static void a_form_is_posted_with_the_names_of_who_asks(void **state)
{
	const struct fetch_ask ask = {
		.body_max = 10, .form = "token=a%2Bb", .user = "gate+way", .password = "s%3Ae"
	};

	(void)state;
	get_with(ask, "http", plain.port, "/keys");
	assert_int_equal(seen.status, 200);
	assert_int_equal(strncmp(plain.request, "POST /keys HTTP/1.1", 19), 0);
	assert_non_null(strstr(plain.request, "Authorization: Basic Z2F0ZSt3YXk6cyUzQWU=\r\n"));
	assert_non_null(strstr(plain.request, "Content-Type: application/x-www-form-urlencoded\r\n"));
	assert_non_null(strstr(plain.request, "\r\n\r\ntoken=a%2Bb"));
	get("/keys"); /* on the same connection, and nothing of it is left */
	assert_null(strstr(plain.request, "Authorization"));
}

static void a_bearer_token_is_sent_to_nobody_else(void **state)
{
	const struct fetch_ask ask = { .follow = true, .body_max = 10, .bearer = "tok-1" };

	(void)state;
	get_with(ask, "http", plain.port, "/keys");
	assert_non_null(strstr(plain.request, "Authorization: Bearer tok-1\r\n"));
	assert_int_equal(strncmp(plain.request, "GET ", 4), 0);
	get_with(ask, "http", plain.port, "/plain");
	assert_int_equal(seen.status, 302); /* not followed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_comes_with_its_age),
		cmocka_unit_test(connections_are_used_again),
		cmocka_unit_test(a_body_over_its_bound_is_a_failure),
		cmocka_unit_test(without_interest_in_the_body_only_the_status_counts),
		cmocka_unit_test(what_is_no_http_answer_is_a_failure_with_a_reason),
		cmocka_unit_test(one_that_hangs_ends_at_its_timeout),
		cmocka_unit_test(a_redirect_to_plain_http_is_not_followed),
		cmocka_unit_test(the_host_field_can_be_another),
		cmocka_unit_test(a_unix_socket_is_connected_to_instead),
		cmocka_unit_test(a_proxy_of_the_environment_is_not_asked),
		cmocka_unit_test(a_certificate_is_verified_against_the_name_given),
		cmocka_unit_test(more_than_may_fly_wait_their_turn),
		cmocka_unit_test(closing_calls_back_what_is_unfinished),
		cmocka_unit_test(cache_control_is_read_as_written),
		cmocka_unit_test(a_proxy_is_asked_where_one_is_named),
		cmocka_unit_test(a_local_address_is_gone_from_where_one_is_named),
		cmocka_unit_test(a_form_is_posted_with_the_names_of_who_asks),
		cmocka_unit_test(a_bearer_token_is_sent_to_nobody_else),
	};

	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(directory))
		return 1;
	snprintf(ca, sizeof ca, "%s/ca.pem", directory);
	snprintf(socket_path, sizeof socket_path, "%s/socket", directory);
	base = event_base_new();
	fetcher = fetcher_open(base);
	origin_open(&plain, NULL, NULL);
	origin_open(&local, socket_path, NULL);
	origin_open(&secure, NULL, origin_tls("api.internal", ca));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fetcher_close(fetcher);
	event_base_free(base);
	origin_close(&plain);
	origin_close(&local);
	origin_close(&secure);
	unlink(ca);
	rmdir(directory);
	return failed;
}
