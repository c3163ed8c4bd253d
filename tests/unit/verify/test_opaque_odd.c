/* Answers of an issuer that concern one token, and what they do not do to others. */
#include "asking.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACTIVE "{\"active\":true,\"sub\":\"alice\",\"client_id\":\"app\",\"scope\":\"read\"," \
	"\"exp\":1800003600}"

static int open_asking(void **state)
{
	(void)state;
	asking_open(false);
	return 0;
}

static int close_asking(void **state)
{
	(void)state;
	asking_close();
	return 0;
}

static int again(int which)
{
	return asking_enter(&askers[which].r);
}

static void what_the_issuer_says_of_a_binding_counts(void **state)
{
	static char thumbprint[32];

	(void)state;
	assert_int_equal(asking_try(0, "bound"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\",\"cnf\":"
	                   "{\"x5t#S256\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}");
	assert_int_equal(again(0), FAULT_TOKEN_BOUND);
	askers[0].r.visitor->thumbprint = (struct slice){ thumbprint, sizeof thumbprint };
	assert_int_equal(again(0), FAULT_NONE);
	askers[0].r.visitor->thumbprint = S("");
}

static void a_token_without_audience_passes_only_where_that_is_said(void **state)
{
	(void)state;
	asking.issuer.audience_missing = 0;
	assert_int_equal(asking_try(0, "anybodys"), FAULTS);
	asking_answer(200, ACTIVE);
	assert_int_equal(again(0), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(asking_try(0, "ours"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\",\"aud\":\"api\"}");
	assert_int_equal(again(0), FAULT_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_asking, close_asking)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_issuer_says_of_a_binding_counts),
		TEST(a_token_without_audience_passes_only_where_that_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
