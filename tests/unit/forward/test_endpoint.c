#include "forward/endpoint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/un.h>
#include <arpa/inet.h>

static struct endpoint_url parsed(const char *text)
{
	struct endpoint_url e;

	if (!endpoint_parse(slice_of(text), &e))
		fail_msg("not parsed: %s", text);
	return e;
}

#define assert_slice(s, text) assert_true(slice_same(s, slice_of(text)))

static void hosts_and_ports_are_told_apart(void **state)
{
	struct endpoint_url e = parsed("http://api.example.com:8080");

	(void)state;
	assert_int_equal(e.scheme, ENDPOINT_HTTP);
	assert_slice(e.host, "api.example.com");
	assert_int_equal(e.port, 8080);
	assert_false(e.literal);
	assert_int_equal(parsed("http://a").port, 80);
	e = parsed("https://my_svc-1.ns/");
	assert_int_equal(e.scheme, ENDPOINT_HTTPS);
	assert_int_equal(e.port, 443);
	assert_slice(e.host, "my_svc-1.ns");
}

static void literal_addresses_need_no_resolver(void **state)
{
	struct sockaddr_storage at;
	struct endpoint_url e = parsed("http://10.0.1.10:8080");
	char text[64];
	socklen_t len;

	(void)state;
	assert_true(e.literal && endpoint_address(&e, &at, &len));
	assert_int_equal(at.ss_family, AF_INET);
	assert_int_equal(ntohs(((struct sockaddr_in *)&at)->sin_port), 8080);
	inet_ntop(AF_INET, &((struct sockaddr_in *)&at)->sin_addr, text, sizeof text);
	assert_string_equal(text, "10.0.1.10");
	e = parsed("https://[2001:db8::1]:9");
	assert_true(e.literal && endpoint_address(&e, &at, &len));
	assert_int_equal(at.ss_family, AF_INET6);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)&at)->sin6_port), 9);
	assert_slice(e.host, "2001:db8::1");
	e = parsed("http://name");
	assert_false(endpoint_address(&e, &at, &len));
}

static void unix_sockets_have_a_path(void **state)
{
	struct endpoint_url e = parsed("unix:/run/api.sock");
	struct sockaddr_storage at;
	socklen_t len;

	(void)state;
	assert_int_equal(e.scheme, ENDPOINT_UNIX);
	assert_slice(e.path, "/run/api.sock");
	assert_true(endpoint_address(&e, &at, &len));
	assert_string_equal(((struct sockaddr_un *)&at)->sun_path, "/run/api.sock");
}

static void what_is_no_endpoint_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"http://",
		"ftp://a",
		"a:80",
		"http://a:",
		"http://a:0",
		"http://a:65536",
		"http://a:+1",
		"http://a/x",
		"http://u@a",
		"http://a?x",
		"http://[::1",
		"http://[::1]x",
		"http://[1.2.3.4]",
		"http://::1",
		"http://10.1",
		"http://0x7f000001",
		"http://1",
		"http://a..b",
		"http://.a",
		"http://a.",
		"http://-a",
		"http://a b",
		"unix:",
		"unix:/",
		"unix:run/x",
		"unix:/a b",
		"HTTP://a",
		"http://a:080x",
		"http://a:000080",
	};
	struct endpoint_url e;
	char path[200] = "unix:/";

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (endpoint_parse(slice_of(bad[i]), &e))
			fail_msg("parsed: %s", bad[i]);
	memset(path + 6, 'x', 110);
	assert_false(endpoint_parse(slice_of(path), &e));
}

static void a_record_is_found_by_upstream_and_url(void **state)
{
	static struct forward_published p;
	char name[256], long_url[300];

	(void)state;
	assert_true(endpoint_name(S("api"), S("http://a:1"), name));
	assert_string_equal(name, "api http://a:1");
	memcpy(p.endpoint[1].name, name, sizeof name);
	p.len = 2;
	assert_int_equal(endpoint_find(&p, name), 1);
	assert_int_equal(endpoint_find(&p, "api http://a:2"), RECORDS);
	memset(long_url, 'x', sizeof long_url);
	assert_false(endpoint_name(S("api"), (struct slice){ long_url, 252 }, name));
	assert_true(endpoint_name(S("api"), (struct slice){ long_url, 251 }, name));
}

static void the_copy_shown_is_the_one_read(void **state)
{
	static struct forward_published p;
	struct endpoint_state s;

	(void)state;
	p.len = 1;
	p.endpoint[0].state[0].checked_ns = 1;
	p.endpoint[0].state[1].checked_ns = 2;
	endpoint_read(&p, 0, &s);
	assert_int_equal(s.checked_ns, 1);
	p.endpoint[0].copy = 1;
	endpoint_read(&p, 0, &s);
	assert_int_equal(s.checked_ns, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_and_ports_are_told_apart),
		cmocka_unit_test(literal_addresses_need_no_resolver),
		cmocka_unit_test(unix_sockets_have_a_path),
		cmocka_unit_test(what_is_no_endpoint_is_refused),
		cmocka_unit_test(a_record_is_found_by_upstream_and_url),
		cmocka_unit_test(the_copy_shown_is_the_one_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
