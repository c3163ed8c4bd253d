/* Introspection answers that are signed JWTs (RFC 9701): believed of the issuer alone, and never tokens. */
#include "../jose/tokens.h"
#include "../issuer/asking.h"
#include "issuer/introspect.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker good, other, elliptic;

static int setup(void **state)
{
	const struct maker its[] = { good, elliptic };
	const char *why;

	(void)state;
	asking_open(false);
	json_decref(asking.keeper->source[0].keys);
	asking.keeper->source[0].keys = keyset_array(maker_jwks(its, 2), &why);
	assert_non_null(asking.keeper->source[0].keys);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	asking_close();
	return 0;
}

#define KIND "token-introspection+jwt"
#define SAYS ",\"token_introspection\":"
#define HEAD(typ) "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"" typ "\"}"
#define TYPED HEAD(KIND)
#define SAID "{\"active\":true,\"sub\":\"alice\",\"client_id\":\"app\",\"scope\":\"write\"}"
#define CLAIMS(aud, more) "{\"iss\":\"https://i/\",\"aud\":" aud ",\"iat\":1800000000" more "}"
#define BODY CLAIMS("\"gate way\"", SAYS SAID)

static const char *failure(void)
{
	return asking.keeper->inquiries->of[0].failure;
}

/* What comes of a token of which that is said. */
static int try_answer(const char *token, struct slice body)
{
	static char text[50000];

	asking_pass(NS_PER_S); /* the budget of questions */
	snprintf(text, sizeof text, "%.*s", SLICE(body));
	assert_int_equal(asking_try(1, token), FAULTS);
	asking_answer(200, text);
	return asking_enter(&askers[0].r);
}

static void a_signed_answer_is_judged_as_the_plain_one_is(void **state)
{
	static const char *const audiences[] = { "\"gate way\"", "\"api\"", "[\"x\",\"gate way\"]" };
	char claims[400], token[24];

	(void)state;
	for (size_t i = 0; i < sizeof audiences / sizeof *audiences; i++) {
		snprintf(claims, sizeof claims, CLAIMS("%s", SAYS SAID), audiences[i]);
		snprintf(token, sizeof token, "good-%zu", i);
		assert_int_equal(try_answer(token, maker_token(&good, TYPED, claims)), FAULT_NONE);
	}
	assert_int_equal(
	    try_answer("long-type", maker_token(&good, HEAD("application/Token-Introspection+JWT"), BODY)),
	    FAULT_NONE);
	assert_int_equal(
	    try_answer("elliptic", maker_token(&elliptic, "{\"alg\":\"ES256\",\"typ\":\"" KIND "\"}", BODY)),
	    FAULT_NONE);
	assert_int_equal(
	    try_answer("gone", maker_token(&good, TYPED, CLAIMS("\"gate way\"", SAYS "{\"active\":false}"))),
	    FAULT_TOKEN_INACTIVE);
	assert_int_equal(
	    try_answer("no-scope", maker_token(&good, TYPED,
	                                       CLAIMS("\"gate way\"", SAYS "{\"active\":true,\"sub\":\"bob\"}"))),
	    FAULT_TOKEN_SCOPE);
	assert_int_equal(
	    try_answer("others", maker_token(&good, TYPED,
	                                     CLAIMS("\"gate way\"", SAYS
	                                            "{\"active\":true,\"sub\":\"bob\",\"iss\":\"https://j/\"}"))),
	    FAULT_TOKEN_ISSUER);
	assert_int_equal(try_answer("plain", S(SAID)), FAULT_NONE);
	assert_string_equal(failure(), "");
}

static void an_answer_that_is_not_the_issuers_for_us_is_not_believed(void **state)
{
	static const struct {
		const char *head, *claims, *why;
		bool forged;
	} bad[] = {
		{ TYPED, BODY, "its signature is wrong", true },
		{ "{\"alg\":\"RS256\",\"kid\":\"k9\",\"typ\":\"" KIND "\"}", BODY, "no key of that kid", false },
		{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"" KIND "\"}", BODY, "no key of that kid", false },
		{ "{\"alg\":\"none\",\"typ\":\"" KIND "\"}", BODY, "algorithm", false },
		{ "{\"alg\":\"HS256\",\"typ\":\"" KIND "\"}", BODY, "algorithm", false },
		{ HEAD("JWT"), BODY, "typ is not token-introspection+jwt", false },
		{ HEAD("at+jwt"), BODY, "typ is not token-introspection+jwt", false },
		{ "{\"alg\":\"RS256\",\"kid\":\"k1\"}", BODY, "typ is not token-introspection+jwt", false },
		{ "{\"alg\":\"RS256\",\"typ\":\"" KIND "\",\"jku\":\"https://x/\"}", BODY, "jku", false },
		{ TYPED, CLAIMS("\"somebody\"", SAYS SAID), "its aud", false },
		{ TYPED, CLAIMS("[]", SAYS SAID), "its aud", false },
		{ TYPED, "{\"iss\":\"https://i/\",\"iat\":1800000000" SAYS SAID "}", "its aud", false },
		{ TYPED, "{\"iss\":\"https://j/\",\"aud\":\"api\",\"iat\":1800000000" SAYS SAID "}", "its iss",
		  false },
		{ TYPED, "{\"aud\":\"api\",\"iat\":1800000000" SAYS SAID "}", "its iss", false },
		{ TYPED, CLAIMS("\"api\"", ""), "no token_introspection", false },
		{ TYPED, CLAIMS("\"api\"", SAYS "\"active\""), "no token_introspection", false },
		{ TYPED, CLAIMS("\"api\"", SAYS "{}"), "whether the token is active", false },
		{ TYPED, CLAIMS("\"api\"", ",\"exp\":1799999000,\"token_introspection\":" SAID), "expired", false },
		{ TYPED, "{\"iss\":\"https://i/\",\"aud\":\"api\"" SAYS SAID "}", "(iat)", false },
		{ TYPED, "{\"iss\":\"https://i/\",\"aud\":\"api\",\"iat\":1800009999" SAYS SAID "}", "future",
		  false },
		{ TYPED, "{\"iss\":\"https://i/\",\"iss\":\"https://i/\"}", "doubled members", false },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct slice body = maker_token(bad[i].forged ? &other : &good, bad[i].head, bad[i].claims);
		if (try_answer("t", body) != FAULT_TOKEN_UNASKED || !strstr(failure(), bad[i].why))
			fail_msg("case %zu: %s", i, failure());
		teardown(state);
		setup(state);
	}
	assert_int_equal(try_answer("encrypted", S("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d")), FAULT_TOKEN_UNASKED);
	assert_non_null(strstr(failure(), "encrypted"));
	assert_int_equal(try_answer("cut", S("eyJhbGciOi")), FAULT_TOKEN_UNASKED);
	assert_non_null(strstr(failure(), "three parts"));
}

static void it_is_asked_for_where_discovery_says_so(void **state)
{
	(void)state;
	assert_int_equal(asking_try(1, "first"), FAULTS);
	assert_string_equal(asking.call[0].accept, "");
	asking.keeper->source[0].signs_introspection = true;
	assert_int_equal(asking_enter(asking_guest(1, 1, "second")), FAULTS);
	assert_string_equal(asking.call[1].accept, REPLY_ACCEPT);
}

static void no_answer_about_a_token_is_a_token(void **state)
{
	static const char *const heads[] = { TYPED, HEAD("JWT"), HEAD("at+jwt"),
		                                 "{\"alg\":\"RS256\",\"kid\":\"k1\"}" };
	const struct claims_names names = { .client = S("azp") };
	const struct claims_plan plan = { &names, 1, { 0 }, false };
	static char decoded[2000], text[2000];
	const struct jwt_scratch scratch = { decoded, text, sizeof decoded };
	static struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		struct slice token = maker_token(
		    &good, heads[i], CLAIMS("\"api\"", ",\"exp\":1900000000,\"sub\":\"alice\"" SAYS SAID));
		assert_int_equal(jwt_read(token, &plan, &scratch, &jwt), FAULT_TOKEN_MALFORMED);
		assert_non_null(strstr(jwt.why, i == 0 ? "typ" : "token_introspection"));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_signed_answer_is_judged_as_the_plain_one_is),
		TEST(an_answer_that_is_not_the_issuers_for_us_is_not_believed),
		TEST(it_is_asked_for_where_discovery_says_so),
		TEST(no_answer_about_a_token_is_a_token),
	};

	good = maker_make(ALG_RS256, "k1");
	elliptic = maker_make(ALG_ES256, "e1");
	other = (struct maker){ maker_rsa(true), ALG_RS256, "k1" };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&good);
	maker_free(&elliptic);
	maker_free(&other);
	maker_forget();
	return failed;
}
