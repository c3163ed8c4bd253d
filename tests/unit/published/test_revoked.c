#include "published/revoked.h"
#include <pthread.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW_S UINT64_C(1800000000)

static struct revoked_table *table;

static int open_table(void **state)
{
	(void)state;
	table = calloc(1, sizeof *table);
	table->k0 = 1;
	table->k1 = 2;
	return table ? 0 : -1;
}

static int close_table(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static struct revoked_marks token(const char *jti, const char *sub, const char *sid, const char *kid,
                                  uint64_t iat)
{
	const char *const values[] = { jti, sub, sid, kid };
	struct revoked_marks m = { .issued_s = iat };

	for (int i = 0; i < REVOKED_KINDS; i++)
		if (values[i])
			m.of[i] = revoked_mark(table, S("auth0"), (enum revoked_kind)i, slice_of(values[i]));
	return m;
}

static void revoke(const char *issuer, enum revoked_kind kind, const char *value, uint64_t until_s,
                   uint64_t before_s)
{
	uint64_t mark = revoked_mark(table, slice_of(issuer), kind, slice_of(value));

	assert_true(revoked_put(table, mark, revoked_times(until_s, before_s)));
}

static void each_kind_refuses_its_own_and_nothing_else(void **state)
{
	static const char *const value[] = { "j", "s", "i", "k" };

	(void)state;
	for (int kind = 0; kind < REVOKED_KINDS; kind++) {
		memset(table->copy, 0, sizeof table->copy);
		const struct revoked_marks it = token("j", "s", "i", "k", NOW_S - 10);
		const struct revoked_marks other = token("k", "i", "s", "j", NOW_S - 10);
		const struct revoked_marks bare = token(NULL, NULL, NULL, NULL, 0);
		revoke("other", (enum revoked_kind)kind, value[kind], NOW_S + 60, NOW_S);
		assert_false(revoked_has(table, &it, NOW_S)); /* of another issuer */
		revoke("auth0", (enum revoked_kind)kind, value[kind], NOW_S + 60, NOW_S);
		assert_true(revoked_has(table, &it, NOW_S));
		assert_false(revoked_has(table, &other, NOW_S));
		assert_false(revoked_has(table, &bare, NOW_S));
		assert_true(revoked_has(table, &it, NOW_S + 59));
		assert_false(revoked_has(table, &it, NOW_S + 60));
	}
}

static void a_subject_is_refused_what_was_issued_before(void **state)
{
	(void)state;
	revoke("auth0", REVOKED_SUB, "alice", NOW_S + 60, NOW_S);
	const struct revoked_marks old = token(NULL, "alice", NULL, NULL, NOW_S - 1);
	const struct revoked_marks same = token(NULL, "alice", NULL, NULL, NOW_S); /* rounded down */
	const struct revoked_marks fresh = token(NULL, "alice", NULL, NULL, NOW_S + 1);
	const struct revoked_marks undated = token(NULL, "alice", NULL, NULL, 0);
	assert_true(revoked_has(table, &old, NOW_S + 5) && revoked_has(table, &same, NOW_S + 5));
	assert_false(revoked_has(table, &fresh, NOW_S + 5));
	assert_true(revoked_has(table, &undated, NOW_S + 5));
}

static void a_full_table_refuses_and_never_evicts(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= REVOKED_MAX; i++)
		assert_true(revoked_put(table, i * 7, revoked_times(NOW_S + 60, 0)));
	assert_false(revoked_put(table, 3, revoked_times(NOW_S + 60, 0)));
	assert_true(revoked_put(table, 7, revoked_times(NOW_S + 90, 0))); /* what is there may be changed */
	assert_int_equal(atomic_load(&table->used), REVOKED_MAX);
	for (uint64_t i = 1; i <= REVOKED_MAX; i++) {
		const struct revoked_marks m = { .of = { i * 7 } };
		assert_true(revoked_has(table, &m, NOW_S));
	}
}

static bool is_odd(void *with, uint64_t mark, uint64_t times)
{
	(void)with;
	(void)times;
	return mark % 2;
}

static void sifting_leaves_the_rest_findable_and_makes_room(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= REVOKED_MAX; i++) /* all in one long run */
		assert_true(revoked_put(table, i, revoked_times(NOW_S + 60, 0)));
	revoked_sift(table, is_odd, NULL);
	assert_int_equal(atomic_load(&table->used), REVOKED_MAX / 2);
	for (uint64_t i = 1; i <= REVOKED_MAX; i++) {
		const struct revoked_marks m = { .of = { i } };
		assert_int_equal(revoked_has(table, &m, NOW_S), i % 2);
	}
	assert_true(revoked_put(table, 2, revoked_times(NOW_S + 60, 0)));
}

static atomic_bool over;
static atomic_uint missed, looked;

static void *look(void *with)
{
	const struct revoked_marks m = { .of = { 4711 * 2 + 1 } };

	(void)with;
	while (!atomic_load(&over)) {
		missed += !revoked_has(table, &m, NOW_S);
		looked++;
	}
	return NULL;
}

static void a_reader_never_misses_an_entry_while_others_come_and_go(void **state)
{
	pthread_t reader;

	(void)state;
	assert_true(revoked_put(table, 4711 * 2 + 1, revoked_times(NOW_S + 60, 0)));
	assert_int_equal(pthread_create(&reader, NULL, look, NULL), 0);
	while (atomic_load(&looked) == 0)
		sched_yield();
	for (int i = 0; i < 50; i++) {
		for (uint64_t mark = 2; mark < 200; mark += 2)
			assert_true(revoked_put(table, mark, revoked_times(NOW_S + 60, 0)));
		revoked_sift(table, is_odd, NULL);
	}
	atomic_store(&over, true);
	pthread_join(reader, NULL);
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)
		TEST(each_kind_refuses_its_own_and_nothing_else),
		TEST(a_subject_is_refused_what_was_issued_before),
		TEST(a_full_table_refuses_and_never_evicts),
		TEST(sifting_leaves_the_rest_findable_and_makes_room),
		TEST(a_reader_never_misses_an_entry_while_others_come_and_go),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
