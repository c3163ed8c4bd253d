/* Answers of an issuer that concern one token, and what they do not do to others. */
#include "asking.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACTIVE \
	"{\"active\":true,\"sub\":\"alice\",\"client_id\":\"app\",\"scope\":\"read\"," \
	"\"exp\":1800003600}"

static void what_the_issuer_says_of_a_binding_counts(void **state)
{
	static char thumbprint[32];

	(void)state;
	assert_int_equal(asking_try(0, "bound"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\",\"cnf\":"
	                   "{\"x5t#S256\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}");
	assert_int_equal(asking_again(0), FAULT_TOKEN_BOUND);
	askers[0].r.client_facts->thumbprint = (struct slice){ thumbprint, sizeof thumbprint };
	assert_int_equal(asking_again(0), FAULT_NONE);
	askers[0].r.client_facts->thumbprint = S("");
}

static void a_token_without_audience_passes_only_where_that_is_said(void **state)
{
	(void)state;
	asking.issuer.audience_missing = 0;
	assert_int_equal(asking_try(0, "anybodys"), FAULTS);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_again(0), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(asking_try(0, "ours"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\",\"aud\":\"api\"}");
	assert_int_equal(asking_again(0), FAULT_NONE);
}

/* ---- answers that concern one token ---- */

static void what_nobody_asks_for_does_not_spoil_an_answer(void **state)
{
	static char scopes[3000] = "read", body[3400];
	static const char *const odd[] = { "\"permissions\":[{\"rsid\":\"x\",\"scopes\":[\"a\"]}]",
		                               "\"permissions\":\"all\"",
		                               "\"scope\":null",
		                               "\"exp\":null,\"nbf\":null",
		                               "\"azp\":7",
		                               "\"account\":123456789012345678901234567890" };

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		char token[24];
		snprintf(token, sizeof token, "odd-%zu", i);
		snprintf(body, sizeof body, "{\"active\":true,\"sub\":\"alice\",%s}", odd[i]);
		assert_int_equal(asking_try(0, token), FAULTS);
		asking_answer(200, body);
		if (asking_again(0) != FAULT_NONE)
			fail_msg("%s spoils it", odd[i]);
	}
	asking.scope = S("read");
	for (int i = 0; i < 300; i++)
		snprintf(scopes + strlen(scopes), sizeof scopes - strlen(scopes), " scope%03d", i);
	snprintf(body, sizeof body, "{\"active\":true,\"sub\":\"alice\",\"scope\":\"%s\"}", scopes);
	assert_int_equal(asking_try(0, "wordy"), FAULTS);
	asking_answer(200, body);
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_int_equal(asking_try(1, "wordy"), FAULT_NONE); /* whose route asks for "read" */
	assert_true(slice_same(askers[0].r.identity.scope, S("read")));
}

static void a_token_of_which_too_much_is_said_is_refused_and_nobody_else(void **state)
{
	static char subject[2200], body[2400];
	static const char *const odd[] = { "\"exp\":\"never\"",           "\"exp\":0",
		                               "\"sub\":\"a\\nb\"",           "\"aud\":7",
		                               "\"sub\":\"a\",\"sub\":\"b\"", NULL };

	(void)state;
	memset(subject, 'x', sizeof subject - 1);
	assert_int_equal(asking_try(0, "good"), FAULTS);
	asking_answer(200, ACTIVE);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
			char token[24];
			snprintf(token, sizeof token, "odd-%d-%zu", round, i);
			snprintf(body, sizeof body, "{\"active\":true,%s%s%s}", odd[i] ? odd[i] : "\"sub\":\"",
			         odd[i] ? "" : subject, odd[i] ? "" : "\"");
			asking_pass(100 * NS_PER_MS); /* within the issuer's budget */
			assert_int_equal(asking_try(0, token), FAULTS);
			asking_answer(200, body);
			assert_int_equal(asking_again(0), FAULT_TOKEN_UNUSABLE);
			assert_int_equal(askers[0].r.identity.verdict, VERDICT_INVALID);
			assert_true(askers[0].r.detail.len > 5);
			assert_int_equal(asking_try(0, token), FAULT_TOKEN_UNUSABLE); /* without a question */
		}
	size_t calls = asking.calls;
	assert_int_equal(asking_try(0, "another"), FAULTS);
	assert_int_equal(asking.calls, calls + 1); /* the issuer is asked as ever */
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_int_equal(asking_try(0, "good"), FAULT_NONE);
}

static void a_question_that_the_issuer_does_not_take_says_nothing_of_others(void **state)
{
	static const int statuses[] = { 400, 413, 414, 422, 400, 400, 400, 400 };

	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char token[24];
		snprintf(token, sizeof token, "odd-%zu", i);
		asking_pass(100 * NS_PER_MS);
		assert_int_equal(asking_try(0, token), FAULTS);
		asking_answer(statuses[i], "");
		assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	}
	assert_int_equal(asking_try(0, "another"), FAULTS);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_again(0), FAULT_NONE);
}

static void an_answer_without_end_says_nothing_of_others(void **state)
{
	static char long_one[65 * 1024 + 1];

	(void)state;
	memset(long_one, ' ', sizeof long_one - 1);
	for (int i = 0; i < 12; i++) {
		char token[24];
		snprintf(token, sizeof token, "endless-%d", i);
		asking_pass(100 * NS_PER_MS);
		assert_int_equal(asking_try(0, token), FAULTS);
		if (i < 6)
			asking_answer_without_end(200);
		else
			asking_answer(200, long_one);
		assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	}
	assert_int_equal(asking_try(0, "another"), FAULTS);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_again(0), FAULT_NONE);
}

static void an_error_of_the_issuers_is_one_however_long_its_page(void **state)
{
	static char page[65 * 1024 + 1];

	(void)state;
	memset(page, ' ', sizeof page - 1);
	for (int i = 0; i < 5; i++) {
		char token[24];
		snprintf(token, sizeof token, "unlucky-%d", i);
		asking_pass(100 * NS_PER_MS);
		assert_int_equal(asking_try(0, token), FAULTS);
		if (i % 2)
			asking_answer_without_end(500);
		else
			asking_answer(502, page);
	}
	size_t calls = asking.calls;
	asking_try(0, "another");
	assert_int_equal(asking.calls, calls); /* it is left alone for a while */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, asking_begin, asking_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_nobody_asks_for_does_not_spoil_an_answer),
		TEST(a_token_of_which_too_much_is_said_is_refused_and_nobody_else),
		TEST(a_question_that_the_issuer_does_not_take_says_nothing_of_others),
		TEST(an_answer_without_end_says_nothing_of_others),
		TEST(an_error_of_the_issuers_is_one_however_long_its_page),
		TEST(what_the_issuer_says_of_a_binding_counts),
		TEST(a_token_without_audience_passes_only_where_that_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
