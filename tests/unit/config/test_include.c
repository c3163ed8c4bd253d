#include "loaded.h"

#define MAIN "/etc/s/c.yaml"

/* Pairs of path and text, NULL at the end. */
static struct loaded load_files(const char *const *files)
{
	struct bundle *b = bundle_empty();

	for (; *files; files += 2)
		bundle_put(b, files[0], slice_of(files[1]));
	return load_from(b, NULL);
}

#define FILES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void included_lists_are_appended_and_mappings_joined(void **state)
{
	struct loaded l = load_files(FILES(
	    MAIN,
	    LEAST UPSTREAM
	    "include: conf.d/*.yaml\nhttp: {body_max: 1MiB}\nrules: one\nroutes:\n  - {path: /main, deny: 403}\n",
	    "/etc/s/conf.d/b.yaml",
	    "routes:\n  - {path: /b, deny: 403}\nhttp: {head_max: 8KiB}\nupstreams: {more: {endpoints: "
	    "\"http://127.0.0.1:1\"}}\n",
	    "/etc/s/conf.d/a.yaml", "routes:\n  - {path: /a, deny: 403}\nrules: [two]\n",
	    "/etc/s/conf.d/.hidden.yaml", "nonsense: 1\n", "/etc/s/conf.d/deep/c.yaml", "nonsense: 1\n",
	    "/etc/s/one", "", "/etc/s/two", ""));
	const struct config_root *c;

	(void)state;
	expect_good(&l);
	c = &l.config->root;
	assert_int_equal(c->routes_len, 3);
	assert_string_equal(c->routes[0].path.at, "/main");
	assert_string_equal(c->routes[1].path.at, "/a");
	assert_string_equal(c->routes[2].path.at, "/b");
	assert_string_equal(c->routes[2].place.file, "/etc/s/conf.d/b.yaml");
	assert_int_equal(c->routes[2].place.line, 2);
	assert_int_equal(c->http.body_max, 1 << 20);
	assert_int_equal(c->http.head_max, 8 << 10);
	assert_int_equal(c->upstreams_len, 2);
	assert_int_equal(c->rules.len, 2);
	assert_string_equal(c->rules.at[1].at, "/etc/s/two");
	assert_int_equal(c->include.len, 1);
	unload(&l);
}

static void a_key_given_in_two_files_is_refused_with_both_places(void **state)
{
	struct loaded l = load_files(
	    FILES(MAIN, LEAST UPSTREAM "include: [more.yaml]\nworkers: 1\nhttp:\n  body_max: 1MiB\n",
	          "/etc/s/more.yaml", "workers: 2\nhttp: {body_max: 2MiB}\nupstreams: {app: {endpoints: []}}\n"));

	(void)state;
	expect_said(
	    &l,
	    "/etc/s/more.yaml:1:1: error: \"workers\" is given twice; it stands already at /etc/s/c.yaml:6:1");
	expect_said(
	    &l,
	    "/etc/s/more.yaml:2:8: error: \"body_max\" is given twice; it stands already at /etc/s/c.yaml:8:3");
	expect_said(
	    &l, "/etc/s/more.yaml:3:13: error: \"app\" is given twice; it stands already at /etc/s/c.yaml:4:13");
	assert_int_equal(l.errors.count, 3);
	unload(&l);
}

static void patterns_are_relative_to_the_including_file(void **state)
{
	struct loaded l =
	    load_files(FILES(MAIN, LEAST "include: a/a.yaml\n", "/etc/s/a/a.yaml", "include: b/*.yaml\n",
	                     "/etc/s/a/b/b.yaml", "include: /else/c.yaml\n", "/else/c.yaml", "workers: 7\n"));

	(void)state;
	expect_good(&l);
	assert_int_equal(l.config->root.workers, 7);
	unload(&l);
}

static void includes_nest_four_deep_and_no_deeper(void **state)
{
	static const char *const files[] = { MAIN,       LEAST "include: 1\n", "/etc/s/1", "include: 2\n",
		                                 "/etc/s/2", "include: 3\n",       "/etc/s/3", "include: 4\n",
		                                 "/etc/s/4", "workers: 1\n",       NULL };
	const char *deeper[sizeof files / sizeof files[0] + 2];
	struct loaded l = load_files(files);

	(void)state;
	expect_good(&l);
	unload(&l);
	memcpy(deeper, files, sizeof files);
	deeper[9] = "include: 5\n";
	l = load_files(deeper);
	expect_said(&l, "/etc/s/4:1:1: error: includes are nested more than 4 deep");
	unload(&l);
}

static void a_file_is_included_once(void **state)
{
	struct loaded l = load_files(FILES(MAIN, LEAST "include: [a.yaml, ./a.yaml]\n", "/etc/s/a.yaml", ""));

	(void)state;
	expect_said(&l, "/etc/s/c.yaml:4:19: error: /etc/s/./a.yaml is included twice, or includes itself");
	unload(&l);
	l = load_files(FILES(MAIN, LEAST "include: \"*.yaml\"\n"));
	expect_said(&l, "/etc/s/c.yaml:4:10: error: /etc/s/c.yaml is included twice, or includes itself");
	unload(&l);
}

static void a_pattern_may_match_nothing_but_a_name_must_be_there(void **state)
{
	struct loaded l = load_files(FILES(MAIN, LEAST "include: none/*.yaml\n"));

	(void)state;
	expect_good(&l);
	unload(&l);
	l = load_files(FILES(MAIN, LEAST "include: none.yaml\n"));
	expect_said(&l, "/etc/s/c.yaml:4:10: error: /etc/s/none.yaml cannot be read: no such file");
	assert_int_equal(l.errors.count, 1);
	unload(&l);
}

static void a_broken_included_file_is_told_alone(void **state)
{
	struct loaded l =
	    load_files(FILES(MAIN, LEAST "include: [a, b]\nroutes: [{path: /, upstream: app, anonymous: true}]\n",
	                     "/etc/s/a", "upstreams: {\n", "/etc/s/b", "x: *y\n"));

	(void)state;
	expect_said(&l, "/etc/s/a:2:1: error: this is not YAML");
	expect_said(&l, "/etc/s/b:1:4: error: aliases");
	assert_int_equal(l.errors.count, 2);
	unload(&l);
}

static void errors_show_the_line_of_the_included_file(void **state)
{
	struct loaded l =
	    load_files(FILES(MAIN, LEAST "include: a\n", "/etc/s/a", "# one\nhttp: {head_mex: 1}\n"));

	(void)state;
	expect_said(&l,
	            "/etc/s/a:2:8: error: there is no option \"head_mex\" in http; did you mean \"head_max\"?\n"
	            "    http: {head_mex: 1}\n           ^\n");
	unload(&l);
}

static void what_include_takes_is_patterns(void **state)
{
	(void)state;
	refuse(LEAST "include: {a: b}\n", "\"include\" takes glob patterns");
	refuse(LEAST "include: [[a]]\n", "\"include\" takes glob patterns");
	refuse(LEAST "include: [\"\"]\n", "\"include\" takes glob patterns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(included_lists_are_appended_and_mappings_joined),
		cmocka_unit_test(a_key_given_in_two_files_is_refused_with_both_places),
		cmocka_unit_test(patterns_are_relative_to_the_including_file),
		cmocka_unit_test(includes_nest_four_deep_and_no_deeper),
		cmocka_unit_test(a_file_is_included_once),
		cmocka_unit_test(a_pattern_may_match_nothing_but_a_name_must_be_there),
		cmocka_unit_test(a_broken_included_file_is_told_alone),
		cmocka_unit_test(errors_show_the_line_of_the_included_file),
		cmocka_unit_test(what_include_takes_is_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
