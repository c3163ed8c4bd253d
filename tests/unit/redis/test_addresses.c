/* A name with several addresses, of which some take no connection. */
#include "fake.h"
#include "redis/keeper_inside.h"

#define TEST(name) cmocka_unit_test(name)

/* A server of which the name has these addresses, in this order. */
static void open_named(const sa_family_t *families, size_t len, sa_family_t dead, enum fake_death how)
{
	struct sockaddr_storage found[REDIS_ADDRESSES] = { 0 };

	fake_open("servers: \"redis://redis.test:6379\"");
	f.dead = dead;
	f.dead_how = how;
	for (size_t i = 0; i < len; i++)
		found[i].ss_family = families[i];
	addresses_name(&f.published.names, 0, "redis.test");
	addresses_set(&f.published.names, 0, found, len);
	f.loop->now_ns = fake_now_ns;
	turn(100 * MS);
}

static void the_next_address_is_tried_at_once_where_one_refuses(void **state)
{
	const sa_family_t both[] = { AF_INET6, AF_INET };

	(void)state;
	for (enum fake_death how = DEAD_AT_ONCE; how <= DEAD_LATER; how++) {
		open_named(both, 2, AF_INET6, how);
		assert_true(reach(REDIS_UP, MS, 8));
		assert_int_equal(f.dials, 2);
		assert_string_equal(f.events, "C");
		fake_close();
	}
}

static void where_nobody_answers_the_next_address_has_its_turn(void **state)
{
	const sa_family_t both[] = { AF_INET6, AF_INET };

	(void)state;
	open_named(both, 2, AF_INET6, DEAD_SILENT);
	turn(REDIS_SILENCE_NS - MS);
	assert_int_equal(f.dials, 1);
	turn(MS);
	assert_int_equal(f.dials, 2);
	assert_true(reach(REDIS_UP, MS, 8));
	assert_string_equal(f.events, "C");
	close(f.silent);
	fake_close();
}

static void where_none_takes_a_connection_each_is_tried_once_in_a_tenth_of_a_second(void **state)
{
	const sa_family_t dead[] = { AF_INET6, AF_INET6, AF_INET6 };

	(void)state;
	for (enum fake_death how = DEAD_AT_ONCE; how <= DEAD_LATER; how++) {
		open_named(dead, 3, AF_INET6, how);
		for (int i = 0; i < 10; i++)
			turn(MS);
		assert_int_equal(f.dials, 3);
		turn(60 * MS);
		assert_int_equal(f.dials, 3);
		turn(60 * MS);
		for (int i = 0; i < 20; i++)
			turn(MS);
		assert_int_equal(f.dials, 6);
		f.dead = AF_UNSPEC; /* one of them is there again */
		turn(130 * MS);
		assert_int_equal(f.dials, 7);
		fake_close();
	}
}

static void after_a_loss_the_dead_address_costs_nothing_either(void **state)
{
	const sa_family_t both[] = { AF_INET6, AF_INET };

	(void)state;
	open_named(both, 2, AF_INET6, DEAD_LATER);
	assert_true(reach(REDIS_UP, 20 * MS, 100));
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 6; k++) {
			turn(10 * MS);
			answer_all(":1\r\n");
		}
		close(f.peer);
		f.peer = -1;
		for (int k = 0; k < 8; k++) {
			turn(MS);
			answer_all(":1\r\n");
		}
		assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	}
	assert_int_equal(f.dials, 8);
	turn(10 * MS);
	assert_int_equal(redis_state(f.redis, 0), REDIS_UP);
	fake_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_address_is_tried_at_once_where_one_refuses),
		TEST(where_nobody_answers_the_next_address_has_its_turn),
		TEST(where_none_takes_a_connection_each_is_tried_once_in_a_tenth_of_a_second),
		TEST(after_a_loss_the_dead_address_costs_nothing_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
