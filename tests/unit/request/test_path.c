#include "request/headers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct { const char *from, *to; } sound[] = {
	{ "/", "/" },
	{ "/a/b", "/a/b" },
	{ "/a/b/", "/a/b/" },
	{ "//a///b//", "/a/b/" },
	{ "/a/./b", "/a/b" },
	{ "/a/.", "/a/" },
	{ "/a/b/..", "/a/" },
	{ "/a/b/../", "/a/" },
	{ "/a/b/../../c", "/c" },
	{ "/a/..", "/" },
	{ "/a//../b", "/b" },
	{ "/a/%2e%2E/b", "/b" },
	{ "/a/.%2e/b", "/b" },
	{ "/%2e/b", "/b" },
	{ "/%61%7e%5F%2d", "/a~_-" },
	{ "/a%20b%c3%a9", "/a%20b%C3%A9" },
	{ "/%2520", "/%2520" },
	{ "/%252e%252e/%252f", "/%252e%252e/%252f" },
	{ "/.well-known/x", "/.well-known/x" },
	{ "/a/...", "/a/..." },
	{ "/a/..b/.c", "/a/..b/.c" },
	{ "/a;v=1/b;jsessionid=2", "/a;v=1/b;jsessionid=2" },
	{ "/;x", "/;x" },
	{ "/a%3bb", "/a%3Bb" },
	{ "/a;x/../b", "/b" },
	{ "/...;x", "/...;x" },
	{ "/a:b@c!$&'()*+,=|\"<>{}^`[]", "/a:b@c!$&'()*+,=|\"<>{}^`[]" },
	{ "/a%3Fb%23c", "/a%3Fb%23c" },
};

static const char *const unsound[] = {
	"", "a", "*", "a/b", "/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e", "/.%2e/a", "//..//a",
	"/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/a\\b", "/..\\a", "/a%00", "/a%0d%0ab", "/a%1f", "/a%7f",
	"/a%", "/a%4", "/a%g1", "/a%4g", "/a%%34%31", "/a%u0041", "/a b", "/a\tb", "/a\rb", "/a\x7f", "/\xc3\xa9",
	"/a?b", "/a#b", "/..;/b", "/a/..;x/b", "/.;x", "/..%3bx", "/%2e%2e;/a", "/%2e%2e%3b/a", "/a/.%3B",
};

static void paths_have_one_form(void **state)
{
	char to[256];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
		if (!path_normalise(slice_of(sound[i].from), to, &len))
			fail_msg("refused: %s", sound[i].from);
		if (!slice_same((struct slice){ to, len }, slice_of(sound[i].to)))
			fail_msg("%s became %.*s", sound[i].from, (int)len, to);
	}
}

static void a_normal_path_is_its_own_form(void **state)
{
	char to[256];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
		assert_true(path_normalise(slice_of(sound[i].to), to, &len));
		assert_true(slice_same((struct slice){ to, len }, slice_of(sound[i].to)));
		if (strcmp(sound[i].from, sound[i].to) != 0)
			assert_false(path_is_normal(slice_of(sound[i].from)));
	}
}

static void what_servers_read_differently_is_refused(void **state)
{
	char to[256];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof unsound / sizeof unsound[0]; i++) {
		if (path_normalise(slice_of(unsound[i]), to, &len))
			fail_msg("accepted: %s as %.*s", unsound[i], (int)len, to);
		assert_false(path_is_normal(slice_of(unsound[i])));
	}
	assert_false(path_normalise((struct slice){ "/a\0b", 4 }, to, &len));
	assert_false(path_is_normal((struct slice){ "/a\0b", 4 }));
}

static void ordinary_paths_need_no_copy(void **state)
{
	(void)state;
	assert_true(path_is_normal(S("/")));
	assert_true(path_is_normal(S("/api/v1/clusters/42.json")));
	assert_true(path_is_normal(S("/a/b/")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_have_one_form),
		cmocka_unit_test(a_normal_path_is_its_own_form),
		cmocka_unit_test(what_servers_read_differently_is_refused),
		cmocka_unit_test(ordinary_paths_need_no_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
