/* Several issuers on one route, conditions on claims, and what a cached verdict must never cross. */
#include "guest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker shared, own;

#define OF(iss, more) "{\"iss\":\"" iss "\",\"aud\":\"api\",\"sub\":\"alice\",\"exp\":1800003600" more "}"
#define AUTH0 "https://i/"
#define THIRD "https://third/"

/* Both issuers publish the very same key under the same kid: only the iss tells their tokens apart. */
static int open_house(void **state)
{
	struct maker mine[] = { shared, own };

	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(mine, 2), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	fixture_publish(2, maker_jwks(&shared, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

static struct slice token_of(const char *payload)
{
	return maker_token(&shared, NULL, payload);
}

static void the_iss_picks_the_issuer_and_its_claims(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		struct slice token = token_of(OF(THIRD, ",\"ten\":\"t\",\"cid\":\"c\""));
		struct request *r = fixture_request(0, ROUTE_BOTH, token);
		assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
		assert_true(slice_same(r->identity.issuer, S("third")));
		assert_true(slice_same(r->identity.tenant, S("t")) && slice_same(r->identity.client, S("c")));
		token = token_of(OF(AUTH0, ",\"ten\":\"t\",\"azp\":\"app\",\"org_id\":\"o\""));
		r = fixture_request(1, ROUTE_BOTH, token);
		assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
		assert_true(slice_same(r->identity.issuer, S("auth0")));
		assert_true(slice_same(r->identity.tenant, S("o")) && slice_same(r->identity.client, S("app")));
	}
}

static void an_issuer_not_of_the_route_is_refused_before_any_signature(void **state)
{
	struct slice token = token_of(OF("https://evil/", ""));

	(void)state;
	assert_int_equal(fixture_try(ROUTE_BOTH, token), FAULT_TOKEN_ISSUER);
	assert_int_equal(guests[0].r.identity.issuer.len, 0);
	assert_int_equal(fixture_try(ROUTE_BOTH, token_of(OF("", ""))), FAULT_TOKEN_ISSUER);
	assert_int_equal(fixture_try(ROUTE_BOTH, token_of("{\"aud\":\"api\",\"exp\":1800003600}")),
	                 FAULT_TOKEN_ISSUER);
	assert_int_equal(fixture.asked, 0);
}

static void a_key_of_one_issuer_signs_for_no_other(void **state)
{
	(void)state;
	assert_int_equal(fixture_try(ROUTE_BOTH, maker_token(&own, NULL, OF(AUTH0, ""))), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_BOTH, maker_token(&own, NULL, OF(THIRD, ",\"iat\":1799999000"))),
	                 FAULT_TOKEN_KEY);
}

static void a_verdict_cached_on_a_route_of_two_issuers_does_not_cross_to_a_route_of_one(void **state)
{
	struct slice third = token_of(OF(THIRD, "")), auth0 = token_of(OF(AUTH0, ""));

	(void)state;
	assert_int_equal(fixture_try(ROUTE_BOTH, third), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_BOTH, auth0), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, third), FAULT_TOKEN_ISSUER);
	assert_int_equal(fixture_try(ROUTE_THIRD, auth0), FAULT_TOKEN_ISSUER);
	assert_int_equal(fixture_try(ROUTE_THIRD, third), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, auth0), FAULT_NONE);
}

static void a_new_generation_of_one_issuer_leaves_the_others_verdicts_alone(void **state)
{
	struct slice third = token_of(OF(THIRD, ",\"iat\":1799999000")), auth0 = token_of(OF(AUTH0, ""));

	(void)state;
	assert_int_equal(fixture_try(ROUTE_BOTH, third), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_BOTH, auth0), FAULT_NONE);
	fixture_publish(2, maker_jwks(&own, 1), WALL_S, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_BOTH, third), FAULT_TOKEN_KEY);
	assert_int_equal(fixture_try(ROUTE_BOTH, auth0), FAULT_NONE);
}

static void a_route_takes_only_audiences_that_the_tokens_issuer_has(void **state)
{
	struct slice wanted[] = { S("admin"), S("third-api") };

	(void)state;
	fixture.rules[ROUTE_BOTH].audiences = (struct config_texts){ wanted, 2 };
	assert_int_equal(fixture_try(ROUTE_BOTH, token_of("{\"iss\":\"https://third/\",\"aud\":\"third-api\","
	                                                  "\"exp\":1800003600}")),
	                 FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_BOTH, token_of("{\"iss\":\"https://third/\",\"aud\":\"admin\","
	                                                  "\"exp\":1800003600}")),
	                 FAULT_TOKEN_AUDIENCE);
	assert_int_equal(fixture_try(ROUTE_BOTH, token_of("{\"iss\":\"https://i/\",\"aud\":\"third-api\","
	                                                  "\"exp\":1800003600}")),
	                 FAULT_TOKEN_AUDIENCE);
	assert_int_equal(fixture_try(ROUTE_BOTH, token_of(OF(AUTH0, ""))), FAULT_TOKEN_AUDIENCE);
}

static void a_bad_signature_is_remembered_for_its_issuer_alone(void **state)
{
	struct maker forged = { own.pkey, ALG_ES256, shared.kid };
	struct slice token = maker_token(&forged, NULL, OF(THIRD, ""));

	(void)state;
	for (int again = 0; again < 2; again++) {
		assert_int_equal(fixture_try(ROUTE_BOTH, token), FAULT_TOKEN_SIGNATURE);
		assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_TOKEN_ISSUER);
	}
}

/* ---- conditions ---- */

static void a_condition_lets_pass_who_has_one_of_its_values(void **state)
{
	static const struct {
		const char *more;
		enum fault fault;
	} table[] = {
		{ ",\"org_id\":\"acme\",\"email_verified\":true", FAULT_NONE },
		{ ",\"org_id\":[\"x\",\"acme\"],\"email_verified\":true", FAULT_NONE },
		{ ",\"org_id\":\"acme\",\"email_verified\":[true]", FAULT_NONE },
		{ ",\"org_id\":\"acme\",\"email_verified\":false", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":\"acme\"", FAULT_TOKEN_CLAIM },
		{ ",\"email_verified\":true", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":\"acme2\",\"email_verified\":true", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":\"ACME\",\"email_verified\":true", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":[],\"email_verified\":true", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":[[\"acme\"]],\"email_verified\":true", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":{\"acme\":\"acme\"},\"email_verified\":true", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":\"acme\",\"email_verified\":1", FAULT_TOKEN_CLAIM },
		{ ",\"org_id\":\"acme\",\"email_verified\":null", FAULT_TOKEN_CLAIM },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (int again = 0; again < 2; again++) {
			char payload[400];
			snprintf(payload, sizeof payload, "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600%s}",
			         table[i].more);
			int fault = fixture_try(ROUTE_ACME, token_of(payload));
			if (fault != (int)table[i].fault)
				fail_msg("%s was judged %d", payload, fault);
			assert_int_equal(guests[0].r.identity.verdict, VERDICT_VALID);
		}
	assert_int_equal(fault_info[FAULT_TOKEN_CLAIM].status, 403);
}

static void a_verdict_cached_without_conditions_does_not_cross_to_a_route_with_them(void **state)
{
	struct slice token = token_of(OF(AUTH0, ",\"org_id\":\"other\",\"email_verified\":true"));

	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_ACME, token), FAULT_TOKEN_CLAIM);
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
}

static void numbers_are_compared_as_they_are_written_in_full(void **state)
{
	struct slice seven = S("7");

	(void)state;
	fixture.choices[1].values = (struct config_texts){ &seven, 1 };
	struct slice whole = token_of(OF(AUTH0, ",\"org_id\":\"acme\",\"email_verified\":7"));
	struct slice broken = token_of(OF(AUTH0, ",\"org_id\":\"acme\",\"email_verified\":7.0"));
	assert_int_equal(fixture_try(ROUTE_ACME, whole), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_ACME, broken), FAULT_TOKEN_CLAIM);
	seven = S("0"); /* no number is taken for another by its cut-off part */
	struct slice half = token_of(OF(AUTH0, ",\"org_id\":\"acme\",\"email_verified\":0.5"));
	assert_int_equal(fixture_try(ROUTE_ACME, half), FAULT_TOKEN_CLAIM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, fixture_end)
		TEST(the_iss_picks_the_issuer_and_its_claims),
		TEST(an_issuer_not_of_the_route_is_refused_before_any_signature),
		TEST(a_key_of_one_issuer_signs_for_no_other),
		TEST(a_verdict_cached_on_a_route_of_two_issuers_does_not_cross_to_a_route_of_one),
		TEST(a_new_generation_of_one_issuer_leaves_the_others_verdicts_alone),
		TEST(a_route_takes_only_audiences_that_the_tokens_issuer_has),
		TEST(a_bad_signature_is_remembered_for_its_issuer_alone),
		TEST(a_condition_lets_pass_who_has_one_of_its_values),
		TEST(a_verdict_cached_without_conditions_does_not_cross_to_a_route_with_them),
		TEST(numbers_are_compared_as_they_are_written_in_full),
#undef TEST
	};

	shared = maker_make(ALG_ES256, "shared");
	own = maker_make(ALG_ES256, "own");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&shared);
	maker_free(&own);
	maker_forget();
	return failed;
}
