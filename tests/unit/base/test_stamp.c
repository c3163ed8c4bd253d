#include "base/stamp.h"
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static void stamps_agree_with_the_library(void **state)
{
	(void)state;
	srand48(3);
	for (int i = 0; i < 20000; i++) {
		uint64_t s = (uint64_t)lrand48() << 3 ^ (uint64_t)lrand48();
		time_t t = (time_t)s;
		struct tm tm;
		char mine[64], want[64];
		gmtime_r(&t, &tm);

		struct text rfc3339 = TEXT(mine);
		if (s > UINT64_MAX / NS_PER_S - 1) /* past 2554 a count of ns has no room */
			continue;
		stamp_rfc3339(&rfc3339, s * NS_PER_S + 42 * NS_PER_MS);
		assert_true(text_end(&rfc3339));
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.042Z", &tm);
		assert_string_equal(mine, want);

		struct text http = TEXT(mine);
		stamp_http(&http, s * NS_PER_S);
		assert_true(text_end(&http));
		strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		assert_string_equal(mine, want);
	}
}

static void leap_days_and_the_first_second(void **state)
{
	const struct {
		uint64_t s;
		const char *want;
	} ways[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },          { 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },  { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
		{ 1735689599, "Tue, 31 Dec 2024 23:59:59 GMT" },
	};
	char mine[64];

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct text t = TEXT(mine);
		stamp_http(&t, ways[i].s * NS_PER_S);
		assert_true(text_end(&t));
		assert_string_equal(mine, ways[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_agree_with_the_library),
		cmocka_unit_test(leap_days_and_the_first_second),
	};

	return cmocka_run_group_tests_name("stamps", tests, NULL, NULL);
}
