#include "sample.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct sample s;

static struct in6_addr ip(const char *text)
{
	struct in6_addr to = { 0 };
	char mapped[64];

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, &to), 1);
	else
		assert_true(snprintf(mapped, sizeof mapped, "::ffff:%s", text) &&
		            inet_pton(AF_INET6, mapped, &to) == 1);
	return to;
}

/* A request from `peer`; 10.0.0.0/8 and fd00::/8 are trusted. */
static struct request *from(const char *peer)
{
	static struct cidr nets[2];
	struct request *r = sample_init(&s);

	nets[0] = (struct cidr){ .net = ip("10.0.0.0"), .bits = 104 };
	nets[1] = (struct cidr){ .net = ip("fd00::"), .bits = 8 };
	s.config.root.trusted_proxies = (struct config_cidrs){ nets, 2 };
	s.client_facts.peer = ip(peer);
	r->scheme = S("http");
	return r;
}

static void add(struct request *r, const char *name, const char *value)
{
	assert_true(headers_add(&r->headers, slice_of(name), slice_of(value)));
}

static void is(struct request *r, const char *address, const char *list)
{
	struct in6_addr wanted = ip(address);

	assert_int_equal(request_address(r), FAULT_NONE);
	assert_memory_equal(&r->address, &wanted, sizeof wanted);
	if (!slice_same(r->forwarded_for, slice_of(list)))
		fail_msg("%.*s is not %s", SLICE(r->forwarded_for), list);
}

static void a_stranger_is_who_connects(void **state)
{
	struct request *r = from("203.0.113.9");

	(void)state;
	add(r, "X-Forwarded-For", "192.0.2.1");
	add(r, "Forwarded", "for=192.0.2.1");
	add(r, "X-Forwarded-Proto", "https");
	is(r, "203.0.113.9", "");
	assert_true(slice_same(r->scheme, S("http")));
}

static const struct {
	const char *list, *address, *verified;
} lists[] = {
	{ "192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "1.2.3.4, 192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "1.2.3.4,192.0.2.1 ,\t10.1.1.1", "192.0.2.1", "192.0.2.1, 10.1.1.1" },
	{ "192.0.2.1, 10.1.1.1, 10.1.1.2", "192.0.2.1", "192.0.2.1, 10.1.1.1, 10.1.1.2" },
	{ "10.1.1.1", "10.1.1.1", "10.1.1.1" },
	{ "2001:DB8:0::1", "2001:db8::1", "2001:db8::1" },
	{ "[2001:db8::1]:443, fd00::1", "2001:db8::1", "2001:db8::1, fd00::1" },
	{ "192.0.2.1:4711", "192.0.2.1", "192.0.2.1" },
	{ "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "192.0.2.1, , ,", "192.0.2.1", "192.0.2.1" },
	{ "forged\", 192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "unknown", "10.0.0.1", "" },
	{ "Unknown:1234", "10.0.0.1", "" },
	{ "1.2.3.4, unix:", "10.0.0.1", "" },
	{ "unix:/run/app.sock, 10.1.1.1", "10.1.1.1", "10.1.1.1" },
	{ "", "10.0.0.1", "" },
	{ "rubbish, 10.1.1.1", "10.1.1.1", "10.1.1.1" },
	{ "unknown, 10.1.1.1", "10.1.1.1", "10.1.1.1" },
	{ "rubbish, 192.0.2.1, 10.1.1.1", "192.0.2.1", "192.0.2.1, 10.1.1.1" },
};

static void the_list_is_walked_from_the_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct request *r = from("10.0.0.1");
		add(r, "X-Forwarded-For", lists[i].list);
		is(r, lists[i].address, lists[i].verified);
	}
}

static void several_fields_are_one_list(void **state)
{
	struct request *r = from("fd00::5");

	(void)state;
	add(r, "x-forwarded-for", "6.6.6.6, 192.0.2.1");
	add(r, "Accept", "x");
	add(r, "X-Forwarded-For", "");
	add(r, "X-Forwarded-For", "10.1.1.1");
	is(r, "192.0.2.1", "192.0.2.1, 10.1.1.1");
}

static void what_the_peer_itself_wrote_must_be_readable(void **state)
{
	static const char *const bad[] = { "rubbish",
		                               "unix",
		                               "unixes:",
		                               "unknowns",
		                               "192.0.2.1, x",
		                               "192.0.2.256",
		                               "192.0.2.1:",
		                               "192.0.2.1:65536",
		                               "192.0.2.1:-1",
		                               "[2001:db8::1",
		                               "[2001:db8::1]x",
		                               "[192.0.2.1]",
		                               "2001:db8::1::",
		                               "fe80::1%eth0",
		                               "1234567890123456789012345678901234567890123456",
		                               "192.0.2.1 10.0.0.1",
		                               "\"192.0.2.1\"" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct request *r = from("10.0.0.1");
		add(r, "X-Forwarded-For", bad[i]);
		if (request_address(r) != FAULT_BAD_FORWARDED)
			fail_msg("read: %s", bad[i]);
	}
}

static const struct {
	const char *list, *address, *verified;
} forwardeds[] = {
	{ "for=192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1", "192.0.2.1" },
	{ "proto=https; for=\"192.0.2.1:80\"", "192.0.2.1", "192.0.2.1" },
	{ "for=\"[2001:db8::1]:4711\"", "2001:db8::1", "2001:db8::1" },
	{ "for=1.2.3.4, for=192.0.2.1;host=\"a,b;for=6.6.6.6\", for=10.1.1.1", "192.0.2.1",
	  "192.0.2.1, 10.1.1.1" },
	{ "for=\"1.2.3.4, for=192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "for=unknown", "10.0.0.1", "" },
	{ "for=\"unix:\"", "10.0.0.1", "" },
	{ "for=\"unknown:_port\"", "10.0.0.1", "" },
	{ "for=\"_hidden\"", "10.0.0.1", "" },
	{ "proto=https", "10.0.0.1", "" },
	{ "for=_x, for=10.1.1.1", "10.1.1.1", "10.1.1.1" },
	{ "for=\"\\\"\", for=10.1.1.1", "10.1.1.1", "10.1.1.1" },
};

static void forwarded_is_read_where_there_is_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof forwardeds / sizeof forwardeds[0]; i++) {
		struct request *r = from("10.0.0.1");
		add(r, "Forwarded", forwardeds[i].list);
		is(r, forwardeds[i].address, forwardeds[i].verified);
	}
	struct request *r = from("10.0.0.1");
	add(r, "Forwarded", "for=192.0.2.1;for=192.0.2.2");
	assert_int_equal(request_address(r), FAULT_BAD_FORWARDED);
	r = from("10.0.0.1");
	add(r, "Forwarded", "for=");
	assert_int_equal(request_address(r), FAULT_BAD_FORWARDED);
}

static void of_both_kinds_only_the_maintained_one_counts(void **state)
{
	struct request *r = from("10.0.0.1");

	(void)state;
	add(r, "Forwarded", "for=6.6.6.6");
	add(r, "X-Forwarded-For", "192.0.2.1");
	is(r, "192.0.2.1", "192.0.2.1");
}

static void a_chain_of_proxies_is_followed_only_so_far(void **state)
{
	char list[1024] = "";
	struct request *r = from("10.0.0.1");

	(void)state;
	for (size_t i = 0; i < 40; i++)
		snprintf(list + strlen(list), sizeof list - strlen(list), "10.2.2.%zu,", i);
	add(r, "X-Forwarded-For", list);
	assert_int_equal(request_address(r), FAULT_NONE);
	struct in6_addr wanted = ip("10.2.2.24");
	assert_memory_equal(&r->address, &wanted, sizeof wanted);
}

/* addresses: the whole X-Forwarded-For, where there is one. */
static void says(const char *proto, const char *more, const char *addresses, const char *scheme)
{
	struct request *r = from("10.0.0.1");

	add(r, "X-Forwarded-Proto", proto);
	if (more)
		add(r, "X-Forwarded-Proto", more);
	if (addresses)
		add(r, "X-Forwarded-For", addresses);
	assert_int_equal(request_address(r), FAULT_NONE);
	if (!slice_same(r->scheme, slice_of(scheme)))
		fail_msg("%s from %s is %.*s", proto, addresses ? addresses : "nobody", SLICE(r->scheme));
}

static void a_trusted_peer_says_the_scheme(void **state)
{
	(void)state;
	says("HTTPS", NULL, NULL, "https");
	says("wss", NULL, NULL, "https");
	says("ws", NULL, NULL, "http");
	says("quic", NULL, NULL, "http");
	says("", NULL, NULL, "http");
}

static void of_a_list_of_schemes_that_of_the_client_counts(void **state)
{
	(void)state;
	says("https,http", NULL, "192.0.2.1, 10.1.1.1", "https");
	says("https", "http", "192.0.2.1, 10.1.1.1", "https");
	says("http, https", NULL, "192.0.2.1, 10.1.1.1", "http");
	says("http, wss, http", NULL, "6.6.6.6, 192.0.2.1, 10.1.1.1", "https");
	says("https, http", NULL, "6.6.6.6, 192.0.2.1", "http"); /* the left part may be a forger's */
	says("https , HTTPS", NULL, "192.0.2.1", "https");
	says("https, http", NULL, NULL, "https"); /* longer than the list of addresses */
	says("https, http", NULL, "192.0.2.1", "https");
	says("http", NULL, "192.0.2.1, 10.1.1.1", "http");
	says("https,", NULL, "192.0.2.1", "https");
}

static void a_list_of_hosts_is_read_as_far_as_it_is_vouched_for(void **state)
{
	struct request *r = from("10.0.0.1");

	(void)state;
	add(r, "X-Forwarded-Host", "forged.example, www.example, inside");
	add(r, "X-Forwarded-For", "6.6.6.6, 192.0.2.1, 10.1.1.1");
	assert_int_equal(request_address(r), FAULT_NONE);
	assert_true(slice_same(request_vouched(r, HEADER_X_FORWARDED_HOST), S("www.example")));
	assert_true(slice_same(request_vouched(r, HEADER_X_FORWARDED_PORT), S("")));
	r = from("10.0.0.1");
	add(r, "X-Forwarded-Host", "forged.example, inside");
	add(r, "X-Forwarded-Port", "443");
	assert_int_equal(request_address(r), FAULT_NONE);
	assert_true(slice_same(request_vouched(r, HEADER_X_FORWARDED_HOST), S("inside")));
	assert_true(slice_same(request_vouched(r, HEADER_X_FORWARDED_PORT), S("443")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_who_connects),
		cmocka_unit_test(the_list_is_walked_from_the_right),
		cmocka_unit_test(several_fields_are_one_list),
		cmocka_unit_test(what_the_peer_itself_wrote_must_be_readable),
		cmocka_unit_test(forwarded_is_read_where_there_is_no_other),
		cmocka_unit_test(of_both_kinds_only_the_maintained_one_counts),
		cmocka_unit_test(a_chain_of_proxies_is_followed_only_so_far),
		cmocka_unit_test(a_trusted_peer_says_the_scheme),
		cmocka_unit_test(of_a_list_of_schemes_that_of_the_client_counts),
		cmocka_unit_test(a_list_of_hosts_is_read_as_far_as_it_is_vouched_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
