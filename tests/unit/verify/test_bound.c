/* Tokens that are not for whoever brings them: bound to a key, or to no audience. */
#include "guest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker ed;

#define CLAIMS(more) "{\"iss\":\"https://i/\",\"sub\":\"alice\",\"exp\":1800003600" more "}"
#define BOUND(cnf) CLAIMS(",\"aud\":\"api\",\"cnf\":" cnf)
/* base64url of 32 bytes of 1, and of 2 */
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"

static int open_house(void **state)
{
	(void)state;
	fixture_connection = (struct client_facts){ 0 };
	fixture_open();
	fixture_publish(0, maker_jwks(&ed, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

static void shows(const char *byte)
{
	static char thumbprint[32];

	memset(thumbprint, byte ? *byte : 0, sizeof thumbprint);
	fixture_connection.thumbprint = (struct slice){ thumbprint, byte ? sizeof thumbprint : 0 };
}

static enum fault brings(const char *payload, int route)
{
	return (enum fault)fixture_try(route, maker_token(&ed, NULL, payload));
}

static void a_token_bound_to_a_certificate_passes_with_that_one_alone(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) { /* the second time it is remembered */
		shows(NULL);
		assert_int_equal(brings(BOUND("{\"x5t#S256\":\"" ONES "\"}"), ROUTE_PLAIN), FAULT_TOKEN_BOUND);
		shows("\1");
		assert_int_equal(brings(BOUND("{\"x5t#S256\":\"" ONES "\"}"), ROUTE_PLAIN), FAULT_NONE);
		assert_int_equal(brings(BOUND("{\"x5t#S256\":\"" TWOS "\"}"), ROUTE_PLAIN), FAULT_TOKEN_BOUND);
		shows("\2");
		assert_int_equal(brings(BOUND("{\"x5t#S256\":\"" ONES "\"}"), ROUTE_PLAIN), FAULT_TOKEN_BOUND);
	}
}

static void what_cannot_be_proven_here_binds_for_good(void **state)
{
	static const char *const bound[] = {
		BOUND("{\"jkt\":\"" ONES "\"}"),
		BOUND("{}"),
		BOUND("\"" ONES "\""),
		BOUND("[]"),
		BOUND("7"),
		BOUND("{\"x5t#S256\":7}"),
		BOUND("{\"x5t#S256\":\"\"}"),
		BOUND("{\"x5t#S256\":\"" ONES "=\"}"),
		BOUND("{\"x5t#S256\":\"" ONES "\",\"jkt\":\"x\"}"),
		BOUND("{\"x5t#S256\":[\"" ONES "\"]}"),
		BOUND("{\"jwk\":{\"kty\":\"OKP\"}}"),
		BOUND("{\"x5t\":\"" ONES "\"}"),
	};

	(void)state;
	shows("\1");
	for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
		if (brings(bound[i], ROUTE_PLAIN) != FAULT_TOKEN_BOUND)
			fail_msg("%s passes", bound[i]);
	assert_int_equal(brings(BOUND("null"), ROUTE_PLAIN), FAULT_NONE);
	assert_int_equal(brings(BOUND("{\"x5t#S256\":\"" ONES "\",\"new\":1}"), ROUTE_PLAIN), FAULT_NONE);
}

static void who_is_asked_about_proves_nothing(void **state)
{
	struct slice token = maker_token(&ed, NULL, BOUND("{\"x5t#S256\":\"" ONES "\"}"));
	struct request *r = fixture_request(0, ROUTE_PLAIN, token);

	(void)state;
	shows("\1");
	r->ext_auth = EXT_AUTH_ENVOY;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_TOKEN_BOUND);
}

static void a_token_without_audience_is_for_the_client_it_names(void **state)
{
	(void)state;
	assert_int_equal(brings(CLAIMS(",\"azp\":\"api\""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	fixture.issuers[0].audience_missing = 1;
	assert_int_equal(brings(CLAIMS(",\"azp\":\"api\""), ROUTE_PLAIN), FAULT_NONE);
	assert_int_equal(brings(CLAIMS(",\"client_id\":\"api\""), ROUTE_PLAIN), FAULT_NONE);
	assert_int_equal(brings(CLAIMS(",\"azp\":\"stranger\""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"azp\":\"\""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"azp\":\"api\""), ROUTE_NARROW), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"azp\":\"admin\""), ROUTE_NARROW), FAULT_NONE);
}

static void an_audience_that_is_there_counts(void **state)
{
	(void)state;
	fixture.issuers[0].audience_missing = 1;
	assert_int_equal(brings(CLAIMS(",\"aud\":\"else\",\"azp\":\"api\""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"aud\":[\"else\"],\"azp\":\"api\""), ROUTE_PLAIN),
	                 FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"aud\":[],\"azp\":\"api\""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"aud\":\"\",\"azp\":\"api\""), ROUTE_PLAIN), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(brings(CLAIMS(",\"aud\":\"api\""), ROUTE_PLAIN), FAULT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_token_bound_to_a_certificate_passes_with_that_one_alone, open_house,
		                                fixture_end),
		cmocka_unit_test_setup_teardown(what_cannot_be_proven_here_binds_for_good, open_house, fixture_end),
		cmocka_unit_test_setup_teardown(who_is_asked_about_proves_nothing, open_house, fixture_end),
		cmocka_unit_test_setup_teardown(a_token_without_audience_is_for_the_client_it_names, open_house,
		                                fixture_end),
		cmocka_unit_test_setup_teardown(an_audience_that_is_there_counts, open_house, fixture_end),
	};

	ed = maker_make(ALG_EDDSA, "ed");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&ed);
	maker_forget();
	return failed;
}
