#include "classify/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct config_errors errors;

static int teardown(void **state)
{
	(void)state;
	config_errors_free(&errors);
	errors = (struct config_errors){ 0 };
	return 0;
}

static struct classify *load(const char *text)
{
	struct rules_file file = { "x.rules", slice_of(text) };

	return classify_load(&file, 1, &errors);
}

static struct classify *loaded(const char *text)
{
	struct classify *c = load(text);

	if (!c)
		fail_msg("%s", errors.text);
	return c;
}

static void refused(const char *text, const char *place, const char *why)
{
	struct classify *c = load(text);

	if (c)
		fail_msg("loaded: %s", text);
	if (!strstr(errors.text, place) || !strstr(errors.text, why))
		fail_msg("%s\nsays: %s", text, errors.text);
	teardown(NULL);
}

static struct request *request_by(const char *ua, const char *path)
{
	static struct request r;
	static struct header fields[2];

	r = (struct request){ .method = S("GET"), .path = slice_of(path), .headers = { fields, 0, 2 } };
	if (ua)
		assert_true(headers_add(&r.headers, S("User-Agent"), slice_of(ua)));
	return &r;
}

static enum class_of class_by(struct classify *c, const char *ua, const char *path)
{
	struct request *r = request_by(ua, path);

	assert_int_equal(classify_enter(c, r), GO_ON);
	return r->class;
}

static const char rules[] = "list robots : words \"Robot/\", \"spider\"  -- two words\n"
                            "list nice : words \"Mozilla\"\n"
                            "rule api\n"
                            "\twhen ua in robots and path \"/api/*\"\n"
                            "\tclass declared\n"
                            "rule elsewhere\n"
                            "\twhen ua in robots and not ua in nice and not path \"/private\"\n"
                            "\tclass declared\n";

static void the_first_matching_rule_decides(void **state)
{
	struct classify *c = loaded(rules);

	(void)state;
	assert_int_equal(class_by(c, "a roBOT/1", "/x"), CLASS_DECLARED);
	struct request *r = request_by("robot/1", "/api/x");
	classify_enter(c, r);
	assert_true(slice_same(r->rule, S("api")));
	assert_int_equal(class_by(c, "Mozilla robot/1", "/x"), CLASS_HUMAN);
	assert_int_equal(class_by(c, "Mozilla robot/1", "/api/x"), CLASS_DECLARED);
	assert_int_equal(class_by(c, "robot/1", "/private"), CLASS_HUMAN);
	assert_int_equal(class_by(c, "robot/1", "/private/x"), CLASS_DECLARED);
	assert_int_equal(class_by(c, "robo", "/x"), CLASS_HUMAN);
	r = request_by(NULL, "/api/x");
	classify_enter(c, r);
	assert_int_equal(r->class, CLASS_HUMAN);
	assert_int_equal(r->rule.len, 0);
	classify_close(c);
}

static void a_remembered_user_agent_decides_as_a_new_one(void **state)
{
	struct classify *c = loaded(rules);
	char ua[1200];

	(void)state;
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 200; i++) {
			int len = snprintf(ua, sizeof ua, "%s %d", i % 2 ? "robot/1" : "other/1", i / 2);
			assert_true(len > 0);
			assert_int_equal(class_by(c, ua, "/"), i % 2 ? CLASS_DECLARED : CLASS_HUMAN);
		}
	memset(ua, 'x', sizeof ua - 1);
	ua[sizeof ua - 1] = 0;
	memcpy(ua + SCAN_MAX - 6, "robot/", 6);
	assert_int_equal(class_by(c, ua, "/"), CLASS_DECLARED);
	memset(ua, 'x', sizeof ua - 1);
	memcpy(ua + SCAN_MAX - 5, "robot/", 6);
	assert_int_equal(class_by(c, ua, "/"), CLASS_HUMAN);
	classify_close(c);
}

static void a_verified_token_counts_from_the_second_visit(void **state)
{
	struct classify *c = loaded("rule known when verified and not ua missing class declared\n");
	struct request *r = request_by("x", "/");

	(void)state;
	classify_enter(c, r);
	assert_int_equal(r->class, CLASS_HUMAN);
	r->identity.verdict = VERDICT_INVALID;
	classify_identified(c, r);
	assert_int_equal(r->class, CLASS_HUMAN);
	r->identity.verdict = VERDICT_VALID;
	classify_identified(c, r);
	assert_int_equal(r->class, CLASS_DECLARED);
	classify_close(c);
	c = loaded(rules); /* where no rule asks for it nothing changes */
	r = request_by("robot/", "/");
	classify_enter(c, r);
	r->path = S("/private");
	classify_identified(c, r);
	assert_int_equal(r->class, CLASS_DECLARED);
	classify_close(c);
}

static void words_inside_words_and_across_lists_are_all_found(void **state)
{
	static const struct word words[] = {
		{ { "he", 2 }, 0 },   { { "she", 3 }, 1 },    { { "his", 3 }, 2 },
		{ { "hers", 4 }, 3 }, { { "shell", 5 }, 63 }, { { "\xc3\xa9", 2 }, 5 },
	};
	struct automaton a;

	(void)state;
	assert_true(automaton_build(&a, words, 6));
	assert_int_equal(automaton_scan(&a, S("uSHErs")), 1 << 0 | 1 << 1 | 1 << 3);
	assert_int_equal(automaton_scan(&a, S("hihis")), 1 << 2);
	assert_true(automaton_scan(&a, S("sshell")) == (UINT64_C(1) << 63 | 3));
	assert_int_equal(automaton_scan(&a, S("caf\xc3\xa9")), 1 << 5);
	assert_int_equal(automaton_scan(&a, S("")), 0);
	automaton_free(&a);
}

/* Against the slow way: every word looked for at every place. */
static void the_automaton_finds_what_a_search_finds(void **state)
{
	static char store[200][8];
	struct word words[200];
	uint64_t seed = 12345;
	struct automaton a;

	(void)state;
	for (unsigned w = 0; w < 200; w++) {
		size_t len = 2 + w % 5;
		for (size_t i = 0; i < len; i++)
			store[w][i] = (char)('a' + ((seed = seed * 6364136223846793005u + 1) >> 40) % 4);
		words[w] = (struct word){ { store[w], len }, w % 64 };
	}
	assert_true(automaton_build(&a, words, 200));
	for (int round = 0; round < 2000; round++) {
		char text[12];
		uint64_t found = 0;
		for (size_t i = 0; i < sizeof text; i++)
			text[i] = (char)('A' + ((seed = seed * 6364136223846793005u + 1) >> 40) % 5);
		for (unsigned w = 0; w < 200; w++)
			for (size_t i = 0; i + words[w].text.len <= sizeof text; i++)
				if (slice_same_nocase(words[w].text, (struct slice){ text + i, words[w].text.len }))
					found |= UINT64_C(1) << words[w].list;
		assert_true(automaton_scan(&a, (struct slice){ text, sizeof text }) == found);
	}
	automaton_free(&a);
}

static void mistakes_are_told_with_their_place(void **state)
{
	(void)state;
	refused("rule x when verified class robot", "1:28:", "a class (human or declared)");
	refused("list a words \"xx\"", "x.rules:1:8:", ": should stand here, not \"words\"");
	refused("list a : words \"x\"", "x.rules:1:16:", "2 to 64 characters");
	refused("list a : words \"xx\nrule", "x.rules:1:16:", "no closing quote");
	refused("list a : words \"xx\",", "x.rules:1:21:", "the file ends where");
	refused("list a : words \"xx\"\nlist a : words \"yy\"", "x.rules:2:6:", "list \"a\" already");
	refused("rule a when verified class human\nrule a when", "x.rules:2:6:", "rule \"a\" already");
	refused("rule a when verified and class human", "x.rules:1:26:", "ua, path, method or verified");
	refused("rule a when path \"x\" class human", "x.rules:1:18:", "begins with a slash");
	refused("rule a when path \"/*/x\" class human", "x.rules:1:18:", "one star at most");
	refused("rule none when verified class human", "x.rules:1:6:", "no name for a rule");
	refused("list a : words \"x\ty\"", "x.rules:1:16:", "control character");
	refused("{", "x.rules:1:1:", "no meaning here");
	refused("\xc3\xa9 {", "x.rules:1:1:", "no meaning here");
	refused("rule a when ua = class human", "x.rules:1:16:", "\"in\" or \"missing\"");
}

static void several_mistakes_are_told_at_once(void **state)
{
	(void)state;
	assert_null(load("list a : wrods \"xx\"\nrule b\n when ua in a\n class robot\nexpect x\n"
	                 "list c : words \"yy\"\n"));
	assert_int_equal(errors.count, 3);
	assert_non_null(strstr(errors.text, "x.rules:1:10:"));
	assert_non_null(strstr(errors.text, "x.rules:4:8:"));
	assert_non_null(strstr(errors.text, "x.rules:5:8:"));
}

static void a_set_with_a_failing_expectation_is_refused_whole(void **state)
{
	(void)state;
	refused("list a : words \"xx\"\nrule r when ua in a class declared\n"
	        "expect \"it is so\" request ua=\"yy\" -> declared\n",
	        "x.rules:3:8:", "expected declared, and the rules say human (rule: none): it is so");
	refused("list a : words \"xx\"\nrule r when ua in a class declared\n"
	        "expect \"by which\" request ua=\"xx\" -> declared by other\n",
	        "x.rules:3:8:", "expected rule other to decide, and r did");
	refused("rule r when path \"/a\" and method \"PUT\" class human\n"
	        "expect \"none\" request path=\"/a\" method=\"PUT\" -> human by none\n",
	        "x.rules:2:8:", "expected rule none to decide, and r did");
	classify_close(loaded("rule r when ua missing and verified class declared\n"
	                      "expect \"a \\\"quoted\\\" one\" request verified -> declared by r\n"
	                      "expect \"not verified\" request -> human by none\n"));
}

static void files_are_one_set(void **state)
{
	struct rules_file files[] = {
		{ "a.rules", S("list a : words \"xx\"\nrule first when ua in a and path \"/x\" class human") },
		{ "b.rules", S("rule second when ua in a class declared\n"
		               "expect \"b\" request ua=\"xx\" -> declared") },
	};
	struct classify *c = classify_load(files, 2, &errors);

	(void)state;
	assert_non_null(c);
	assert_int_equal(class_by(c, "xx", "/x"), CLASS_HUMAN);
	assert_int_equal(class_by(c, "xx", "/y"), CLASS_DECLARED);
	classify_close(c);
	files[1].text = S("rule third when ua in b class human");
	assert_null(classify_load(files, 2, &errors));
	assert_non_null(strstr(errors.text, "b.rules:1:23:"));
}

static void budgets_are_kept(void **state)
{
	char *text = malloc(1 << 20);
	size_t len = 0;

	(void)state;
	for (int i = 0; i < LISTS_MAX + 1; i++)
		len += (size_t)snprintf(text + len, 64, "list l%d : words \"xx\"\n", i);
	refused(text, "x.rules:65:6:", "more than 64 lists");
	len = 0;
	for (int i = 0; i < RULES_MAX + 1; i++)
		len += (size_t)snprintf(text + len, 64, "rule r%d when verified class human\n", i);
	refused(text, "x.rules:257:6:", "more than 256 rules");
	len = (size_t)snprintf(text, 64, "list l : words \"x0\"");
	for (int i = 0; i < WORDS_MAX; i++)
		len += (size_t)snprintf(text + len, 64, ",\n\"word %d\"", i);
	refused(text, "x.rules:4097:1:", "more than 4096 words");
	memset(text, ' ', FILE_MAX + 1);
	text[FILE_MAX + 1] = 0;
	refused(text, "x.rules:1:1:", "at most 262144 bytes");
	free(text);
}

static void the_built_in_rules_load_and_decide(void **state)
{
	static struct config c;
	struct classify *built = classify_open(&c, NULL, &errors);

	(void)state;
	if (!built)
		fail_msg("%s", errors.text);
	assert_int_equal(class_by(built, "curl/8.5.0", "/"), CLASS_DECLARED);
	assert_int_equal(class_by(built, "Mozilla/5.0 (X11; rv:121.0) Firefox/121.0", "/"), CLASS_HUMAN);
	classify_close(built);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_matching_rule_decides),
		TEST(a_remembered_user_agent_decides_as_a_new_one),
		TEST(a_verified_token_counts_from_the_second_visit),
		TEST(words_inside_words_and_across_lists_are_all_found),
		TEST(the_automaton_finds_what_a_search_finds),
		TEST(mistakes_are_told_with_their_place),
		TEST(several_mistakes_are_told_at_once),
		TEST(a_set_with_a_failing_expectation_is_refused_whole),
		TEST(files_are_one_set),
		TEST(budgets_are_kept),
		TEST(the_built_in_rules_load_and_decide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
