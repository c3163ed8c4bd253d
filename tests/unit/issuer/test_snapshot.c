#include "metrics/metrics.h"
#include "passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker one, two;
static struct slice first, second;

static int open_world(void **state)
{
	(void)state;
	keeping_open((struct slice){ 0 });
	keeping.body = first;
	return 0;
}

/* The machine is switched off and on again: memory is empty, the disk is not. */
static void reboot(uint64_t later_s)
{
	keeping_stop();
	memset(keeping.published, 0, published_memory());
	if (!published_attach(keeping.published))
		abort();
	keeping.now_ns = 100 * NS_PER_S;
	keeping.wall_s += later_s;
	keeping.fetches = keeping.discoveries = 0;
}

/* Replaces from by to, of the same length, in a kept file; how often it stood there. */
static int patch(const char *name, const char *from, const char *to)
{
	static char bytes[100000];
	char path[256];
	int found = 0;

	keeping_path(path, name);
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	size_t len = fread(bytes, 1, sizeof bytes - 1, file);
	bytes[len] = '\0';
	for (char *at = bytes; (at = strstr(at, from)); at += strlen(to), found++)
		memcpy(at, to, strlen(to));
	rewind(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
	return found;
}

static void copy(const char *from, const char *to)
{
	char a[256], b[256], bytes[20000];

	keeping_path(a, from);
	keeping_path(b, to);
	FILE *in = fopen(a, "r"), *out = fopen(b, "w");
	assert_true(in && out);
	size_t len = fread(bytes, 1, sizeof bytes, in);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	fclose(in);
	fclose(out);
}

static void a_start_inside_an_outage_publishes_the_kept_keys_at_once(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	reboot(20 * 3600);
	keeping.status = keeping.discovery_status = 0;
	keeping_start();
	assert_int_equal(keeping.fetches + keeping.discoveries, 0); /* before anything is asked */
	assert_true(keeping_publishes("one"));
	assert_true(keeping_seen()->fetched_wall_s == 1800000000); /* and no younger than they are */
	assert_true(keeping_seen()->fetched_ns == 0);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_DEGRADED);
	keeping_pass(30);
	assert_true(keeping.fetches > 0); /* where discovery is down, too: the kept address */
	assert_string_equal(keeping.url, "https://i/keys");
	assert_true(keeping_publishes("one"));
	keeping.status = 200;
	keeping.body = second;
	keeping_pass(61);
	assert_true(keeping_publishes("two"));
}

static void a_kept_set_is_readable_by_its_owner_alone(void **state)
{
	char path[256];
	struct stat st;

	(void)state;
	keeping_start();
	keeping_pass(0);
	keeping_path(path, "auth0.json");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	keeping_path(path, "auth0.new");
	assert_int_not_equal(stat(path, &st), 0);
}

static void a_kept_set_that_was_changed_is_ignored(void **state)
{
	static const struct {
		const char *from, *to;
	} table[] = {
		{ "\"kid\":\"one\"", "\"kid\":\"eve\"" },
		{ "\"fetched\":18", "\"fetched\":19" },
		{ "sallyport-keys-1", "sallyport-keys-2" },
		{ "P-256", "P-384" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		keeping_start();
		keeping_pass(0);
		assert_true(keeping_publishes("one"));
		reboot(1);
		assert_int_equal(patch("auth0.json", table[i].from, table[i].to), 1);
		keeping_start();
		assert_int_equal(keeping_seen()->generation, 0);
		reboot(1);
	}
}

static void a_kept_set_of_another_machine_or_issuer_is_ignored(void **state)
{
	struct issuer_env world = {
		.with = &keeping, .fetch = keeping_fetch, .now_ns = keeping_now, .wall_s = keeping_wall
	};

	(void)state;
	keeping_start();
	keeping_pass(0);
	reboot(1);
	keeping.keeper = issuer_keeper_open(&keeping.config, NULL, keeping.published, world, S("another secret"));
	assert_int_equal(keeping_seen()->generation, 0);
	reboot(1);
	keeping.issuer.issuer = S("https://j/");
	keeping_start();
	assert_int_equal(keeping_seen()->generation, 0);
	reboot(1);
	keeping.issuer.issuer = S("https://i/");
	keeping_start();
	assert_true(keeping_publishes("one"));
}

static void an_older_set_put_back_is_noticed(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	copy("auth0.json", "old.json");
	keeping_pass(600);
	reboot(1);
	copy("old.json", "auth0.json");
	keeping_start();
	assert_int_equal(keeping_seen()->generation, 0);
}

static void a_whole_directory_put_back_is_noticed_by_the_floor(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	copy("auth0.json", "old.json");
	copy("newest", "newest.old");
	keeping_pass(1200);
	for (int spoiled = 0; spoiled < 2; spoiled++) {
		reboot(1);
		copy("old.json", "auth0.json");
		copy("newest.old", "newest");
		if (spoiled) /* a crash tore what was written last: what was written before still counts */
			keeping.floor[0] ^= 1;
		uint32_t older = metrics_series(METRIC_snapshots_refused_total, S("older"), S("disk"), S(""), S(""));
		uint64_t before = metrics_value(older);
		keeping_start();
		assert_int_equal(keeping_seen()->generation, 0);
		assert_int_equal(metrics_value(older), before + 1);
	}
}

static void without_a_floor_the_directory_alone_is_believed(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	reboot(1);
	memset(keeping.floor, 'x', sizeof keeping.floor); /* both copies spoiled */
	keeping_start();
	assert_true(keeping_publishes("one"));
}

static void a_clock_that_was_set_back_does_not_make_the_newest_set_an_old_one(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	keeping.wall_s -= 7200; /* it had been wrong */
	keeping_pass(1000);
	reboot(1);
	keeping_start();
	assert_true(keeping_publishes("one"));
}

static void secrets_of_the_fleet_may_be_rotated(void **state)
{
	unsigned char bytes[2][32] = { "an old secret of the whole fleet", "a new secret of the whole fleet." };
	struct secret fleet[2] = { { bytes[0], 32 }, { bytes[1], 32 } };
	CONFIG_SECRETS *config = &keeping.config.root.secrets.fleet;

	(void)state;
	keeping_start();
	keeping_pass(0);
	reboot(1);
	*config = (CONFIG_SECRETS){ &fleet[0], 1 }; /* a fleet is founded: the machine's own file still counts */
	keeping_start();
	assert_true(keeping_publishes("one"));
	keeping_pass(600);
	reboot(1);
	struct secret rotated[2] = { fleet[1], fleet[0] };
	*config = (CONFIG_SECRETS){ rotated, 2 };
	keeping_start_with(S("a new machine")); /* as a container that has no memory but the fleet's secret */
	assert_true(keeping_publishes("one"));
	reboot(1);
	/* the old one was withdrawn before anything was written again */
	*config = (CONFIG_SECRETS){ rotated, 1 };
	keeping_start_with(S("a new machine"));
	assert_int_equal(keeping_seen()->generation, 0);
}

static void a_set_from_the_future_is_ignored(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	reboot(0);
	keeping.wall_s -= 301;
	keeping_start();
	assert_int_equal(keeping_seen()->generation, 0);
}

static void memory_newer_than_the_disk_wins(void **state)
{
	(void)state;
	keeping_start();
	keeping_pass(0);
	copy("auth0.json", "old.json");
	keeping.body = second;
	keeping_pass(700);
	assert_true(keeping_publishes("two") && !keeping_publishes("one"));
	copy("old.json", "auth0.json");
	keeping_stop();
	keeping_start();
	assert_true(keeping_publishes("two") && !keeping_publishes("one"));
}

static void a_torn_or_foreign_file_does_not_hinder_a_start(void **state)
{
	static const char *const contents[] = { "", "sallyport-keys-1 ", "sallyport-keys-1 \n", "garbage\n{}",
		                                    "{}" };
	char path[256];

	(void)state;
	keeping_start();
	keeping_pass(0);
	for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
		reboot(1);
		keeping_path(path, "auth0.json");
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fputs(contents[i], file);
		fclose(file);
		keeping_start();
		assert_int_equal(keeping_seen()->generation, 0);
		keeping_pass(0);
		assert_true(keeping_publishes("one"));
	}
}

static void without_a_state_directory_the_keeper_works_all_the_same(void **state)
{
	(void)state;
	keeping.config.root.state = S("/nonexistent/state");
	keeping_start();
	keeping_pass(0);
	assert_true(keeping_publishes("one"));
}

/* ---- a key set that is a file ---- */

static void write_file(struct slice jwks, char path[256])
{
	char fresh[256];

	keeping_path(path, "");
	mkdir(path, 0700);
	keeping_path(path, "jwks");
	keeping_path(fresh, "old.json");
	FILE *file = fopen(fresh, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(jwks.at, 1, jwks.len, file), jwks.len);
	fclose(file);
	assert_int_equal(rename(fresh, path), 0);
	keeping.issuer.jwks = slice_of(path);
}

static void a_file_is_read_and_read_again_where_it_changes(void **state)
{
	char path[256];

	(void)state;
	write_file(first, path);
	keeping_start();
	keeping_pass(0);
	assert_true(keeping_publishes("one"));
	write_file(second, path);
	keeping_pass(6);
	/* what the operator writes holds at once */
	assert_true(keeping_publishes("two") && !keeping_publishes("one"));
	write_file(S("{\"keys\":"), path);
	keeping_pass(30);
	assert_true(keeping_publishes("two"));
	assert_true(atomic_load(&keeping_slot()->failed) > 0);
	unlink(path);
	keeping_pass(30);
	assert_true(keeping_publishes("two"));
	assert_int_equal(keeping.fetches + keeping.discoveries, 0);
}

static void a_file_in_place_stays_fresh(void **state)
{
	char path[256];

	(void)state;
	write_file(first, path);
	keeping_start();
	keeping_pass(2 * DAY_S);
	assert_int_equal(atomic_load(&keeping_slot()->state), ISSUER_NORMAL);
	assert_true(keeping_seen()->fetched_wall_s >= keeping.wall_s - 66);
	assert_int_equal(atomic_load(&keeping_slot()->failed), 0);
}

static void an_unknown_kid_has_the_file_read_at_once(void **state)
{
	char path[256];

	(void)state;
	write_file(first, path);
	keeping_start();
	keeping_pass(0);
	keeping_pass(2);
	write_file(second, path);
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S("two"), keeping.wall_s);
	assert_true(keeping_publishes("two"));
	keeping_pass(2);
	uint64_t fetched_ns = keeping_seen()->fetched_ns;
	/* unchanged: confirmed all the same */
	issuer_keeper_unknown(keeping.keeper, S("auth0"), S(""), keeping.wall_s);
	assert_true(keeping_seen()->fetched_ns > fetched_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, keeping_end)
		TEST(a_start_inside_an_outage_publishes_the_kept_keys_at_once),
		TEST(a_kept_set_is_readable_by_its_owner_alone),
		TEST(a_kept_set_that_was_changed_is_ignored),
		TEST(a_kept_set_of_another_machine_or_issuer_is_ignored),
		TEST(an_older_set_put_back_is_noticed),
		TEST(a_whole_directory_put_back_is_noticed_by_the_floor),
		TEST(without_a_floor_the_directory_alone_is_believed),
		TEST(a_clock_that_was_set_back_does_not_make_the_newest_set_an_old_one),
		TEST(secrets_of_the_fleet_may_be_rotated),
		TEST(a_set_from_the_future_is_ignored),
		TEST(memory_newer_than_the_disk_wins),
		TEST(a_torn_or_foreign_file_does_not_hinder_a_start),
		TEST(without_a_state_directory_the_keeper_works_all_the_same),
		TEST(a_file_is_read_and_read_again_where_it_changes),
		TEST(a_file_in_place_stays_fresh),
		TEST(an_unknown_kid_has_the_file_read_at_once),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	void *counters = calloc(1, metrics_memory(1));
	if (!counters || !metrics_attach(counters, 1))
		abort();
	metrics_sit(0);
	one = maker_make(ALG_ES256, "one");
	two = maker_make(ALG_EDDSA, "two");
	first = maker_jwks(&one, 1);
	second = maker_jwks(&two, 1);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_free(&two);
	maker_forget();
	free(counters);
	return failed;
}
