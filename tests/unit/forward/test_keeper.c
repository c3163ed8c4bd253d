#include "forward/keeper.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX 16

/* A world in which tests answer the questions. */
static struct world {
	uint64_t now_ns;
	struct {
		void (*done)(void *for_whom, int status, const char *failure);
		void *for_whom;
		char url[700], socket[128], host[64];
	} probes[MAX];
	struct {
		void (*done)(void *for_whom, const struct sockaddr_storage *found, size_t len);
		void *for_whom;
		char host[256];
	} lookups[MAX];
	struct {
		void (*done)(void *for_whom, bool accepted);
		void *for_whom;
		uint64_t at_ns;
		uint16_t port;
	} dials[MAX];
	size_t probes_len, lookups_len, dials_len; /* asked and not answered */
} w;

static struct config config;
static struct config_upstream upstream;
static struct config_health health;
static struct slice endpoints[2000];
static struct forward_published *published;
static struct forward_keeper *keeper;

static void on_probe(void *with, const char *url, const char *unix_socket, const char *host,
                     const struct config_upstream_tls *tls, uint64_t timeout_ns,
                     void (*done)(void *for_whom, int status, const char *failure), void *for_whom)
{
	(void)with, (void)tls;
	assert_true(w.probes_len < MAX && timeout_ns == health.timeout);
	w.probes[w.probes_len].done = done;
	w.probes[w.probes_len].for_whom = for_whom;
	snprintf(w.probes[w.probes_len].url, 700, "%s", url);
	snprintf(w.probes[w.probes_len].socket, 128, "%s", unix_socket ? unix_socket : "");
	snprintf(w.probes[w.probes_len++].host, 64, "%s", host ? host : "");
}

static void on_resolve(void *with, const char *host, uint16_t port,
                       void (*done)(void *for_whom, const struct sockaddr_storage *found, size_t len),
                       void *for_whom)
{
	(void)with;
	assert_true(w.lookups_len < MAX && port > 0);
	w.lookups[w.lookups_len].done = done;
	w.lookups[w.lookups_len].for_whom = for_whom;
	snprintf(w.lookups[w.lookups_len++].host, 256, "%s", host);
}

static void on_dial(void *with, const struct sockaddr_storage *to, socklen_t len, uint64_t timeout_ns,
                    void (*done)(void *for_whom, bool accepted), void *for_whom)
{
	(void)with, (void)timeout_ns;
	assert_true(w.dials_len < MAX && len >= sizeof(struct sockaddr_in));
	w.dials[w.dials_len].done = done;
	w.dials[w.dials_len].for_whom = for_whom;
	w.dials[w.dials_len].at_ns = w.now_ns;
	w.dials[w.dials_len++].port = ntohs(((const struct sockaddr_in *)to)->sin_port);
}

static void answer_dial(bool accepted)
{
	assert_true(w.dials_len > 0);
	w.dials_len--;
	w.dials[w.dials_len].done(w.dials[w.dials_len].for_whom, accepted);
}

static uint64_t on_now(void *with)
{
	(void)with;
	return w.now_ns;
}

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	memset(&upstream, 0, sizeof upstream);
	w.now_ns = 10000 * NS_PER_S;
	health = (struct config_health){ .path = S("/healthz"), .interval = 5 * NS_PER_S };
	health.timeout = 2 * NS_PER_S;
	health.rise = 2;
	health.fall = 3;
	upstream.id = S("api");
	upstream.endpoints.at = endpoints;
	config.root.upstreams = &upstream;
	config.root.upstreams_len = 1;
	published = calloc(1, sizeof *published);
	keeper = NULL;
	return 0;
}

static void answer_probe(int status)
{
	assert_true(w.probes_len > 0);
	w.probes_len--;
	w.probes[w.probes_len].done(w.probes[w.probes_len].for_whom, status, status ? NULL : "refused");
}

static void answer_lookup(unsigned addresses)
{
	struct sockaddr_storage found[20] = { 0 };

	assert_true(w.lookups_len > 0 && addresses <= 20);
	for (unsigned i = 0; i < addresses; i++) {
		struct sockaddr_in *in = (struct sockaddr_in *)&found[i];
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(0x0a000001 + i / 2); /* each twice */
	}
	w.lookups_len--;
	w.lookups[w.lookups_len].done(w.lookups[w.lookups_len].for_whom, found, addresses);
}

static int teardown(void **state)
{
	(void)state;
	forward_keeper_close(keeper);
	while (w.probes_len) /* late answers to a keeper that is gone */
		answer_probe(200);
	while (w.lookups_len)
		answer_lookup(2);
	while (w.dials_len)
		answer_dial(true);
	free(published);
	return 0;
}

static void open_with(const char *one, const char *two, bool checked)
{
	forward_keeper_close(keeper);
	endpoints[0] = slice_of(one);
	endpoints[1] = slice_of(two);
	upstream.endpoints.len = two ? 2 : 1;
	upstream.health = checked ? &health : NULL;
	struct forward_env world = { NULL, on_probe, on_resolve, on_dial, on_now };
	keeper = forward_keeper_open(&config, published, world);
}

static struct endpoint_state said_of(const char *url)
{
	struct endpoint_state s = { 0 };
	char name[256];

	assert_true(endpoint_name(S("api"), slice_of(url), name));
	size_t i = endpoint_find(published, name);
	assert_true(i < published->len);
	endpoint_read(published, i, &s);
	return s;
}

static void pass(uint64_t ns)
{
	w.now_ns += ns;
	forward_keeper_tick(keeper);
}

static void a_literal_address_is_published_at_once(void **state)
{
	(void)state;
	open_with("http://10.0.1.10:8080", "https://[2001:db8::1]", false);
	struct endpoint_state s = said_of("http://10.0.1.10:8080");
	assert_int_equal(s.addresses_len, 1);
	assert_int_equal(((struct sockaddr_in *)&s.addresses[0])->sin_port, htons(8080));
	s = said_of("https://[2001:db8::1]");
	assert_int_equal(s.addresses[0].ss_family, AF_INET6);
	assert_int_equal(s.health, HEALTH_UNKNOWN);
	forward_keeper_tick(keeper);
	assert_int_equal(w.lookups_len, 0);
	assert_int_equal(w.probes_len, 0);
}

static void a_unix_socket_has_a_record_and_no_address(void **state)
{
	(void)state;
	open_with("unix:/run/api.sock", NULL, true);
	assert_int_equal(said_of("unix:/run/api.sock").addresses_len, 0);
	pass(NS_PER_S);
	assert_int_equal(w.probes_len, 1);
	assert_string_equal(w.probes[0].url, "http://localhost/healthz");
	assert_string_equal(w.probes[0].socket, "/run/api.sock");
}

static void a_name_is_looked_up_and_again_after_half_a_minute(void **state)
{
	(void)state;
	open_with("http://api.local:81/", NULL, false);
	forward_keeper_tick(keeper);
	assert_int_equal(w.lookups_len, 1);
	assert_string_equal(w.lookups[0].host, "api.local");
	answer_lookup(4);
	struct endpoint_state s = said_of("http://api.local:81/");
	assert_int_equal(s.addresses_len, 2);
	assert_int_equal(((struct sockaddr_in *)&s.addresses[1])->sin_port, htons(81));
	uint64_t next = forward_keeper_tick(keeper);
	assert_true(next >= w.now_ns + 27 * NS_PER_S && next <= w.now_ns + 33 * NS_PER_S);
	pass(26 * NS_PER_S);
	assert_int_equal(w.lookups_len, 0);
	pass(8 * NS_PER_S);
	assert_int_equal(w.lookups_len, 1);
	answer_lookup(20);
	assert_int_equal(said_of("http://api.local:81/").addresses_len, 8);
}

static void a_name_that_is_lost_keeps_its_addresses(void **state)
{
	(void)state;
	open_with("http://api.local", NULL, false);
	forward_keeper_tick(keeper);
	answer_lookup(2);
	pass(34 * NS_PER_S);
	answer_lookup(0);
	assert_int_equal(said_of("http://api.local").addresses_len, 1);
	pass(2 * NS_PER_S); /* asked again sooner than usual */
	assert_int_equal(w.lookups_len, 1);
	pass(25 * NS_PER_S); /* given up by our own clock; the late answer is dropped */
	void (*late)(void *, const struct sockaddr_storage *, size_t) = w.lookups[0].done;
	void *whom = w.lookups[0].for_whom;
	w.lookups_len = 0;
	pass(5 * NS_PER_S);
	assert_int_equal(w.lookups_len, 1);
	late(whom, NULL, 0);
	answer_lookup(4);
	assert_int_equal(said_of("http://api.local").addresses_len, 2);
}

static void check_once(int status)
{
	pass(6 * NS_PER_S);
	answer_probe(status);
}

static void an_endpoint_falls_and_rises(void **state)
{
	const char *url = "http://10.0.0.1";

	(void)state;
	open_with(url, NULL, true);
	pass(NS_PER_S);
	assert_string_equal(w.probes[0].url, "http://10.0.0.1/healthz");
	answer_probe(200);
	assert_int_equal(said_of(url).health, HEALTH_UP); /* one is enough where nothing was known */
	assert_int_equal(said_of(url).checked_ns, w.now_ns);
	check_once(503);
	check_once(0);
	check_once(204); /* not in a row */
	check_once(500);
	check_once(404);
	assert_int_equal(said_of(url).health, HEALTH_UP);
	check_once(0);
	assert_int_equal(said_of(url).health, HEALTH_DOWN);
	check_once(301);
	assert_int_equal(said_of(url).health, HEALTH_DOWN);
	check_once(500);
	check_once(200);
	assert_int_equal(said_of(url).health, HEALTH_DOWN);
	check_once(399);
	assert_int_equal(said_of(url).health, HEALTH_UP);
	assert_int_equal(said_of(url).addresses_len, 1);
}

static void checks_keep_their_interval_with_jitter(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	open_with("unix:/x", NULL, true);
	health.host = S("api.example.com");
	pass(NS_PER_S);
	assert_string_equal(w.probes[0].host, "api.example.com");
	for (int i = 0; i < 200; i++) {
		answer_probe(200);
		uint64_t next = keeper->watched[0].probe_due_ns, wait = next - w.now_ns;
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		pass(wait - 1);
		assert_int_equal(w.probes_len, 0);
		pass(1);
		assert_int_equal(w.probes_len, 1);
	}
	assert_true(least >= 4500 * NS_PER_MS && most <= 5500 * NS_PER_MS && most - least > 500 * NS_PER_MS);
	health.host = (struct slice){ 0 };
}

static void a_check_that_is_never_answered_has_failed(void **state)
{
	(void)state;
	open_with("http://10.0.0.1", NULL, true);
	health.fall = 1;
	pass(NS_PER_S);
	pass(6 * NS_PER_S);
	assert_int_equal(said_of("http://10.0.0.1").health, HEALTH_UNKNOWN);
	pass(NS_PER_S);
	assert_int_equal(said_of("http://10.0.0.1").health, HEALTH_DOWN);
	void (*late)(void *, int, const char *) = w.probes[0].done;
	void *whom = w.probes[0].for_whom;
	w.probes_len = 0;
	pass(6 * NS_PER_S);
	assert_int_equal(w.probes_len, 1);
	late(whom, 200, NULL); /* the answer to a question given up */
	assert_int_equal(said_of("http://10.0.0.1").health, HEALTH_DOWN);
	assert_non_null(keeper->watched[0].probe);
}

static void a_new_keeper_takes_over_what_was_known(void **state)
{
	(void)state;
	open_with("http://api.local", NULL, true);
	forward_keeper_tick(keeper);
	answer_lookup(2);
	pass(NS_PER_S);
	for (int i = 0; i < 3; i++) {
		answer_probe(0);
		pass(6 * NS_PER_S);
	}
	assert_int_equal(said_of("http://api.local").health, HEALTH_DOWN);
	open_with("http://other", "http://api.local", true);
	assert_int_equal(said_of("http://api.local").health, HEALTH_DOWN);
	assert_int_equal(said_of("http://api.local").addresses_len, 1);
	assert_int_equal(published->len, 2);
	open_with("http://api.local", NULL, false); /* no longer checked: no longer down */
	assert_int_equal(said_of("http://api.local").health, HEALTH_UNKNOWN);
	assert_int_equal(published->len, 2);
}

static void a_record_is_given_away_only_when_long_forgotten(void **state)
{
	static char urls[RECORDS][32];

	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		snprintf(urls[i], sizeof urls[i], "unix:/run/%zu", i);
		endpoints[i] = slice_of(urls[i]);
	}
	upstream.endpoints.len = RECORDS;
	struct forward_env world = { NULL, on_probe, on_resolve, on_dial, on_now };
	keeper = forward_keeper_open(&config, published, world);
	assert_int_equal(published->len, RECORDS);
	open_with("unix:/run/5", "unix:/run/new", false); /* workers may still hold the others */
	assert_int_equal(keeper->watched[1].record, RECORDS);
	forward_keeper_tick(keeper);
	w.now_ns += 3 * 3600 * NS_PER_S;
	open_with("unix:/run/5", "unix:/run/new", false);
	assert_int_equal(keeper->watched[0].record, 5);
	assert_int_equal(keeper->watched[1].record, 0);
	assert_int_equal(published->len, RECORDS);
	said_of("unix:/run/new");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Steps of 10 ms until it is dialled; how long that took. */
static uint64_t until_dialled(uint64_t most_ns)
{
	uint64_t began = w.now_ns;

	while (w.dials_len == 0 && w.now_ns - began < most_ns) {
		w.now_ns += 10 * NS_PER_MS;
		forward_keeper_tick(keeper);
	}
	assert_int_equal(w.dials_len, 1);
	return w.now_ns - began;
}

static void what_refused_is_tried_until_it_accepts(void **state)
{
	static const char *const url = "http://192.0.2.1:8080";
	uint64_t wait, last = 0;

	(void)state;
	open_with(url, "http://192.0.2.2:8080", false);
	forward_keeper_tick(keeper);
	assert_int_equal(w.dials_len, 0);
	forward_keeper_refused(keeper, S("api"), slice_of(url));
	forward_keeper_refused(keeper, S("api"), slice_of(url)); /* another worker */
	forward_keeper_refused(keeper, S("api"), S("http://elsewhere:1"));
	for (int i = 0; i < 30; i++) {
		wait = until_dialled(10 * NS_PER_S);
		assert_true(wait >= 200 * NS_PER_MS && wait <= 2300 * NS_PER_MS);
		assert_true(i || wait <= 310 * NS_PER_MS);
		assert_int_equal(w.dials[0].port, 8080);
		answer_dial(false);
		assert_true(said_of(url).refused_ns == w.now_ns && said_of(url).accepted_ns == 0);
		last = wait;
	}
	assert_true(last >= 1800 * NS_PER_MS);
	until_dialled(10 * NS_PER_S);
	answer_dial(true);
	assert_int_equal(said_of(url).accepted_ns, w.now_ns);
	for (int i = 0; i < 1000; i++) {
		w.now_ns += 10 * NS_PER_MS;
		forward_keeper_tick(keeper);
	}
	assert_int_equal(w.dials_len, 0);
	forward_keeper_refused(keeper, S("api"), slice_of(url)); /* again, and soon again */
	assert_true(until_dialled(10 * NS_PER_S) <= 310 * NS_PER_MS);
	w.now_ns += 3 * NS_PER_S; /* it is not answered at all */
	forward_keeper_tick(keeper);
	w.dials_len = 0;
	w.dials[0].done(w.dials[0].for_whom, true); /* a late word is none */
	assert_true(said_of(url).refused_ns == w.now_ns && said_of(url).accepted_ns < w.now_ns);
	until_dialled(10 * NS_PER_S);
}

static void health_checks_decide_where_there_are_any(void **state)
{
	(void)state;
	open_with("http://192.0.2.1:8080", NULL, true);
	forward_keeper_refused(keeper, S("api"), S("http://192.0.2.1:8080"));
	for (int i = 0; i < 300; i++) {
		w.now_ns += 10 * NS_PER_MS;
		forward_keeper_tick(keeper);
	}
	assert_int_equal(w.dials_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_literal_address_is_published_at_once),
		TEST(a_unix_socket_has_a_record_and_no_address),
		TEST(a_name_is_looked_up_and_again_after_half_a_minute),
		TEST(a_name_that_is_lost_keeps_its_addresses),
		TEST(an_endpoint_falls_and_rises),
		TEST(checks_keep_their_interval_with_jitter),
		TEST(a_check_that_is_never_answered_has_failed),
		TEST(a_new_keeper_takes_over_what_was_known),
		TEST(a_record_is_given_away_only_when_long_forgotten),
		TEST(what_refused_is_tried_until_it_accepts),
		TEST(health_checks_decide_where_there_are_any),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
