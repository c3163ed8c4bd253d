#include "config/table.h"
#include "loaded.h"

static const char *const said[][2] = {
	{ "environment", "environment: other\n" },
	{ "user", "environment: dev\nuser: somebody\n" },
	{ "state", "environment: dev\nstate: /somewhere\n" },
	{ "status.address", "environment: dev\nstatus: {address: \"127.0.0.1:9999\"}\n" },
	{ "admin.socket", "environment: dev\nadmin: {socket: /run/other.sock}\n" },
	{ "log.ring", "environment: dev\nlog: {ring: 2MiB}\n" },
	{ "guard.places", "environment: dev\nguard: {places: 2048}\n" },
	{ "limiting.table_size", "environment: dev\nlimiting: {table_size: 2048}\n" },
};
#define REST "listeners:\n  - {address: \"127.0.0.1:8080\"}\n"

static bool differs(const char *text, struct text *key)
{
	char whole[256];
	struct loaded a = load_text(LEAST);

	snprintf(whole, sizeof whole, "%s" REST, text);
	struct loaded b = load_text(whole);
	expect_good(&a);
	expect_good(&b);
	bool found = config_needs_restart(a.config, b.config, key);
	unload(&a);
	unload(&b);
	return found;
}

static void each_such_option_is_named_when_it_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		char store[64];
		struct text key = TEXT(store);
		assert_true(differs(said[i][1], &key));
		assert_true(text_end(&key));
		assert_string_equal(store, said[i][0]);
	}
}

static void all_else_may_change(void **state)
{
	char store[64];
	struct text key = TEXT(store);

	(void)state;
	assert_false(differs("environment: dev\n", &key));
	assert_false(differs("environment: dev\nlog: {level: debug, access: stdout}\nworkers: 3\n", &key));
}

static void count(void *with, const struct scope *s)
{
	for (size_t i = 0; i < s->rows_len; i++)
		*(size_t *)with += !row_has_scope(&s->rows[i]) && s->rows[i].when == RESTART;
}

static void every_row_of_the_table_is_tried_here(void **state)
{
	size_t rows = 0;

	(void)state;
	table_walk(count, &rows);
	assert_int_equal(rows, sizeof said / sizeof said[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_such_option_is_named_when_it_changes),
		cmocka_unit_test(all_else_may_change),
		cmocka_unit_test(every_row_of_the_table_is_tried_here),
	};

	return cmocka_run_group_tests_name("what a reload may not change", tests, NULL, NULL);
}
