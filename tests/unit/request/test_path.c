#include "base/way.h"
#include "request/headers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
	const char *from, *to;
} sound[] = {
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
	"",           "a",       "*",       "a/b",        "/..",          "/../a",    "/a/../..",
	"/a/../../b", "/%2e%2e", "/.%2e/a", "//..//a",    "/a%2fb",       "/a%2Fb",   "/a%5cb",
	"/a%5Cb",     "/a\\b",   "/..\\a",  "/a%00",      "/a%0d%0ab",    "/a%1f",    "/a%7f",
	"/a%",        "/a%4",    "/a%g1",   "/a%4g",      "/a%%34%31",    "/a%u0041", "/a b",
	"/a\tb",      "/a\rb",   "/a\x7f",  "/\xc3\xa9",  "/a?b",         "/a#b",     "/..;/b",
	"/a/..;x/b",  "/.;x",    "/..%3bx", "/%2e%2e;/a", "/%2e%2e%3b/a", "/a/.%3B",
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

static void escaped_slashes_are_data_only_between_names(void **state)
{
	static const struct {
		const char *from, *to;
	} kept[] = {
		{ "/projects/group%2fproject", "/projects/group%2Fproject" },
		{ "/queues/%2F/jobs", "/queues/%2F/jobs" },
		{ "/a%2Fb%2Fc/", "/a%2Fb%2Fc/" },
		{ "/x%2Fy/../z", "/z" },
		{ "/a;p%2Fb", "/a;p%2Fb" },
		{ "/a%252Fb", "/a%252Fb" },
	};
	static const char *const bad[] = { "/a%2F",       "/%2Fa",         "/a%2F%2Fb",     "/%2F%2F",
		                               "/a%2F../b",   "/a%2F..%2Fb",   "/..%2Fb",       "/.%2Fb",
		                               "/a%2F.",      "/a%2f%2e%2e",   "/a%2F..;x",     "/a%2F.%3Bx",
		                               "/a%2F;x%2Fb", "/%2F;x",        "/a;x%2F..",     "/a%2Fb%5Cc",
		                               "/a%2F%00",    "/a%2Fb/..%2Fc", "/..%2F..%2Fetc" };
	char to[64];
	size_t len;
	bool slashes;

	(void)state;
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		if (!path_normalise_open(slice_of(kept[i].from), to, &len, &slashes))
			fail_msg("refused: %s", kept[i].from);
		if (!slice_same((struct slice){ to, len }, slice_of(kept[i].to)))
			fail_msg("%s became %.*s", kept[i].from, (int)len, to);
		assert_int_equal(slashes, !strstr(kept[i].from, "%252F"));
		assert_int_equal(path_normalise(slice_of(kept[i].from), to, &len), !slashes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (path_normalise_open(slice_of(bad[i]), to, &len, &slashes))
			fail_msg("accepted: %s as %.*s", bad[i], (int)len, to);
}

static void a_path_takes_one_way_however_it_is_spelled(void **state)
{
	static const struct {
		const char *path, *way, *open;
	} table[] = {
		{ "/v1/users%3Apurge", "/v1/users:purge", NULL },
		{ "/odata/%24batch", "/odata/$batch", NULL },
		{ "/t/{x}", "/t/%7Bx%7D", NULL },
		{ "/t/%7Bx%7D", "/t/%7Bx%7D", NULL },
		{ "/a*%2A", "/a%2A%2A", NULL },
		{ "/admin;x/y", "/admin/y", NULL },
		{ "/admin%3Bx=%2F/y;z", "/admin/y", NULL },
		{ "/;x/a", "/a", NULL },
		{ "/a/;x", "/a/", NULL },
		{ "/;x", "/", NULL },
		{ "/a%20%22\"", "/a%20%22%22", NULL },
		{ "/%28%29%21%26%27%2B%2C%3D%40", "/()!&'+,=@", NULL },
		{ "/a%25", "/a%25", NULL },
		{ "/g%2Fp", "/g%2Fp", "/g/p" },
		{ "/q/%2F/x", "/q/%2F/x", "/q/x" },
		{ "/g;a%2Fp", "/g", "/g/p" },
		{ "/[x]", "/%5Bx%5D", NULL },
	};
	char to[64];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct slice path = slice_of(table[i].path), way = { to, 0 };
		way.len = way_write(path, false, to);
		assert_int_equal(way_write(path, false, NULL), way.len);
		if (!slice_same(way, slice_of(table[i].way)))
			fail_msg("%s took %.*s", table[i].path, (int)way.len, to);
		assert_true(way_is(path, false, slice_of(table[i].way), false));
		way.len = way_write(path, true, to);
		assert_true(slice_same(way, slice_of(table[i].open ? table[i].open : table[i].way)));
	}
	assert_true(way_is(S("/a;x/b"), false, S("/a/"), true) && way_is(S("/a;x"), false, S("/a/"), true));
	assert_false(way_is(S("/a;x"), false, S("/a/"), false) || way_is(S("/ab"), false, S("/a/"), true));
	for (int c = 1; c < 256; c++)
		assert_int_equal(char_is((char)c, CHAR_WAY), way_is_plain((char)c));
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
		cmocka_unit_test(escaped_slashes_are_data_only_between_names),
		cmocka_unit_test(a_path_takes_one_way_however_it_is_spelled),
		cmocka_unit_test(ordinary_paths_need_no_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
