#include "loaded.h"

#define REDIS(inside) LEAST "redis: {" inside "}\n"

static void a_redis_is_one_server_sentinels_or_a_cluster(void **state)
{
	(void)state;
	welcome(REDIS("servers: \"redis://127.0.0.1:6379\""));
	welcome(REDIS("servers: \"rediss://[2001:db8::1]:6379\""));
	welcome(REDIS("servers: \"unix:/run/redis.sock\""));
	welcome(REDIS("mode: sentinel, master: m-1, servers: [\"redis://s1:26379\", \"redis://s2:26379\"]"));
	welcome(REDIS("mode: cluster, servers: [\"rediss://c1.example:6379\", \"rediss://c2.example:6379\"]"));
	refuse(REDIS("servers: [\"redis://a:1\", \"redis://b:1\"]"), "mode single has one server");
	refuse(REDIS("mode: sentinel, servers: \"redis://a:1\""), "4:15: error: mode sentinel needs master:");
	refuse(REDIS("master: m, servers: \"redis://a:1\""), "master is of mode sentinel");
	refuse(REDIS("mode: cluster, servers: \"unix:/a\""), "a Unix socket leads to one server");
	refuse(REDIS("mode: cluster, servers: [\"redis://a:1\", \"rediss://b:1\"]"), "all are rediss:// or none");
	refuse(REDIS("mode: cluster, servers: [\"redis://a:1\", \"redis://a:1\"]"), "is given twice");
	refuse(REDIS("mode: sentinels, servers: \"redis://a:1\""), "did you mean \"sentinel\"?");
}

static void a_malformed_server_is_said_to_be_what_it_is(void **state)
{
	(void)state;
	refuse(REDIS("servers: \"localhost:6379\""),
	       "4:18: error: servers: \"localhost:6379\" is not a valid Redis server; write redis://HOST:PORT");
	refuse(REDIS("servers: \"redis://localhost\""), "its port is missing");
	refuse(REDIS("servers: \"redis://localhost:0\""), "a port is a number from 1 to 65535");
	refuse(REDIS("servers: \"redis://localhost:6379/1\""), "the database is always 0");
	refuse(REDIS("servers: \"redis://u:secret@localhost:6379\""), "given by redis.user and redis.password");
	refuse(REDIS("servers: \"redis://a b:1\""), "may not stand in a URL");
	refuse(REDIS("servers: \"unix:relative\""), "with an absolute path");
	refuse(LEAST "redis: {}\n", "servers");
}

static void a_password_comes_by_reference_and_is_never_shown(void **state)
{
	struct bundle *b = bundle_empty();
	struct told told = { NULL, 0 };

	(void)state;
	bundle_put(b, "/etc/s/pw", S("hunter2\n"));
	struct loaded l = load_from(b, REDIS("servers: \"redis://a:1\", user: u, password: \"${file:pw}\""));
	expect_good(&l);
	assert_int_equal(l.config->root.redis->password.len, 7);
	assert_memory_equal(l.config->root.redis->password.bytes, "hunter2", 7);
	FILE *out = open_memstream(&told.text, &told.len);
	config_print(out, l.config, false);
	fclose(out);
	assert_null(strstr(told.text, "hunter2"));
	assert_non_null(strstr(told.text, "***"));
	assert_null(strstr(told.text, "sentinel_password"));
	free(told.text);
	unload(&l);
	l = load_text(REDIS("servers: \"redis://a:1\", user: u, password: hunter2"));
	expect_said(&l, "password: a password is not written into the configuration; write ${file:PATH}");
	assert_null(strstr(l.errors.text, "hunter2"));
	unload(&l);
	l = load_text(REDIS("servers: \"redis://a:1\", pasword: hunter2"));
	expect_said(&l, "did you mean \"password\"?");
	assert_null(strstr(l.errors.text, "hunter2"));
	unload(&l);
	refuse(REDIS("servers: \"redis://a:1\", user: u"), "the user \"u\" has no password");
}

#define USER "servers: \"redis://a:1\", user: u, password: \"${file:pw}\", "

/* As one that is refused is said; NULL: it is good. warned: piece of its warning, NULL for none. */
static void judge(const char *text, const char *piece, const char *warned)
{
	struct bundle *b = bundle_empty();

	bundle_put(b, "/etc/s/pw", S("hunter2\n"));
	bundle_put(b, "/etc/s/other", S("hunter3\n"));
	struct loaded l = load_from(b, text);
	if (piece)
		expect_said(&l, piece);
	else
		expect_good(&l);
	if (warned)
		assert_non_null(strstr(l.errors.warnings, warned));
	else if (l.errors.warnings)
		assert_null(strstr(l.errors.warnings, "redis"));
	assert_null(l.errors.text ? strstr(l.errors.text, "hunter") : NULL);
	unload(&l);
}

static void the_keeper_has_a_user_of_its_own_or_there_is_a_warning(void **state)
{
	(void)state;
	judge(REDIS(USER "keeper: {user: k, password: \"${file:other}\"}"), NULL, NULL);
	judge(REDIS(USER), NULL, "redis.keeper is missing");
	judge(REDIS("servers: \"redis://a:1\""), NULL, "4:8: warning: redis.keeper is missing");
	judge(REDIS(USER "keeper: {user: u, password: \"${file:other}\"}"), "\"u\" is the user of the workers",
	      NULL);
	judge(REDIS(USER "keeper: {user: k, password: \"${file:pw}\"}"), "the password of the workers too", NULL);
	judge(REDIS(USER "keeper: {password: \"${file:other}\"}"), "keeper.user is not", NULL);
	judge(REDIS(USER "keeper: {user: k}"), "the user \"k\" has no keeper.password", NULL);
	judge(REDIS(USER "keeper: {user: k, password: hunter3}"), "keeper.password: a password is not written",
	      NULL);
	judge(REDIS("servers: \"redis://a:1\", keeper: {user: default, password: \"${file:pw}\"}"),
	      "\"default\" is the user of the workers", NULL);
}

static void tls_is_for_rediss_servers_with_both_halves_of_a_certificate(void **state)
{
	struct bundle *b = bundle_empty();

	(void)state;
	bundle_put(b, "/etc/s/ca.pem", S("a"));
	bundle_put(b, "/etc/s/c.pem", S("c"));
	struct loaded l =
	    load_from(b, REDIS("servers: \"rediss://a:1\", tls: {ca: ca.pem, server_name: r.example}"));
	expect_good(&l);
	unload(&l);
	b = bundle_empty();
	bundle_put(b, "/etc/s/c.pem", S("c"));
	l = load_from(b, REDIS("servers: \"rediss://a:1\", tls: {chain: c.pem}"));
	expect_said(&l, "chain and key are given together or not at all");
	unload(&l);
	refuse(REDIS("servers: \"redis://a:1\", tls: {server_name: a}"), "no server is rediss://");
	refuse(REDIS("servers: \"rediss://a:1\", tls: {server_name: \"a b\"}"), "neither a host name nor an IP");
	refuse(REDIS("servers: \"rediss://a:1\", tls: {ca: missing.pem}"), "cannot be read");
	refuse(REDIS("servers: \"redis://a:1\", budget: 2s"), "it goes from 1ms to 1s");
}

static void limits_of_a_fleet_need_its_secret(void **state)
{
	(void)state;
	refuse(REDIS("servers: \"redis://10.0.0.1:6379\"") "limits: {a: {key: address, rate: 1/s}}\n",
	       "scope: fleet needs secrets.fleet");
	welcome(REDIS(
	    "servers: \"redis://10.0.0.1:6379\"") "limits: {a: {key: address, rate: 1/s, scope: machine}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_of_a_fleet_need_its_secret),
		cmocka_unit_test(a_redis_is_one_server_sentinels_or_a_cluster),
		cmocka_unit_test(a_malformed_server_is_said_to_be_what_it_is),
		cmocka_unit_test(a_password_comes_by_reference_and_is_never_shown),
		cmocka_unit_test(the_keeper_has_a_user_of_its_own_or_there_is_a_warning),
		cmocka_unit_test(tls_is_for_rediss_servers_with_both_halves_of_a_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
