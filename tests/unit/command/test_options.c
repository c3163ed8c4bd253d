#include "command/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void durations_are_a_number_and_a_unit(void **state)
{
	static const char *const bad[] = { "", "5", "m", "5 m", "-5m", "5w", "1h30m", "99999999999s" };
	unsigned long long s = 0;

	(void)state;
	assert_true(options_duration("90s", &s) && s == 90);
	assert_true(options_duration("5m", &s) && s == 300);
	assert_true(options_duration("2h", &s) && s == 7200);
	assert_true(options_duration("30d", &s) && s == 30 * 86400);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(options_duration(bad[i], &s));
}

/* The words of a line as arguments; they live until the next call. */
static int parse(const char *line, const char *takes, struct options *to)
{
	static char store[128], *words[16];
	int len = 0;

	snprintf(store, sizeof store, "%s", line);
	for (char *at = store; at && len < 15; len++) {
		words[len] = at;
		at = strchr(at, ' ');
		if (at)
			*at++ = '\0';
	}
	words[len] = NULL;
	return options_read(len, words, takes, "usage\n", to);
}

static void options_are_read_and_foreign_ones_refused(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse("status -c /a.yaml -o json word", "cso", &o), -1);
	assert_string_equal(o.config, "/a.yaml");
	assert_true(o.json);
	assert_int_equal(o.rest_len, 1);
	assert_string_equal(o.rest[0], "word");
	assert_int_equal(options_words(&o, 1, 1, "usage\n"), -1);
	assert_int_equal(options_words(&o, 0, 0, "usage\n"), EXIT_USAGE);
	assert_int_equal(parse("run -o json", "c", &o), EXIT_USAGE);
	assert_int_equal(parse("status -o xml", "cso", &o), EXIT_USAGE);
}

static void no_color_is_honoured(void **state)
{
	(void)state;
	setenv("NO_COLOR", "1", 1);
	assert_string_equal(colour("\033[32m"), "");
	unsetenv("NO_COLOR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_a_number_and_a_unit),
		cmocka_unit_test(options_are_read_and_foreign_ones_refused),
		cmocka_unit_test(no_color_is_honoured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
