/* Sentinel and Cluster, with real processes: a failover, and a slot that moves under load. */
#include "certificates.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- Sentinel ---- */

static size_t start_sentinel(uint16_t master)
{
	char text[1024], command[64];
	uint16_t port = free_port();

	snprintf(text, sizeof text,
	         "port %u\nbind 127.0.0.1\ndir %s\n"
	         "sentinel monitor the-master 127.0.0.1 %u 1\n"
	         "sentinel down-after-milliseconds the-master 500\nsentinel failover-timeout the-master 3000\n"
	         "aclfile sentinel.acl\n",
	         port, real.dir, master);
	copy_acl("conf/redis-sentinel-users.acl", "sentinel.acl");
	size_t s = start("--sentinel", port, text);
	snprintf(command, sizeof command, "-p %u ping", port);
	until_says("PONG", command);
	return s;
}

static void a_failover_is_followed_and_the_new_master_counts_on(void **state)
{
	struct got got = { 0 };
	char config[256], command[128];

	(void)state;
	size_t master = start_server("");
	snprintf(config, sizeof config, "replicaof 127.0.0.1 %u", real.server[master].port);
	size_t replica = start_server(config);
	snprintf(command, sizeof command, "-p %u info replication", real.server[replica].port);
	until_says("master_link_status:up", command);
	size_t sentinel = start_sentinel(real.server[master].port);
	snprintf(command, sizeof command, "-p %u sentinel replicas the-master", real.server[sentinel].port);
	until_says("slave-priority", command);
	snprintf(config, sizeof config,
	         "mode: sentinel, master: the-master, budget: 1s, "
	         "sentinel_user: sallyport, sentinel_password: \"${file:password}\", "
	         "servers: [\"redis://127.0.0.1:1\", \"redis://127.0.0.1:%u\"]",
	         real.server[sentinel].port);
	open_room(config);
	UNTIL(redis_is_usable(real.redis, 0));
	assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 1);
	snprintf(command, sizeof command, "-p %u bitfield_ro sallyport:prod:rl:{a} get u63 0",
	         real.server[replica].port);
	until_says("1\n", command);
	stop(master, SIGKILL);
	UNTIL(!redis_is_usable(real.redis, 0));
	UNTIL(redis_is_usable(real.redis, 0));
	assert_non_null(strchr(real.events, 'R'));
	assert_true(count_up("rl:{a}", &got));
	UNTIL(got.done == 2);
	assert_int_equal(got.answered, 2);
	assert_int_equal(got.integer, 2);
}

static void a_master_that_the_sentinels_do_not_know_is_said(void **state)
{
	char config[256];

	(void)state;
	size_t master = start_server("");
	size_t sentinel = start_sentinel(real.server[master].port);
	snprintf(config, sizeof config, "mode: sentinel, master: other, servers: \"redis://127.0.0.1:%u\"",
	         real.server[sentinel].port);
	open_room(config);
	uint64_t end_ns = clock_ns() + 300 * NS_PER_MS;
	while (clock_ns() < end_ns)
		real_turn();
	assert_int_equal(redis_state(real.redis, 0), REDIS_DOWN);
}

/* ---- Cluster ---- */

#define MASTERS 3

static const char *tls; /* what redis-cli needs to be told; "" for a plain cluster */

static size_t start_node(unsigned i)
{
	char text[512];

	if (!*tls) {
		snprintf(text, sizeof text,
		         "cluster-enabled yes\ncluster-config-file nodes-%u.conf\n"
		         "cluster-node-timeout 2000",
		         i);
		return start_server(text);
	}
	uint16_t port = free_port();
	snprintf(text, sizeof text,
	         "port 0\ntls-port %u\nbind 127.0.0.1\nsave \"\"\ntls-cert-file server.pem\n"
	         "tls-key-file server.key\ntls-ca-cert-file ca.pem\ntls-auth-clients optional\ntls-cluster yes\n"
	         "cluster-enabled yes\ncluster-config-file nodes-%u.conf\ncluster-node-timeout 2000\n",
	         port, i);
	size_t s = start(NULL, port, text);
	snprintf(text, sizeof text, "-p %u %s ping", port, tls);
	until_says("PONG", text);
	return s;
}

static void start_cluster(bool secure)
{
	char text[512];
	size_t len = 0;

	tls = secure ? "--tls --cacert ca.pem" : "";
	if (secure)
		write_certificates();

	for (unsigned i = 0; i < MASTERS; i++)
		start_node(i);
	for (unsigned i = 0; i < MASTERS; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, " 127.0.0.1:%u", real.server[i].port);
	cli("%s --cluster create%s --cluster-yes", tls, text);
	for (unsigned i = 0; i < MASTERS; i++) {
		snprintf(text, sizeof text, "-p %u %s cluster info", real.server[i].port, tls);
		until_says("cluster_state:ok", text);
	}
}

static void open_cluster(void)
{
	char config[256];

	const char *scheme = *tls ? "rediss" : "redis";
	snprintf(config, sizeof config,
	         "mode: cluster, budget: 1s, %s"
	         "servers: [\"%s://127.0.0.1:1\", \"%s://127.0.0.1:%u\"]",
	         *tls ? "tls: {ca: ca.pem}, " : "", scheme, scheme, real.server[0].port);
	open_room(config);
	UNTIL(redis_is_usable(real.redis, 0) && redis_is_usable(real.redis, 8000) &&
	      redis_is_usable(real.redis, 16383));
}

static void keys_find_their_master_by_the_tag_also_over_tls(void **state)
{
	struct got got = { 0 };
	char key[32], answer[64];

	(void)state;
	start_cluster(true);
	open_cluster();
	for (unsigned i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "rl:{%u}", i);
		assert_true(count_up(key, &got));
	}
	UNTIL(got.done == 200);
	assert_int_equal(got.answered, 200);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(answer, sizeof answer, "%u\n",
		         redis_slot((struct slice){ key, (size_t)snprintf(key, sizeof key, "x{%u}y{z}", i) }));
		assert_string_equal(cli("-p %u %s cluster keyslot '%s'", real.server[0].port, tls, key), answer);
	}
	assert_int_equal(redis_slot(S("foo{}{bar}")), 8363);
	assert_int_equal(redis_slot(S("123456789")), 0x31c3);
}

static unsigned owner_of(unsigned slot)
{
	const char *nodes = cli("-p %u cluster slots", real.server[0].port);
	unsigned from, to, port;
	char host[64], id[64];

	for (; nodes && *nodes; nodes = strchr(nodes, '\n') ? strchr(nodes, '\n') + 1 : NULL)
		if (sscanf(nodes, "%u\n%u\n%63s\n%u\n%63s\n", &from, &to, host, &port, id) == 5 && from <= slot &&
		    slot <= to && strcmp(host, "127.0.0.1") == 0)
			for (unsigned i = 0; i < MASTERS; i++)
				if (real.server[i].port == port)
					return i;
	fail_msg("nobody serves slot %u", slot);
	return 0;
}

static void id_of(unsigned server, char to[static 64])
{
	snprintf(to, 64, "%.40s", cli("-p %u cluster myid", real.server[server].port));
}

static void count_some(const char *key, unsigned n, struct got *got)
{
	for (unsigned i = 0; i < n; i++) {
		UNTIL(redis_is_usable(real.redis, redis_slot(S("{a}"))) && count_up(key, got));
		real_turn();
	}
}

/* Step by step as redis-cli --cluster reshard does it, with the load going on at each. */
static void a_slot_moves_under_load_and_no_count_is_lost_or_doubled(void **state)
{
	struct got got = { 0 };
	unsigned slot = redis_slot(S("{a}"));
	char from_id[64], to_id[64];

	(void)state;
	start_cluster(false);
	open_cluster();
	unsigned from = owner_of(slot), to = (from + 1) % MASTERS;
	id_of(from, from_id);
	id_of(to, to_id);
	count_some("rl:{a}", 50, &got);
	cli("-p %u cluster setslot %u importing %s", real.server[to].port, slot, from_id);
	cli("-p %u cluster setslot %u migrating %s", real.server[from].port, slot, to_id);
	count_some("rl:{a}", 50, &got);  /* still there */
	count_some("new:{a}", 50, &got); /* ASK: a key that is not yet anywhere is made there */
	UNTIL(got.done == got.asked);
	cli("-p %u migrate 127.0.0.1 %u sallyport:prod:rl:{a} 0 5000", real.server[from].port,
	    real.server[to].port);
	count_some("rl:{a}", 50, &got); /* ASK */
	cli("-p %u cluster setslot %u node %s", real.server[to].port, slot, to_id);
	cli("-p %u cluster setslot %u node %s", real.server[from].port, slot, to_id);
	count_some("rl:{a}", 50, &got); /* MOVED, then known */
	UNTIL(got.done == got.asked);
	assert_int_equal(got.refused, 0);
	if (!strchr(real.events, 'O')) /* a machine that stood still for a second may have cut a connection */
		assert_int_equal(got.answered, 250);
	unsigned counted =
	    (unsigned)atoi(cli("-p %u bitfield sallyport:prod:rl:{a} get u63 0", real.server[to].port));
	counted += (unsigned)atoi(cli("-p %u bitfield sallyport:prod:new:{a} get u63 0", real.server[to].port));
	assert_in_range(counted, got.answered, got.asked);
}

static void a_dead_master_takes_only_its_own_slots_along(void **state)
{
	struct got got = { 0 };

	(void)state;
	start_cluster(false);
	open_cluster();
	unsigned dead = owner_of(redis_slot(S("{a}")));
	stop(dead, SIGKILL);
	UNTIL(!redis_is_usable(real.redis, redis_slot(S("{a}"))));
	unsigned usable = 0;
	for (unsigned slot = 0; slot < 16384; slot++)
		usable += redis_is_usable(real.redis, (uint16_t)slot);
	assert_in_range(usable, 10000, 11500);
	assert_false(count_up("rl:{a}", &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failover_is_followed_and_the_new_master_counts_on),
		TEST(a_master_that_the_sentinels_do_not_know_is_said),
		TEST(keys_find_their_master_by_the_tag_also_over_tls),
		TEST(a_slot_moves_under_load_and_no_count_is_lost_or_doubled),
		TEST(a_dead_master_takes_only_its_own_slots_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
