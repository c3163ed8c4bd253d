#include "fixture.h"

static void nothing_is_nothing_in_every_shape(void **state)
{
	static const char *const bodies[] = {
		"",
		"[]",
		" [ ] \n",
		"{}",
		"null",
		"\"\"",
		"{\"items\":[]}",
		"{\"items\": [\n], \"total\": 0}",
		"{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"12\"},\"items\":[ ]}",
		"{\"apiVersion\":\"v1\",\"kind\":\"ClusterList\",\"metadata\":{\"self\":\"/x\"},\"items\":[\t]}"
	};

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		assert_int_equal(body_holds(slice_of(bodies[i]), true), HOLDS_NOTHING);
}

static void something_is_something(void **state)
{
	static const char *const bodies[] = {
		"[1]",   "[[]]",           "{\"items\":[{}],\"errors\":[]}", "{\"name\":\"x\"}", "0", "false",
		"\"x\"", "{\"labels\":{}}"
	};

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		assert_int_equal(body_holds(slice_of(bodies[i]), true), HOLDS_SOMETHING);
	assert_int_equal(body_holds(S("[]"), false), HOLDS_SOMETHING); /* there is more of it */
}

static void what_is_no_json_is_unreadable(void **state)
{
	(void)state;
	assert_int_equal(body_holds(S("<html></html>"), true), HOLDS_UNREADABLE);
	assert_int_equal(body_holds(S("[}"), true), HOLDS_UNREADABLE);
	assert_int_equal(body_holds(S("\x1f\x8b\x08"), true), HOLDS_UNREADABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_nothing_in_every_shape),
		cmocka_unit_test(something_is_something),
		cmocka_unit_test(what_is_no_json_is_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
