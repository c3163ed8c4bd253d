/* Which of two words about one token counts, where they come from several machines. */
#include "base/log.h"
#include "revocation/revoke.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define WALL_S UINT64_C(1800000000)
#define AT_MS (WALL_S * 1000)

static struct revoked_table *table;
static struct revocations all;

static int open_list(void **state)
{
	(void)state;
	table = calloc(1, sizeof *table);
	if (!table)
		return 1;
	revocations_open(&all, table, NULL, WALL_S);
	return 0;
}

static int close_list(void **state)
{
	(void)state;
	revocations_close(&all);
	free(table);
	return 0;
}

static struct revocation word(uint64_t at_ms, bool undone)
{
	static char value[] = "j-1";
	struct revocation r = { .kind = REVOKED_JTI,
		                    .issuer = "auth0",
		                    .value = value,
		                    .at_ms = at_ms,
		                    .until_s = WALL_S + 600,
		                    .undone = undone };

	r.mark = revoked_mark(table, S("auth0"), REVOKED_JTI, slice_of(value));
	return r;
}

static bool is_revoked(void)
{
	const struct revoked_marks m = { .of = { [REVOKED_JTI] = word(0, false).mark } };

	return revoked_has(table, &m, WALL_S);
}

/* Whether it is revoked after another machine has said so. */
static bool hear(uint64_t at_ms, bool undone)
{
	struct revocation r = word(at_ms, undone);
	bool news;

	(void)revocations_merge(&all, &r, &news);
	return is_revoked();
}

static void the_later_word_counts_and_of_two_at_once_the_revocation(void **state)
{
	(void)state;
	assert_true(hear(AT_MS, false));
	assert_true(hear(AT_MS - 1, true));
	assert_true(hear(AT_MS, true));
	assert_false(hear(AT_MS + 1, true));
	assert_false(hear(AT_MS, false));
	assert_true(hear(AT_MS + 1, false));
}

/* Within one second, too: the others must see which was the last. */
static void each_word_of_this_machine_is_later_than_the_one_before(void **state)
{
	struct revocation r = word(AT_MS, false);
	uint64_t last_ms = 0;
	bool kept;

	(void)state;
	for (int i = 0; i < 6; i++) {
		assert_null(i % 2 ? revocations_undo(&all, r.mark, AT_MS, &kept) : revocations_add(&all, &r, &kept));
		assert_int_equal(all.len, 1);
		assert_true(all.at[0].at_ms > last_ms);
		assert_int_equal(all.at[0].undone, i % 2);
		assert_int_equal(is_revoked(), i % 2 == 0);
		last_ms = all.at[0].at_ms;
	}
}

static void a_revocation_ends_at_its_time_to_the_second(void **state)
{
	struct revocation r = word(AT_MS, false);
	bool kept;

	(void)state;
	assert_null(revocations_add(&all, &r, &kept));
	revocations_age(&all, r.until_s - 1);
	assert_int_equal(all.len, 1);
	revocations_age(&all, r.until_s);
	assert_int_equal(all.len, 0);
	assert_false(is_revoked());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_list, close_list)
		TEST(the_later_word_counts_and_of_two_at_once_the_revocation),
		TEST(each_word_of_this_machine_is_later_than_the_one_before),
		TEST(a_revocation_ends_at_its_time_to_the_second),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
