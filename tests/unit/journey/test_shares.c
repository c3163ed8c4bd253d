#include "journey/inside.h"
#include "base/check.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CONNECTIONS 160 /* a share of it is 10 */

static struct config config;
static struct shares shares, *s = &shares;

static int open_table(void **state)
{
	(void)state;
	config.root.http =
	    (struct config_http){ .requests_in_flight_max = 64, .tunnels_max = 4, .client_share = { 1, 16 } };
	shares_open(s, &config, CONNECTIONS);
	return 0;
}

static int close_table(void **state)
{
	(void)state;
	shares_close(s);
	return 0;
}

static struct sharer *of(const char *text)
{
	struct in6_addr a = { 0 };

	if (inet_pton(AF_INET, text, &a.s6_addr[12]) == 1)
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
	else
		check(inet_pton(AF_INET6, text, &a) == 1);
	return shares_find(s, &a);
}

static void take(const char *who, enum held_kind what, unsigned count)
{
	while (count--)
		shares_take(s, of(who), what);
}

static void drop(const char *who, enum held_kind what, unsigned count)
{
	while (count--)
		shares_drop(s, of(who), what);
}

static const struct sharer *top(size_t level)
{
	struct list *l = shares_level(s, level);

	return l ? list_entry(l->next, struct sharer, level) : NULL;
}

static void a_client_is_a_24_or_a_64(void **state)
{
	(void)state;
	take("192.0.2.1", PLACE_CONNECTION, 1);
	take("2001:db8:1:2::", PLACE_CONNECTION, 1);
	assert_ptr_equal(of("192.0.2.255"), of("192.0.2.1"));
	assert_ptr_not_equal(of("192.0.3.1"), of("192.0.2.1"));
	assert_ptr_equal(of("2001:db8:1:2:ffff::1"), of("2001:db8:1:2::"));
	assert_ptr_not_equal(of("2001:db8:1:3::"), of("2001:db8:1:2::"));
	assert_ptr_not_equal(of("::c000:201"), of("192.0.2.1"));
}

static void a_share_binds_only_while_more_than_half_is_in_use(void **state)
{
	(void)state;
	take("192.0.2.1", PLACE_CONNECTION, CONNECTIONS / 2);
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_CONNECTION, CONNECTIONS / 2));
	assert_true(shares_reached(s, of("192.0.2.1"), PLACE_CONNECTION, CONNECTIONS / 2 + 1));
	take("192.0.3.1", PLACE_CONNECTION, 9);
	assert_false(shares_reached(s, of("192.0.3.1"), PLACE_CONNECTION, CONNECTIONS - 1));
	take("192.0.3.1", PLACE_CONNECTION, 1);
	assert_true(shares_reached(s, of("192.0.3.1"), PLACE_CONNECTION, CONNECTIONS - 1));
	assert_false(shares_reached(s, of("192.0.3.1"), PLACE_CONNECTION, 1));
}

static void each_kind_has_its_own_total_and_a_share_is_never_nothing(void **state)
{
	(void)state;
	take("192.0.2.1", PLACE_CONNECTION, 20);
	take("192.0.2.1", PLACE_REQUEST, 4);
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_HANDSHAKE, CONNECTIONS));
	assert_true(shares_reached(s, of("192.0.2.1"), PLACE_REQUEST, 33));
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_TUNNEL, 3));
	take("192.0.2.1", PLACE_TUNNEL, 1);
	assert_true(shares_reached(s, of("192.0.2.1"), PLACE_TUNNEL, 3));
}

static void the_last_places_of_requests_are_for_those_with_fewer(void **state)
{
	(void)state;
	take("192.0.2.1", PLACE_REQUEST, 2);
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_REQUEST, 60));
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_REQUEST, 61));
	assert_true(shares_reached(s, of("192.0.2.1"), PLACE_REQUEST, 62));
	assert_false(shares_reached(s, of("192.0.3.1"), PLACE_REQUEST, 63));
}

static void a_share_of_all_binds_nobody(void **state)
{
	(void)state;
	shares_close(s);
	config.root.http.client_share = (struct fraction){ 1, 1 };
	shares_open(s, &config, CONNECTIONS);
	take("192.0.2.1", PLACE_REQUEST, 63);
	take("192.0.2.1", PLACE_CONNECTION, CONNECTIONS - 1);
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_REQUEST, 63));
	assert_false(shares_reached(s, of("192.0.2.1"), PLACE_CONNECTION, CONNECTIONS - 1));
}

static void who_holds_most_is_known_at_once(void **state)
{
	(void)state;
	assert_int_equal(s->most, 0);
	take("192.0.2.1", PLACE_CONNECTION, 3);
	take("192.0.3.1", PLACE_CONNECTION, 2);
	take("192.0.4.1", PLACE_REQUEST, 9);
	assert_int_equal(s->most, 3);
	assert_ptr_equal(top(3), of("192.0.2.1"));
	take("192.0.3.1", PLACE_CONNECTION, 1);
	assert_ptr_equal(top(3), of("192.0.2.1")); /* it has had so many for longer */
	drop("192.0.2.1", PLACE_CONNECTION, 2);
	assert_int_equal(s->most, 3);
	assert_ptr_equal(top(3), of("192.0.3.1"));
	assert_null(top(2));
	assert_ptr_equal(top(1), of("192.0.2.1"));
	drop("192.0.3.1", PLACE_CONNECTION, 3);
	assert_int_equal(s->most, 1);
}

static void a_client_is_forgotten_with_the_last_thing_that_it_holds(void **state)
{
	(void)state;
	take("192.0.2.1", PLACE_CONNECTION, 1);
	take("192.0.2.1", PLACE_REQUEST, 1);
	struct sharer *first = of("192.0.2.1");
	drop("192.0.2.1", PLACE_CONNECTION, 1);
	assert_ptr_equal(of("192.0.2.1"), first);
	drop("192.0.2.1", PLACE_REQUEST, 1);
	assert_int_equal(s->begun, 1);
	take("198.51.100.1", PLACE_REQUEST, 1); /* its entry is used again */
	assert_int_equal(s->begun, 1);
	assert_int_equal(of("198.51.100.1")->held[PLACE_REQUEST], 1);
	assert_int_equal(of("198.51.100.1")->held[PLACE_CONNECTION], 0);
}

static struct in6_addr numbered(unsigned round, unsigned i)
{
	return (struct in6_addr){ .s6_addr = { 32, 1, (uint8_t)round, [6] = (uint8_t)(i >> 8), (uint8_t)i } };
}

/* As many clients as there can be, each with one thing, in any order, many times over. */
static void there_is_room_for_all_and_nobody_is_mistaken_for_another(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < s->cap; i++) {
			struct in6_addr a = numbered(round, i);
			struct sharer *h = shares_find(s, &a);
			assert_non_null(h);
			assert_int_equal(h->held[PLACE_REQUEST], 0);
			shares_take(s, h, PLACE_REQUEST);
		}
		struct in6_addr more = { .s6_addr = { 0x20, 2 } };
		assert_null(shares_find(s, &more));
		for (unsigned i = 0; i < s->cap; i++) {
			struct in6_addr a = numbered(round, (unsigned)((i * 7919) % s->cap));
			shares_drop(s, shares_find(s, &a), PLACE_REQUEST);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_is_a_24_or_a_64),
		TEST(a_share_binds_only_while_more_than_half_is_in_use),
		TEST(each_kind_has_its_own_total_and_a_share_is_never_nothing),
		TEST(the_last_places_of_requests_are_for_those_with_fewer),
		TEST(a_share_of_all_binds_nobody),
		TEST(who_holds_most_is_known_at_once),
		TEST(a_client_is_forgotten_with_the_last_thing_that_it_holds),
		TEST(there_is_room_for_all_and_nobody_is_mistaken_for_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
