/* How many may go on to what needs an issuer: the budget that they share with the keeper. */
#include "../verify/guest.h"
#include "login/login.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct logins *logins;

static int open_house(void **state)
{
	struct maker key = maker_make(ALG_ES256, "k");

	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(&key, 1), WALL_S, NOW_NS);
	fixture_publish(1, maker_jwks(&key, 1), WALL_S, NOW_NS);
	maker_free(&key);
	logins = logins_attach(aligned_alloc(64, logins_memory()));
	memset(logins, 0, logins_memory());
	fixture.routes[ROUTE_OPEN].needs_issuer = S("auth0");
	fixture.routes[ROUTE_OTHER].needs_issuer = S("other");
	return 0;
}

static int close_house(void **state)
{
	(void)state;
	free(logins);
	fixture_close();
	return 0;
}

static void allow(int issuer, uint64_t all, uint64_t own, uint64_t machines)
{
	fixture.issuers[issuer].budget = (struct config_issuer_budget){ .all = { all, NS_PER_S },
		                                                            .logins = { own, NS_PER_S },
		                                                            .machines = (CONFIG_COUNT)machines };
}

/* Of so many at this moment, those that may go on; the others are told why not. */
static unsigned pass(int route, unsigned n, uint64_t now_ns)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++) {
		struct request *r = fixture_request(0, route, S(""));
		enum step_result result = login_enter(fixture.verify, logins, r, now_ns);
		passed += result == GO_ON;
		if (result != GO_ON)
			assert_int_equal(r->fault, FAULT_ISSUER_BUSY);
	}
	return passed;
}

static void no_second_sees_more_than_a_quarter_above_the_rate(void **state)
{
	unsigned within = 0;

	(void)state;
	allow(0, 80, 80, 1);
	assert_int_equal(pass(ROUTE_OPEN, 200, NOW_NS), 20);
	for (uint64_t ms = 1; ms <= 1000; ms++)
		within += pass(ROUTE_OPEN, 3, NOW_NS + ms * NS_PER_MS);
	assert_int_equal(within, 80);
	assert_int_equal(pass(ROUTE_OPEN, 200, NOW_NS + 10 * NS_PER_S), 20);
}

static void logins_have_a_budget_of_their_own_and_machines_share_it(void **state)
{
	(void)state;
	allow(0, 80, 40, 1);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS), 10);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS + NS_PER_S), 10);
	allow(1, 80, 80, 2);
	assert_int_equal(pass(ROUTE_OTHER, 50, NOW_NS), 10); /* of another issuer */
	allow(1, 80, 80, 80);
	assert_int_equal(pass(ROUTE_OTHER, 50, NOW_NS + 9 * NS_PER_S), 4);
}

static void a_flood_does_not_keep_out_those_for_whom_there_is_room(void **state)
{
	unsigned within = 0;

	(void)state;
	allow(0, 5, 4, 1);
	for (uint64_t ms = 0; ms < 10000; ms += 10)
		within += pass(ROUTE_OPEN, 50, NOW_NS + ms * NS_PER_MS);
	assert_int_equal(within, 4 + 39);
}

static void logins_get_what_the_keeper_leaves(void **state)
{
	(void)state;
	allow(0, 80, 1000, 1);
	assert_int_equal(pass(ROUTE_OPEN, 5, NOW_NS), 5);
	atomic_fetch_add(&fixture_slot(0)->sent, 8);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS), 20 - 5 - 8);
	atomic_fetch_add(&fixture_slot(0)->sent, 80);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS + NS_PER_S), 0);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS + NS_PER_S + NS_PER_S / 4), 20);
}

static void what_the_keeper_sent_long_ago_costs_nobody_a_login(void **state)
{
	(void)state;
	allow(0, 80, 1000, 1);
	assert_int_equal(pass(ROUTE_OPEN, 1, NOW_NS), 1);
	atomic_fetch_add(&fixture_slot(0)->sent, 1000);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS + 3600 * NS_PER_S), 20);
	allow(0, 1, 1000, 1); /* a reload with another rate, before what was sent was looked at */
	atomic_fetch_add(&fixture_slot(0)->sent, UINT32_MAX);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS + 7200 * NS_PER_S), 0);
	assert_int_equal(pass(ROUTE_OPEN, 50, NOW_NS + 7204 * NS_PER_S), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)
		TEST(no_second_sees_more_than_a_quarter_above_the_rate),
		TEST(logins_have_a_budget_of_their_own_and_machines_share_it),
		TEST(a_flood_does_not_keep_out_those_for_whom_there_is_room),
		TEST(logins_get_what_the_keeper_leaves),
		TEST(what_the_keeper_sent_long_ago_costs_nobody_a_login),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
