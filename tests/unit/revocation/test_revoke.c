#include "metrics/metrics.h"
#include "../issuer/passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker one;

static int open_world(void **state)
{
	(void)state;
	keeping_open((struct slice){ 0 });
	keeping.body = maker_jwks(&one, 1);
	keeping.config.root.verification.revoked_for = 30 * (uint64_t)DAY_S * NS_PER_S;
	keeping_start();
	keeping_pass(0);
	return 0;
}

static int close_world(void **state)
{
	static const char *const files[] = { "revocations", "revocations.old" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		keeping_path(path, files[i]);
		unlink(path);
	}
	keeping_close();
	return 0;
}

static const char *revoke_until(const char *kind, const char *value, uint64_t until_s, uint64_t before_s)
{
	const struct revocation_order r = { .issuer = S("auth0"),
		                                .kind = slice_of(kind),
		                                .value = slice_of(value),
		                                .until_s = until_s,
		                                .before_s = before_s };
	bool kept = false;
	const char *why = revoker_add(issuer_keeper_revoker(keeping.keeper), &r, &kept);

	assert_true(why || kept);
	return why;
}

static const char *take_from(const char *kind, const char *value)
{
	return revoke_until(kind, value, 0, 0);
}

static bool holds_at(enum revoked_kind kind, const char *value, uint64_t iat_s)
{
	const struct revoked_table *t = &keeping.published->revoked;
	struct revoked_marks m = { .issued_s = iat_s };

	m.of[kind] = revoked_mark(t, S("auth0"), kind, slice_of(value));
	return revoked_has(t, &m, keeping.wall_s);
}

static bool holds(enum revoked_kind kind, const char *value)
{
	return holds_at(kind, value, keeping.wall_s);
}

/* The machine is switched off and on again. */
static void reboot(void)
{
	keeping_stop();
	memset(keeping.published, 0, published_memory());
	if (!published_attach(keeping.published))
		abort();
	keeping.now_ns = 100 * NS_PER_S;
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

static void a_revocation_is_in_force_at_once_and_after_every_restart(void **state)
{
	unsigned moved = keeping.moved;

	(void)state;
	assert_null(take_from("jti", "token-1"));
	assert_null(take_from("sid", "session \"1\" \xc3\xa9"));
	assert_true(keeping.moved > moved); /* sleeping workers are woken: tunnels may have to end */
	for (int i = 0; i < 3; i++) {
		assert_true(holds(REVOKED_JTI, "token-1") && holds(REVOKED_SID, "session \"1\" \xc3\xa9"));
		assert_false(holds(REVOKED_JTI, "token-2") || holds(REVOKED_SUB, "token-1"));
		assert_null(revoker_lost(issuer_keeper_revoker(keeping.keeper)));
		if (i == 0)
			keeping_stop(); /* the keeper alone */
		else
			reboot();
		keeping_start();
	}
}

static void a_subject_is_refused_what_was_issued_until_now_where_nothing_is_said(void **state)
{
	(void)state;
	uint64_t now_s = keeping.wall_s;
	assert_null(take_from("sub", "alice"));
	assert_null(revoke_until("sub", "bob", 0, now_s - 600));
	keeping_pass(60);
	assert_true(holds_at(REVOKED_SUB, "alice", now_s));
	assert_false(holds_at(REVOKED_SUB, "alice", now_s + 1));
	assert_true(holds_at(REVOKED_SUB, "bob", now_s - 600));
	assert_false(holds_at(REVOKED_SUB, "bob", now_s - 599));
}

static void it_holds_until_its_time_or_the_longest_life_of_a_token(void **state)
{
	(void)state;
	keeping.status = 0;
	assert_null(take_from("kid", "one"));
	assert_null(revoke_until("jti", "short", keeping.wall_s + 3600, 0));
	keeping_pass(3599);
	assert_true(holds(REVOKED_JTI, "short"));
	keeping_pass(10);
	assert_false(holds(REVOKED_JTI, "short"));
	assert_int_equal(atomic_load(&keeping.published->revoked.used), 1); /* its place is free again */
	keeping_pass(29 * (uint64_t)DAY_S);
	assert_true(holds(REVOKED_KID, "one"));
	keeping_pass(DAY_S + 10);
	assert_int_equal(atomic_load(&keeping.published->revoked.used), 0);
}

static void a_revocation_can_be_taken_back_and_stays_taken_back(void **state)
{
	const struct revocation_order r = { .issuer = S("auth0"), .kind = S("kid"), .value = S("one") };
	bool kept = false;

	(void)state;
	assert_null(take_from("kid", "one"));
	assert_null(take_from("kid", "two"));
	assert_null(revoker_undo(issuer_keeper_revoker(keeping.keeper), &r, &kept));
	assert_true(kept);
	assert_true(!holds(REVOKED_KID, "one") && holds(REVOKED_KID, "two"));
	assert_non_null(revoker_undo(issuer_keeper_revoker(keeping.keeper), &r, &kept));
	reboot();
	keeping_start();
	assert_true(!holds(REVOKED_KID, "one") && holds(REVOKED_KID, "two"));
}

static void a_list_that_is_gone_changed_or_older_is_said_to_be(void **state)
{
	char path[256];

	(void)state;
	assert_null(take_from("jti", "first"));
	copy("revocations", "revocations.old");
	assert_null(take_from("jti", "second"));
	keeping_path(path, "revocations");
	for (int way = 0; way < 3; way++) {
		reboot();
		if (way == 0)
			copy("revocations.old", "revocations");
		else if (way == 1)
			assert_int_equal(truncate(path, 100), 0);
		else
			unlink(path);
		keeping_start();
		assert_non_null(revoker_lost(issuer_keeper_revoker(keeping.keeper)));
		assert_int_equal(metrics_value(metrics_lone(METRIC_revocations_lost)), 1);
		assert_int_equal(holds(REVOKED_JTI, "first"), way == 0); /* an old revocation is a real one */
	}
	keeping_stop(); /* the next keeper does not forget it */
	keeping_start();
	assert_non_null(revoker_lost(issuer_keeper_revoker(keeping.keeper)));
	assert_null(take_from("jti", "third"));
	reboot();
	keeping_start();
	assert_null(revoker_lost(issuer_keeper_revoker(keeping.keeper))); /* the list is whole again */
	assert_true(holds(REVOKED_JTI, "third"));
}

static void memory_outlives_the_keeper_whatever_the_disk_says(void **state)
{
	char path[256];

	(void)state;
	assert_null(take_from("jti", "first"));
	keeping_stop();
	keeping_path(path, "revocations");
	unlink(path);
	keeping_start();
	assert_null(revoker_lost(issuer_keeper_revoker(keeping.keeper)));
	assert_true(holds(REVOKED_JTI, "first"));
}

static void a_full_table_refuses_loudly_and_keeps_what_it_has(void **state)
{
	struct revoked_table *t = &keeping.published->revoked;

	(void)state;
	assert_null(take_from("jti", "first"));
	for (uint64_t i = 1; atomic_load(&t->used) < REVOKED_MAX; i++)
		assert_true(revoked_put(t, i * 11, revoked_times(keeping.wall_s + DAY_S, 0)));
	assert_non_null(strstr(take_from("jti", "one too many"), "full"));
	assert_int_equal(metrics_value(metrics_lone(METRIC_revocations_refused_total)), 1);
	assert_true(holds(REVOKED_JTI, "first"));
	assert_null(revoke_until("jti", "first", keeping.wall_s + 60, 0)); /* what is there may be changed */
}

static void what_makes_no_sense_is_refused(void **state)
{
	static char long_value[600];
	const struct revocation_order r = { .issuer = S("nobody"), .kind = S("kid"), .value = S("one") };
	bool kept = false;

	(void)state;
	memset(long_value, 'x', sizeof long_value - 1);
	assert_non_null(revoker_add(issuer_keeper_revoker(keeping.keeper), &r, &kept));
	assert_non_null(take_from("email", "x"));
	assert_non_null(take_from("jti", ""));
	assert_non_null(take_from("jti", long_value));
	assert_non_null(revoke_until("jti", "x", keeping.wall_s - 1, 0));
	assert_non_null(revoke_until("jti", "x", UINT64_C(1) << 33, 0));
	assert_non_null(revoke_until("sub", "x", 0, keeping.wall_s + 60));
	assert_int_equal(atomic_load(&keeping.published->revoked.used), 0);
}

static void add_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

static void the_list_is_told_as_json(void **state)
{
	char room[2048];
	struct text t = TEXT(room);

	(void)state;
	assert_null(take_from("jti", "a\"b"));
	assert_null(take_from("sub", "alice"));
	text_char(&t, '[');
	revoker_print(issuer_keeper_revoker(keeping.keeper), add_piece, &t);
	text_char(&t, ']');
	json_t *told = json_loadb(t.at, t.len, 0, NULL);
	assert_int_equal(json_array_size(told), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(told, 0), "value")), "a\"b");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(told, 1), "before")), keeping.wall_s);
	json_decref(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		TEST(a_revocation_is_in_force_at_once_and_after_every_restart),
		TEST(a_subject_is_refused_what_was_issued_until_now_where_nothing_is_said),
		TEST(it_holds_until_its_time_or_the_longest_life_of_a_token),
		TEST(a_revocation_can_be_taken_back_and_stays_taken_back),
		TEST(a_list_that_is_gone_changed_or_older_is_said_to_be),
		TEST(memory_outlives_the_keeper_whatever_the_disk_says),
		TEST(a_full_table_refuses_loudly_and_keeps_what_it_has),
		TEST(what_makes_no_sense_is_refused),
		TEST(the_list_is_told_as_json),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	void *counters = calloc(1, metrics_memory(1));
	if (!counters || !metrics_attach(counters, 1))
		abort();
	metrics_sit(0);
	one = maker_make(ALG_ES256, "one");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&one);
	maker_forget();
	free(counters);
	return failed;
}
