#include "limit/body.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static char store[BODY_MAX];

#define assert_slice(have, text) \
	do { \
		struct slice is = (have); \
		if (!slice_same(is, S(text))) \
			fail_msg("is: \"%.*s\", not \"%s\"", SLICE(is), text); \
	} while (0)
#define assert_form(body, text) assert_slice(body_form(S(body), S("username"), store), text)
#define assert_path(body, text) assert_slice(body_json(S(body), S("user.name"), store), text)
#define assert_json(body, text) assert_slice(body_json(S(body), S("username"), store), text)

static void one_name_is_one_key_however_a_form_writes_it(void **state)
{
	(void)state;
	assert_form("username=alice&password=x", "alice");
	assert_form("password=x&username=ALICE", "alice");
	assert_form("username=+%20alice%09+", "alice");
	assert_form("username=%61l%49ce", "alice");
	assert_form("%75sername=alice", "alice");
	assert_form("USERNAME=alice", "alice");
	assert_form("&&username=alice&", "alice");
	assert_form("username=al+ice", "al ice");
	assert_form("username=a%2Bb@example.com", "a+b@example.com");
	assert_form("username=%C2%A0alice%E3%80%80%E2%80%8B", "alice"); /* spaces of Unicode */
	assert_form("username=J%C3%9CRGEN", "j\xc3\x9crgen");           /* only ASCII is folded */
	assert_form("username=alice&username=Alice", "alice");          /* twice the same */
}

static void a_form_that_upstreams_may_read_in_two_ways_names_nobody(void **state)
{
	(void)state;
	assert_form("username=alice&username=bob", "");
	assert_form("username=alice&UserName=bob", "");
	assert_form("username=%zz", "");
	assert_form("username=alice%", "");
	assert_form("username=alice%00", "");
	assert_form("username=", "");
	assert_form("username", "");
	assert_form("user=alice", "");
	assert_form("", "");
	assert_form("password=%zz&username=alice", "alice"); /* what is broken elsewhere does not matter */
	assert_form("%zz=1&username=alice", "alice");
}

static void one_name_is_one_key_however_json_writes_it(void **state)
{
	(void)state;
	assert_json("{\"username\":\"alice\"}", "alice");
	assert_json(" { \"password\" : [1, {\"a\":null}] , \"username\" : \" Alice\\t\" } \n", "alice");
	assert_json("{\"user\\u006eame\":\"\\u0041lice\"}", "alice");
	assert_json("{\"USERNAME\":\"alice\"}", "alice");
	assert_json("{\"username\":\"\\u00fc\\ud83d\\ude00\"}", "\xc3\xbc\xf0\x9f\x98\x80");
	assert_json("{\"username\":\"a\\\"\\\\\\/b\"}", "a\"\\/b");
	assert_json("{\"username\":4711}", "4711");
	assert_json("{\"username\":-12}", "-12");
	assert_json("{\"x\":{\"username\":\"bob\"},\"username\":\"alice\"}", "alice"); /* not the inner one */
	assert_json("{\"username\":\"alice\",\"username\":\"ALICE\"}", "alice");
	assert_path("{\"user\":{\"name\":\"alice\"},\"name\":\"bob\"}", "alice");
}

static void json_that_upstreams_may_read_in_two_ways_names_nobody(void **state)
{
	(void)state;
	assert_json("{\"username\":\"alice\",\"username\":\"bob\"}", "");
	assert_json("{\"username\":\"alice\",\"Username\":\"bob\"}", "");
	assert_json("{\"username\":\"alice\",\"username\":null}", "");
	assert_json("{\"username\":[\"alice\"]}", "");
	assert_json("{\"username\":{\"a\":1},\"username\":\"alice\"}", "");
	assert_json("{\"username\":1.0}", "");
	assert_json("{\"username\":1e3}", "");
	assert_json("{\"username\":true}", "");
	assert_json("{\"username\":\"alice\\u0000\"}", "");
	assert_json("[{\"username\":\"alice\"}]", "");
	assert_path("{\"user\":{\"name\":\"a\"},\"user\":{\"name\":\"b\"}}", "");
	assert_path("{\"user\":\"alice\"}", "");
}

static void json_that_is_not_well_formed_names_nobody(void **state)
{
	static const char *const bad[] = { "", "x", "{", "{}}", "\"alice\"x", "{\"username\":\"alice\"",
		"{\"username\":\"alice\"}{}", "{\"username\":\"alice\",}", "{\"username\" \"alice\"}",
		"{username:\"alice\"}", "{'username':'alice'}", "{\"username\":\"al\nice\"}",
		"{\"username\":\"al\\xice\"}", "{\"username\":\"\\ud800\"}", "{\"username\":\"\\udc00\"}",
		"{\"username\":\"\\ud800\\u0041\"}", "{\"username\":\"\\u00\"}", "{\"a\":01,\"username\":\"alice\"}",
		"{\"a\":1.,\"username\":\"alice\"}", "{\"a\":.5,\"username\":\"alice\"}",
		"{\"a\":1e,\"username\":\"alice\"}", "{\"a\":+1,\"username\":\"alice\"}",
		"{\"a\":-,\"username\":\"alice\"}", "{\"a\":nul,\"username\":\"alice\"}",
		"{\"a\":[1,],\"username\":\"alice\"}", "{\"username\":\"alice\"} // mine",
		"\xef\xbb\xbf{\"username\":\"alice\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct slice found = body_json(slice_of(bad[i]), S("username"), store);
		if (found.len)
			fail_msg("%s: read as \"%.*s\"", bad[i], SLICE(found));
	}
	struct slice found = body_json(S("{\"username\":\"alice\"}\0"), S("username"), store);
	assert_int_equal(found.len, 0);
}

static void json_may_be_nested_thirty_two_deep(void **state)
{
	char body[256];

	(void)state;
	for (int deep = 29; deep < 34; deep++) {
		struct text t = TEXT(body);
		text_add(&t, S("{\"a\":"));
		for (int i = 0; i < deep; i++)
			text_char(&t, '[');
		for (int i = 0; i < deep; i++)
			text_char(&t, ']');
		text_add(&t, S(",\"username\":\"alice\"}"));
		struct slice found = body_json(text_slice(&t), S("username"), store);
		assert_int_equal(found.len, deep <= 31 ? 5 : 0);
	}
}

static void a_body_of_the_largest_size_is_read_and_a_longer_one_is_not(void **state)
{
	char *body = malloc(BODY_MAX + 1);

	(void)state;
	memset(body, ' ', BODY_MAX + 1);
	memcpy(body + BODY_MAX - 14, "username=alice", 14);
	memcpy(body, "a=b&", 4);
	body[BODY_MAX - 15] = '&';
	struct slice found = body_form((struct slice){ body, BODY_MAX }, S("username"), store);
	assert_int_equal(found.len, 5);
	found = body_form((struct slice){ body, BODY_MAX + 1 }, S("username"), store);
	assert_int_equal(found.len, 0);
	memset(body, ' ', BODY_MAX + 1);
	memcpy(body, "{\"username\":\"alice\"}", 20);
	found = body_json((struct slice){ body, BODY_MAX }, S("username"), store);
	assert_int_equal(found.len, 5);
	found = body_json((struct slice){ body, BODY_MAX + 1 }, S("username"), store);
	assert_int_equal(found.len, 0);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_name_is_one_key_however_a_form_writes_it),
		cmocka_unit_test(a_form_that_upstreams_may_read_in_two_ways_names_nobody),
		cmocka_unit_test(one_name_is_one_key_however_json_writes_it),
		cmocka_unit_test(json_that_upstreams_may_read_in_two_ways_names_nobody),
		cmocka_unit_test(json_that_is_not_well_formed_names_nobody),
		cmocka_unit_test(json_may_be_nested_thirty_two_deep),
		cmocka_unit_test(a_body_of_the_largest_size_is_read_and_a_longer_one_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
