#include "journey/inside.h"
#include "tls/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *const labels[] = { "a", "b", "aa", "com", "a-b", "xn--a" };

static uint64_t seed = 1;

static unsigned draw(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

/* A host of one to four labels, few of them, so that many pairs have something in common. */
static struct slice some_host(char to[64], bool wild)
{
	unsigned len = draw(4) + 1;

	to[0] = '\0';
	if (wild)
		strcat(to, "*.");
	while (len--) {
		strcat(to, labels[draw(sizeof labels / sizeof labels[0])]);
		strcat(to, len ? "." : "");
	}
	return slice_of(to);
}

/* By labels, from the right: what the matcher must come to. */
static bool fits_by_labels(struct slice pattern, struct slice host)
{
	if (!slice_starts(pattern, S("*.")))
		return slice_same(pattern, host);
	struct slice parent = slice_from(pattern, 2);
	while (slice_find(host, '.') < host.len) {
		slice_cut(&host, '.');
		if (slice_same(host, parent))
			return true;
	}
	return false;
}

static bool routed(struct slice pattern, struct slice host)
{
	struct config_route route = { .name = S("r"), .host = pattern, .path = S("/*") };
	struct config config = { .root = { .routes = &route, .routes_len = 1 } };
	struct request r = { .method = S("GET"), .host = host, .path = S("/x") };
	struct route_facts *denied;
	struct routes *table = routes_open(&config);
	enum fault why;

	bool found = routes_find(table, &r, &why, &denied);
	assert_int_equal(routes_know_host(table, host), found);
	routes_close(table);
	return found;
}

static bool asks_for_certificate(struct slice pattern, struct slice host)
{
	struct config_listener_tls tls = { .client_certificate = 2, .client_hosts = { &pattern, 1 } };
	struct config_listener listener = { .tls = &tls };
	struct tls_server server = { .config = &listener, .policy = { 1, 2 } };

	return tls_policy(&server, host) != tls_policy(&server, S(""));
}

static void routes_and_policies_read_every_pattern_alike(void **state)
{
	char one[64], other[64];
	unsigned fitting = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct slice pattern = some_host(one, draw(2)), host = some_host(other, false);
		bool fits = fits_by_labels(pattern, host);
		fitting += fits;
		if (host_fits(pattern, host) != fits || routed(pattern, host) != fits ||
		    asks_for_certificate(pattern, host) != fits)
			fail_msg("%s is read in different ways for %s", one, other);
	}
	assert_in_range(fitting, 200, 15000);
}

static void two_patterns_meet_where_a_host_is_under_both(void **state)
{
	char one[64], other[64], third[70];
	unsigned meeting = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct slice x = some_host(one, draw(2)), y = some_host(other, draw(2));
		struct slice longer = x.len > y.len || (x.len == y.len && x.at[0] != '*') ? x : y;
		/* if any host is under both, then the longer one's own, or the first below it */
		memcpy(third, longer.at, longer.len + 1);
		third[0] = third[0] == '*' ? 'z' : third[0];
		bool meet = host_fits(x, slice_of(third)) && host_fits(y, slice_of(third));
		meeting += meet;
		assert_int_equal(hosts_meet(x, y), meet);
		assert_int_equal(hosts_meet(y, x), meet);
	}
	assert_in_range(meeting, 200, 15000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_and_policies_read_every_pattern_alike),
		cmocka_unit_test(two_patterns_meet_where_a_host_is_under_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
