/* The keeper's part, as its documented user: names are looked up, proxies are counted. */
#include "real.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static unsigned resolved;
static bool resolves;

static void resolve(void *with, const char *host, uint16_t port,
                    void (*done)(void *for_whom, const struct sockaddr_storage *found, size_t len),
                    void *for_whom)
{
	struct sockaddr_storage found = { 0 };

	(void)with, (void)port;
	resolved++;
	assert_string_equal(host, "redis.test");
	((struct sockaddr_in *)&found)->sin_family = AF_INET;
	((struct sockaddr_in *)&found)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	done(for_whom, &found, resolves);
}

static struct redis_keeper *open_keeper(const char *member, struct redis_published *p)
{
	struct config_errors errors = { 0 };
	const struct redis_keeper_env w = { .config = real.config,
		                                .bundle = real.bundle,
		                                .loop = real.loop,
		                                .published = p,
		                                .member = slice_of(member),
		                                .resolve = resolve };
	struct redis_keeper *k = redis_keeper_open(&w, &errors);

	assert_non_null(k);
	return k;
}

static void configure(const char *redis)
{
	struct config_errors errors = { 0 };
	char text[1024];

	snprintf(text, sizeof text,
	         "environment: prod\nlisteners:\n  - {address: \"127.0.0.1:80\"}\nredis: {%s}\n", redis);
	write_file("sallyport.yaml", text);
	real.bundle = bundle_record();
	real.config = config_load(real.bundle, in_dir("sallyport.yaml"), &errors);
	assert_non_null(real.config);
	real.loop = loop_open();
	config_errors_free(&errors);
}

static void turn_of(struct redis_keeper *k)
{
	uint64_t due_ns = redis_keeper_due_ns(k), now_ns = clock_ns();
	uint64_t rest_ns = due_ns < now_ns ? 0 : due_ns - now_ns;

	loop_turn(real.loop, rest_ns < 20 * NS_PER_MS ? rest_ns : 20 * NS_PER_MS);
	redis_keeper_sweep(k);
	redis_keeper_flush(k);
}

#define UNTIL_OF(condition) \
	do { \
		uint64_t end_ns = clock_ns() + PATIENCE_NS; \
		while (!(condition)) { \
			if (clock_ns() > end_ns) \
				fail_msg("it never came true: %s", #condition); \
			turn_of(one); \
			if (two) \
				turn_of(two); \
		} \
	} while (0)

static void a_fleet_is_counted_by_its_hearts(void **state)
{
	static struct redis_published first, second;
	struct redis_keeper *one, *two = NULL;
	char config[512];

	(void)state;
	copy_acl("conf/redis-users.acl", "users.acl");
	size_t s = start_server("aclfile users.acl");
	snprintf(config, sizeof config,
	         "servers: \"redis://redis.test:%u\", user: sallyport, "
	         "password: \"${file:password}\", keeper: {user: sallyport-keeper, "
	         "password: \"${file:keeper-password}\"}, budget: 1s",
	         real.server[s].port);
	configure(config);
	assert_int_equal(redis_fleet_size(&first.fleet, real.config), 1);
	resolves = false;
	one = open_keeper("11 one", &first);
	UNTIL_OF(resolved > 0);
	resolves = true;
	UNTIL_OF(atomic_load(&first.fleet.size) == 1);
	two = open_keeper("22 two", &second);
	UNTIL_OF(atomic_load(&first.fleet.size) == 2 && atomic_load(&second.fleet.size) == 2);
	assert_int_equal(redis_fleet_size(&first.fleet, real.config), 2);
	assert_string_equal(cli("-p %u acl log", real.server[s].port), "\n");
	assert_null(strstr(cli("-p %u pttl sallyport:prod:fleet", real.server[s].port), "-"));
	assert_non_null(strstr(cli("-p %u client list", real.server[s].port), "user=sallyport-keeper"));
	assert_null(strstr(cli("-p %u client list", real.server[s].port), "user=sallyport "));
	stop(s, SIGKILL);
	UNTIL_OF(!redis_is_usable(redis_keeper_redis(one), 0));
	assert_int_equal(redis_fleet_size(&first.fleet, real.config), 2); /* as last seen */
	redis_keeper_close(one);
	redis_keeper_close(two);
}

static void the_floor_holds_where_fewer_are_seen(void **state)
{
	struct redis_fleet fleet = { 3 };

	(void)state;
	configure("servers: \"redis://127.0.0.1:1\", fleet_floor: 5");
	assert_int_equal(redis_fleet_size(&fleet, real.config), 5);
	fleet.size = 9;
	assert_int_equal(redis_fleet_size(&fleet, real.config), 9);
	assert_int_equal(redis_fleet_size(NULL, real.config), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fleet_is_counted_by_its_hearts),
		TEST(the_floor_holds_where_fewer_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
