/* One real server: TCP, Unix socket, TLS with client certificates, and the documented ACL user. */
#include "real.h"
#include "certificates.h"
#include "base/log.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_server_counts_and_is_used_again_after_it_died(void **state)
{
	struct got got = { 0 };
	char config[128];

	(void)state;
	size_t s = start_server("");
	snprintf(config, sizeof config, "servers: \"redis://127.0.0.1:%u\", budget: 1s", real.server[s].port);
	open_room(config);
	UNTIL(redis_is_usable(real.redis, 0));
	for (int i = 0; i < 100; i++)
		assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 100);
	assert_int_equal(got.answered, 100);
	assert_int_equal(got.integer, 100);
	assert_string_equal(cli("-p %u bitfield sallyport:prod:rl:{a} get u63 0", real.server[s].port), "100\n");
	stop(s, SIGKILL);
	UNTIL(!redis_is_usable(real.redis, 0));
	assert_false(count_up("rl:{a}", &got));
	char again[256];
	snprintf(again, sizeof again, "port %u\nbind 127.0.0.1\nsave \"\"\n", real.server[s].port);
	start(NULL, real.server[s].port, again);
	UNTIL(redis_is_usable(real.redis, 0));
	assert_true(slice_starts(slice_of(real.events), S("CO")) && strchr(real.events, 'R'));
	assert_true(slice_ends(slice_of(real.events), S("SSC")));
	assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 101);
	assert_int_equal(got.integer, 1);
}

static void the_clock_of_a_server_is_known(void **state)
{
	char config[128];
	uint64_t error_ns = 0, stamp_ns;

	(void)state;
	size_t s = start_server("");
	snprintf(config, sizeof config, "servers: \"redis://127.0.0.1:%u\"", real.server[s].port);
	open_room(config);
	UNTIL((stamp_ns = redis_stamp(real.redis, 0, clock_ns(), &error_ns)) != 0);
	uint64_t before_ns = clock_wall_ns(); /* it is this very machine's clock */
	stamp_ns = redis_stamp(real.redis, 0, clock_ns(), &error_ns);
	uint64_t after_ns = clock_wall_ns();
	assert_true(stamp_ns + error_ns >= before_ns - NS_PER_MS && stamp_ns <= after_ns + error_ns + NS_PER_MS);
}

static void a_unix_socket_will_do(void **state)
{
	struct got got = { 0 };
	char config[256];

	(void)state;
	start_server("unixsocket redis.sock");
	snprintf(config, sizeof config, "servers: \"unix:%s\", budget: 1s", in_dir("redis.sock"));
	open_room(config);
	UNTIL(redis_is_usable(real.redis, 0));
	assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 1);
	assert_int_equal(got.answered, 1);
}

/* ---- TLS ---- */

static size_t start_secure(const char *more)
{
	char text[1024], command[128];
	uint16_t port = free_port();

	write_certificates();
	snprintf(text, sizeof text,
	         "port 0\ntls-port %u\nbind 127.0.0.1\nsave \"\"\ntls-cert-file server.pem\n"
	         "tls-key-file server.key\ntls-ca-cert-file ca.pem\n%s\n",
	         port, more);
	size_t s = start(NULL, port, text);
	snprintf(command, sizeof command, "-p %u --tls --cacert ca.pem --cert client.pem --key client.key ping",
	         port);
	until_says("PONG", command);
	return s;
}

static void tls_verifies_the_server_and_shows_our_certificate(void **state)
{
	struct got got = { 0 };
	char config[256];

	(void)state;
	size_t s = start_secure("tls-auth-clients yes");
	snprintf(config, sizeof config,
	         "servers: \"rediss://127.0.0.1:%u\", budget: 1s, "
	         "tls: {ca: ca.pem, chain: client.pem, key: client.key}",
	         real.server[s].port);
	open_room(config);
	UNTIL(redis_is_usable(real.redis, 0));
	for (int i = 0; i < 1000; i++)
		assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 1000);
	assert_int_equal(got.answered, 1000);
	assert_int_equal(got.integer, 1000);
}

static void a_server_of_another_name_or_authority_is_not_spoken_to(void **state)
{
	char config[256];

	(void)state;
	size_t s = start_secure("tls-auth-clients no");
	static const char *const tls[] = { "{ca: ca.pem, server_name: other.example}", "{}" };
	for (size_t i = 0; i < 2; i++) {
		snprintf(config, sizeof config, "servers: \"rediss://127.0.0.1:%u\", tls: %s", real.server[s].port,
		         tls[i]);
		open_room(config);
		uint64_t end_ns = clock_ns() + 500 * NS_PER_MS;
		while (clock_ns() < end_ns)
			real_turn();
		assert_int_equal(redis_state(real.redis, 0), REDIS_DOWN);
		close_room();
	}
	assert_null(strstr(cli("-p %u --tls --cacert ca.pem client list", real.server[s].port), "sallyport"));
}

/* ---- the documented user ---- */

static void the_documented_user_may_do_all_that_is_done_and_nothing_more(void **state)
{
	struct got got = { 0 };
	char config[256];

	(void)state;
	copy_acl("conf/redis-users.acl", "users.acl");
	size_t s = start_server("aclfile users.acl");
	snprintf(config, sizeof config,
	         "servers: \"redis://127.0.0.1:%u\", user: sallyport, "
	         "password: \"${file:password}\", budget: 1s",
	         real.server[s].port);
	open_room(config);
	UNTIL(redis_is_usable(real.redis, 0));
	assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 1);
	assert_int_equal(got.answered, 1);
	assert_non_null(strstr(cli("-p %u client list", real.server[s].port), "name=sallyport-test"));
	assert_string_equal(cli("-p %u acl log", real.server[s].port), "\n"); /* nobody was refused anything */
	assert_non_null(strstr(cli("-p %u client list", real.server[s].port), "user=sallyport "));
	assert_non_null(strstr(
	    cli("-p %u --user sallyport --pass hunter222 eval 'return 1' 0", real.server[s].port), "NOPERM"));
	assert_non_null(
	    strstr(cli("-p %u --user sallyport --pass hunter222 bitfield other get u8 0", real.server[s].port),
	           "NOPERM"));
}

static void may(size_t s, bool good, const char *user, const char *command)
{
	const char *said = cli("-p %u --user %s --pass %s %s", real.server[s].port, user,
	                       strcmp(user, "sallyport") == 0 ? "hunter222" : "hunter222-TOO", command);

	if (!strstr(said, "NOPERM") != good)
		fail_msg("%s: %s: %s", user, command, said);
}

/* What one machine believes of another: the keeper's user may say it, the workers' may not. */
static void a_workers_user_can_write_nothing_that_the_fleet_believes(void **state)
{
	static const char *const keeper[] = { "set sallyport:prod:keys:a b",
		                                  "get sallyport:prod:keys:a",
		                                  "set sallyport:prod:tok:a b px 1000",
		                                  "get sallyport:prod:tok:a",
		                                  "del sallyport:prod:tok:a",
		                                  "zadd sallyport:prod:revoked 1 a",
		                                  "zrem sallyport:prod:revoked a",
		                                  "zadd sallyport:prod:fleet 1 a",
		                                  "zadd sallyport:prod:revoked-seen 1 a",
		                                  "zrangebyscore sallyport:prod:revoked 0 1",
		                                  "zadd sallyport:prod:resets 1 a",
		                                  "zcount sallyport:prod:fleet 0 1",
		                                  "del sallyport:prod:rl:{a}" };
	static const char *const none[] = { "zadd other:prod:revoked 1 a",
		                                "keys '*'",
		                                "flushall",
		                                "set sallyport:dev:keys:a b",
		                                "config get '*'",
		                                "acl list",
		                                "client list",
		                                "set sallyport:prod:a b" };
	static const char *const both[] = { "bitfield sallyport:prod:rl:{a} get u8 0", "time", "role",
		                                "pexpire sallyport:prod:rl:{a} 1000", "ping" };

	(void)state;
	copy_acl("conf/redis-users.acl", "users.acl");
	size_t s = start_server("aclfile users.acl");
	for (size_t i = 0; i < sizeof keeper / sizeof keeper[0]; i++) {
		may(s, false, "sallyport", keeper[i]);
		may(s, true, "sallyport-keeper", keeper[i]);
	}
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		may(s, false, "sallyport", none[i]);
		may(s, false, "sallyport-keeper", none[i]);
	}
	for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
		may(s, true, "sallyport", both[i]);
		may(s, true, "sallyport-keeper", both[i]);
	}
	for (const char *const *c = (const char *const[]){ "bitfield", "pexpire", NULL }; *c; c++) {
		char command[128];
		snprintf(command, sizeof command, "%s sallyport:prod:revoked 1", *c);
		may(s, false, "sallyport", command);
	}
}

static char logged[4096];

static void on_log(void *with, enum log_level level, struct slice line)
{
	size_t len = strlen(logged);

	(void)with, (void)level;
	snprintf(logged + len, sizeof logged - len, "%.*s\n", SLICE(line));
}

static void a_wrong_password_is_said_and_never_shown(void **state)
{
	char config[256];

	(void)state;
	copy_acl("conf/redis-users.acl", "users.acl");
	write_file("password", "wrong-one\n");
	size_t s = start_server("aclfile users.acl");
	snprintf(config, sizeof config,
	         "servers: \"redis://127.0.0.1:%u\", user: sallyport, "
	         "password: \"${file:password}\"",
	         real.server[s].port);
	open_room(config);
	logged[0] = '\0';
	log_sink(on_log, NULL);
	UNTIL(strstr(logged, "WRONGPASS"));
	log_sink(NULL, NULL);
	assert_null(strstr(logged, "wrong-one"));
	assert_int_equal(redis_state(real.redis, 0), REDIS_DOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_server_counts_and_is_used_again_after_it_died),
		TEST(the_clock_of_a_server_is_known),
		TEST(a_unix_socket_will_do),
		TEST(tls_verifies_the_server_and_shows_our_certificate),
		TEST(a_server_of_another_name_or_authority_is_not_spoken_to),
		TEST(the_documented_user_may_do_all_that_is_done_and_nothing_more),
		TEST(a_workers_user_can_write_nothing_that_the_fleet_believes),
		TEST(a_wrong_password_is_said_and_never_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
