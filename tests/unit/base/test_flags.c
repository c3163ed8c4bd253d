#include "base/flags.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct option names[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "port", required_argument, NULL, 256 },
	{ "help", no_argument, NULL, 'h' },
	{ "stop", no_argument, NULL, 'S' },
	{ 0 },
};

static char said[1024];

/* What flags_next gives for the words of a line at its first call; `said` is what it wrote to stderr. */
static int first(const char *line)
{
	static char store[128], *words[16];
	int len = 0, ends[2], before = dup(STDERR_FILENO);

	snprintf(store, sizeof store, "%s", line);
	for (char *at = store; at && len < 15; len++) {
		words[len] = at;
		at = strchr(at, ' ');
		if (at)
			*at++ = '\0';
	}
	words[len] = NULL;
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	optind = 0;
	int got = flags_next(len, words, names);
	dup2(before, STDERR_FILENO);
	close(before);
	ssize_t n = read(ends[0], said, sizeof said - 1);
	said[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	return got;
}

static void an_option_is_given_by_its_letter_and_its_name(void **state)
{
	(void)state;
	assert_int_equal(first("check -c FILE"), 'c');
	assert_string_equal(optarg, "FILE");
	assert_int_equal(first("check --config=FILE word"), 'c');
	assert_int_equal(first("dev --port 1"), 256);
	assert_int_equal(first("check word"), FLAGS_END);
	assert_string_equal(said, "");
}

static void a_misspelt_option_is_told_with_what_was_probably_meant(void **state)
{
	(void)state;
	assert_int_equal(first("check --confg FILE"), FLAGS_BAD);
	assert_string_equal(said, "sallyport check: there is no option --confg; did you mean --config?\n"
	                          "See `sallyport check --help`.\n");
	assert_int_equal(first("dev --frobnicate=1"), FLAGS_BAD);
	assert_non_null(strstr(said, "sallyport dev: there is no option --frobnicate\n"));
	assert_int_equal(first("check -x"), FLAGS_BAD);
	assert_non_null(strstr(said, "there is no option -x\n"));
	assert_int_equal(first("check -S"), FLAGS_BAD);
	assert_non_null(strstr(said, "there is no option -S\n"));
}

static void a_missing_value_and_one_too_many_are_told(void **state)
{
	(void)state;
	assert_int_equal(first("check -c"), FLAGS_BAD);
	assert_non_null(strstr(said, "check: --config needs a value\n"));
	assert_int_equal(first("check --help=all"), FLAGS_BAD);
	assert_non_null(strstr(said, "check: --help takes no value\n"));
}

static void the_nearest_word_is_suggested_and_a_strange_one_is_not(void **state)
{
	static const char *const words[] = { "run", "check", "reload", "status", "dev" };

	(void)state;
	assert_string_equal(flags_meant("chekc", words, 5), "check");
	assert_string_equal(flags_meant("relaod", words, 5), "reload");
	assert_string_equal(flags_meant("stat", words, 5), "status");
	assert_null(flags_meant("-v", words, 5));
	assert_null(flags_meant("frobnicate", words, 5));
	assert_null(flags_meant("an-argument-that-is-longer-than-any-word-that-was-ever-a-command", words, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_option_is_given_by_its_letter_and_its_name),
		cmocka_unit_test(a_misspelt_option_is_told_with_what_was_probably_meant),
		cmocka_unit_test(a_missing_value_and_one_too_many_are_told),
		cmocka_unit_test(the_nearest_word_is_suggested_and_a_strange_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
