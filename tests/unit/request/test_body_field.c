#include "request/body_field.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct field_store store;
static enum field_result said;

/* The value; empty where it is not read. */
static struct slice read_from(struct field_source b, bool json, const char *field)
{
	struct slice value;

	said = body_field(&b, json, slice_of(field), &store, &value);
	return said == FIELD_READ ? value : S("");
}

static struct slice read_whole(struct slice bytes, bool json, const char *field)
{
	return read_from((struct field_source){ .bytes = bytes, .whole = true }, json, field);
}

#define assert_slice(have, text) \
	do { \
		struct slice is = (have); \
		if (!slice_same(is, S(text))) \
			fail_msg("is: \"%.*s\", not \"%s\"", SLICE(is), text); \
	} while (0)
#define assert_form(body, text) assert_slice(read_whole(S(body), false, "username"), text)
#define assert_path(body, text) assert_slice(read_whole(S(body), true, "user.name"), text)
#define assert_json(body, text) assert_slice(read_whole(S(body), true, "username"), text)

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
	assert_form("username=J%C3%9CRGEN", "j\xc3\xbcrgen");
	assert_form("username=J%55%CC%88RGEN", "j\xc3\xbcrgen"); /* U and its dots */
	assert_form("username=%EF%BD%81lice", "alice");          /* a full-width a */
	assert_form("username=%EF%BC%A1LICE", "alice");
	assert_form("username=al%E2%80%8Bi%C2%ADce%EF%B8%8F", "alice"); /* nobody sees these */
	assert_form("username=%F0%9D%90%9Alice", "alice");              /* a mathematical a */
	assert_form("username=stra%C3%9Fe", "strasse");
	assert_form("username=STRASSE&username=Stra%C3%9Fe", "strasse");
	assert_form("username=alice&username=Alice", "alice"); /* twice the same */
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
	static const char *const bad[] = { "",
		                               "x",
		                               "{",
		                               "{}}",
		                               "\"alice\"x",
		                               "{\"username\":\"alice\"",
		                               "{\"username\":\"alice\"}{}",
		                               "{\"username\":\"alice\",}",
		                               "{\"username\" \"alice\"}",
		                               "{username:\"alice\"}",
		                               "{'username':'alice'}",
		                               "{\"username\":\"al\nice\"}",
		                               "{\"username\":\"al\\xice\"}",
		                               "{\"username\":\"\\ud800\"}",
		                               "{\"username\":\"\\udc00\"}",
		                               "{\"username\":\"\\ud800\\u0041\"}",
		                               "{\"username\":\"\\u00\"}",
		                               "{\"a\":01,\"username\":\"alice\"}",
		                               "{\"a\":1.,\"username\":\"alice\"}",
		                               "{\"a\":.5,\"username\":\"alice\"}",
		                               "{\"a\":1e,\"username\":\"alice\"}",
		                               "{\"a\":+1,\"username\":\"alice\"}",
		                               "{\"a\":-,\"username\":\"alice\"}",
		                               "{\"a\":nul,\"username\":\"alice\"}",
		                               "{\"a\":[1,],\"username\":\"alice\"}",
		                               "{\"username\":\"alice\"} // mine",
		                               "\xef\xbb\xbf{\"username\":\"alice\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct slice found = read_whole(slice_of(bad[i]), true, "username");
		if (found.len)
			fail_msg("%s: read as \"%.*s\"", bad[i], SLICE(found));
	}
	struct slice found = read_whole(S("{\"username\":\"alice\"}\0"), true, "username");
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
		struct slice found = read_whole(text_slice(&t), true, "username");
		assert_int_equal(found.len, deep <= 31 ? 5 : 0);
	}
}

static void what_can_be_read_in_two_ways_is_unreadable_and_what_is_not_there_is_absent(void **state)
{
	static const char *const unreadable[] = { "username=alice&username=bob",
		                                      "username=%zz",
		                                      "username=a%00",
		                                      "username=%ff",
		                                      "username=%C3",
		                                      "username=%ED%A0%80",
		                                      "username=&username=bob" };
	static const char *const absent[] = { "username=", "username", "user=alice", "{\"username\":\"alice\"}" };
	static const char *const broken[] = { "{",
		                                  " \xef\xbb\xbf{\"username\":\"alice\"}",
		                                  "/* */{\"username\":\"alice\"}",
		                                  "{\"username\":\"alice\",\"username\":\"bob\"}",
		                                  "{\"username\":\"\\u0000\"}",
		                                  "{\"username\":\"\xff\"}",
		                                  "{\"username\":\"alice\"}x" };

	(void)state;
	for (size_t i = 0; i < sizeof unreadable / sizeof unreadable[0]; i++) {
		read_whole(slice_of(unreadable[i]), false, "username");
		assert_int_equal(said, FIELD_UNREADABLE);
	}
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
		read_whole(slice_of(absent[i]), false, "username");
		assert_int_equal(said, FIELD_ABSENT);
	}
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		read_whole(slice_of(broken[i]), true, "username");
		assert_int_equal(said, FIELD_UNREADABLE);
	}
	read_whole(S("{\"user\":\"alice\"}"), true, "username");
	assert_int_equal(said, FIELD_ABSENT);
	read_whole(S("username=alice"), true, "username"); /* a form */
	assert_int_equal(said, FIELD_ABSENT);
	read_from(
	    (struct field_source){ .bytes = S("username=alice"), .whole = true, .type = S("application/JSON") },
	    true, "username");
	assert_int_equal(said, FIELD_UNREADABLE);
	read_from((struct field_source){ .bytes = S("username=alice"), .whole = true, .encoded = true }, false,
	          "username");
	assert_int_equal(said, FIELD_UNREADABLE);
	read_from((struct field_source){ .bytes = S("username=alice"),
	                                 .whole = true,
	                                 .type = S("application/x-www-form-urlencoded; charset=IBM037") },
	          false, "username");
	assert_int_equal(said, FIELD_UNREADABLE);
}

static void the_query_counts_with_the_body(void **state)
{
	struct field_source b = { .query = S("a=b&username=Alice"), .whole = true };

	(void)state;
	assert_slice(read_from(b, false, "username"), "alice");
	assert_slice(read_from(b, true, "username"), "alice");
	b.bytes = S("username=alice");
	assert_slice(read_from(b, false, "username"), "alice");
	b.bytes = S("username=bob");
	assert_slice(read_from(b, false, "username"), "");
	assert_int_equal(said, FIELD_UNREADABLE);
	b.bytes = S("{\"username\":\"bob\"}");
	assert_slice(read_from(b, true, "username"), "");
	assert_int_equal(said, FIELD_UNREADABLE);
	b = (struct field_source){ .query = S("a=b"), .whole = true };
	read_from(b, false, "username");
	assert_int_equal(said, FIELD_ABSENT);
}

static void of_a_longer_body_only_what_its_beginning_says_is_read(void **state)
{
	struct field_source b = { .bytes = S("username=alice&x=y") };

	(void)state;
	assert_slice(read_from(b, false, "username"), "alice");
	b.bytes = S("x=y&username=ali"); /* the end has cut it */
	read_from(b, false, "username");
	assert_int_equal(said, FIELD_UNREADABLE);
	b.bytes = S("x=y&z");
	read_from(b, false, "username");
	assert_int_equal(said, FIELD_UNREADABLE);
	b.bytes = S("{\"username\":\"alice\",\"x\":\"y");
	assert_slice(read_from(b, true, "username"), "alice");
	b.bytes = S("{\"x\":\"y");
	read_from(b, true, "username");
	assert_int_equal(said, FIELD_UNREADABLE);
}

#define PART(disposition, content) \
	"--xyz\r\nContent-Disposition: form-data; " disposition "\r\n\r\n" content "\r\n"

static struct slice multipart(struct slice bytes, const char *type, bool whole)
{
	return read_from((struct field_source){ .bytes = bytes, .whole = whole, .type = slice_of(type) }, false,
	                 "username");
}

static void a_multipart_form_is_read_like_another(void **state)
{
	static const char type[] = "multipart/form-data; boundary=xyz";
	static const char *const bad[] = {
		PART("name=username", "alice"),
		"username=alice",
		"--xyz\r\n",
		"--xy--",
		PART("name=username", "alice") PART("name=username", "bob") "--xyz--",
		PART("name=username; name=other", "alice") "--xyz--",
		PART("name*=utf-8''username", "alice") "--xyz--",
		"--xyz\nContent-Disposition: form-data; name=username\n\nalice\n--xyz--",
		"--xyz\r\nContent-Disposition: form-data;\r\n name=username\r\n\r\nalice\r\n--xyz--",
		"--xyz\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: form-data; name=username\r\n\r\n"
		"YWxpY2U=\r\n--xyz--"
	};

	(void)state;
	assert_slice(multipart(S(PART("name=\"username\"", "Alice") "--xyz--\r\n"), type, true), "alice");
	assert_slice(multipart(S(PART("name=a", "1") PART("Name=USERNAME", "alice") "--xyz--"), type, true),
	             "alice");
	assert_slice(multipart(S(PART("name=\"user\\name\"; filename=\"a;b\"", "alice") "--xyz--"),
	                       "Multipart/Form-Data; charset=utf-8; boundary=\"xyz\"", true),
	             "alice");
	assert_slice(multipart(S(PART("name=username", "\xef\xbd\x81lice") "--xyz--"), type, true), "alice");
	assert_slice(multipart(S(PART("name=username", "alice") PART("name=file", "...")), type, false), "alice");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct slice found = multipart(slice_of(bad[i]), type, true);
		if (said != FIELD_UNREADABLE)
			fail_msg("%s: read as \"%.*s\"", bad[i], SLICE(found));
	}
	multipart(S(PART("name=file", "...")), type, false);
	assert_int_equal(said, FIELD_UNREADABLE);
	multipart(S(PART("name=other", "alice") "--xyz--"), type, true);
	assert_int_equal(said, FIELD_ABSENT);
	multipart(S(PART("name=username", "alice") "--xyz--"), "multipart/form-data", true);
	assert_int_equal(said, FIELD_UNREADABLE);
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
		cmocka_unit_test(what_can_be_read_in_two_ways_is_unreadable_and_what_is_not_there_is_absent),
		cmocka_unit_test(the_query_counts_with_the_body),
		cmocka_unit_test(of_a_longer_body_only_what_its_beginning_says_is_read),
		cmocka_unit_test(a_multipart_form_is_read_like_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
