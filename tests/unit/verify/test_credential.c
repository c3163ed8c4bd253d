/* Where tokens are found, and what of them goes on. */
#include "guest.h"
#include "verify/credential.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker ed;
static struct slice places[] = { { "bearer", 6 }, { "cookie:session", 14 }, { "header:X-Token", 14 } };

#define GOOD "{\"iss\":\"https://i/\",\"aud\":\"api\",\"sub\":\"alice\",\"exp\":1800003600}"

static struct carrier carriers[3];

static int open_carriers(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		carriers[i] = carrier_read(places[i]);
	return 0;
}

/* A request with these "name: value" fields. */
static struct request *with(const char *const *fields)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, S(""));

	for (size_t i = 0; fields[i]; i++) {
		struct slice value = slice_of(fields[i]), name = slice_cut(&value, ':');
		if (!headers_add(&r->headers, name, slice_trim(value)))
			abort();
	}
	return r;
}

static void a_place_is_written_in_one_of_three_ways(void **state)
{
	(void)state;
	assert_int_equal(carriers[0].kind, CARRIER_BEARER);
	assert_true(carriers[1].kind == CARRIER_COOKIE && slice_same(carriers[1].name, S("session")));
	assert_true(carriers[2].kind == CARRIER_FIELD && slice_same(carriers[2].name, S("X-Token")));
}

static void a_field_that_was_taken_out_is_no_credential(void **state)
{
	struct request *r = with((const char *const[]){ "Authorization: Bearer tok", "X-Token: other", NULL });
	struct credential c;

	(void)state;
	assert_int_equal(credential_find(carriers, 3, &r->headers, &c), FAULT_TWO_CREDENTIALS);
	r->headers.at[1].dropped = true; /* by Connection: X-Token */
	assert_int_equal(credential_find(carriers, 3, &r->headers, &c), FAULT_NONE);
	assert_true(slice_same(c.token, S("tok")));
}

static void the_one_credential_is_found_wherever_it_is(void **state)
{
	static const struct {
		const char *fields[5];
		int carrier;
		enum fault fault;
	} table[] = {
		{ { "Authorization: Bearer tok" }, 0, FAULT_NONE },
		{ { "Cookie: a=1; session=tok; b=2" }, 1, FAULT_NONE },
		{ { "Cookie: session=tok" }, 1, FAULT_NONE },
		{ { "Cookie: a=session;session=tok;" }, 1, FAULT_NONE },
		{ { "Cookie: a=1", "Cookie: session=tok" }, 1, FAULT_NONE },
		{ { "x-token: tok" }, 2, FAULT_NONE },
		{ { "X-Token: tok", "Cookie: session=" }, 2, FAULT_NONE },
		{ { "Cookie: Session=tok; xsession=tok; session" }, -1, FAULT_TOKEN_MISSING },
		{ { "Cookie: session=" }, -1, FAULT_TOKEN_MISSING },
		{ { "X_Token: tok" }, -1, FAULT_TOKEN_MISSING },
		{ { NULL }, -1, FAULT_TOKEN_MISSING },
		{ { "Authorization: Basic YTpi" }, 0, FAULT_TOKEN_MISSING },
		{ { "Cookie: session=tok; session=tok" }, 1, FAULT_TWO_CREDENTIALS },
		{ { "Cookie: session=tok", "Cookie: session=other" }, 1, FAULT_TWO_CREDENTIALS },
		{ { "Cookie: session=\"tok\"; a=\"b\"" }, 1, FAULT_NONE },
		{ { "Cookie: session=\"\"; a=b" }, -1, FAULT_TOKEN_MISSING },
		{ { "Cookie: ses.sion=x; %73ession=evil; session=tok; SESSION=evil" }, 1, FAULT_NONE },
		{ { "X_Token: evil", "X-Token: tok", "x.token: evil" }, 2, FAULT_NONE },
		{ { "Authorization: Bearer tok", "Cookie: session=stale" }, 0, FAULT_NONE },
		{ { "Cookie: session=stale", "authorization: bearer tok" }, 0, FAULT_NONE },
		{ { "Authorization: Basic YTpi", "Cookie: session=tok" }, 1, FAULT_NONE },
		{ { "Cookie: session=x", "X-Token: y" }, 2, FAULT_TWO_CREDENTIALS },
		{ { "Authorization: Bearer x", "X-Token: y" }, 2, FAULT_TWO_CREDENTIALS },
		{ { "Authorization: Bearer x", "Cookie: session=z", "X-Token: y" }, 2, FAULT_TWO_CREDENTIALS },
		{ { "Authorization: Bearer x", "Cookie: session=z; session=y" }, 1, FAULT_TWO_CREDENTIALS },
		{ { "Authorization: Basic YTpi", "X-Token: tok" }, 2, FAULT_TWO_CREDENTIALS },
		{ { "X-Token: tok", "X-TOKEN: tok" }, 2, FAULT_TWO_CREDENTIALS },
		{ { "Authorization: Bearer tok", "Authorization: Bearer tok" }, 0, FAULT_TWO_CREDENTIALS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct credential c;
		struct request *r = with(table[i].fields);
		enum fault fault = credential_find(carriers, 3, &r->headers, &c);
		const struct carrier *carrier = table[i].carrier < 0 ? NULL : &carriers[table[i].carrier];
		if (fault != table[i].fault || c.carrier != carrier)
			fail_msg("%s: fault %d", table[i].fields[0], fault);
		if (!fault)
			assert_true(slice_same(c.token, S("tok")));
	}
}

/* What the upstream gets of these fields, in one line. */
static const char *passed(const char *const *fields, size_t len, bool forward)
{
	static char room[400];
	struct text t = TEXT(room);
	struct credential c;
	struct request *r = with(fields);

	(void)!credential_find(carriers, len, &r->headers, &c);
	assert_true(credential_pass(r, carriers, len, &c, forward));
	for (uint16_t i = 0; i < r->headers.len; i++)
		if (!r->headers.at[i].dropped)
			text_printf(&t, "%.*s: %.*s|", SLICE(r->headers.at[i].name), SLICE(r->headers.at[i].value));
	assert_true(text_end(&t));
	return room;
}

#define FIELDS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}
#define expect(n, forward, on, ...) assert_string_equal(passed(FIELDS(__VA_ARGS__), n, forward), on)

static void what_was_verified_goes_on_unless_the_route_keeps_it(void **state)
{
	(void)state;
	expect(3, true, "Authorization: Bearer t|A: b|", "Authorization: Bearer t", "A: b");
	expect(3, false, "A: b|", "Authorization: Bearer t", "A: b");
	expect(3, true, "X-Token: t|A: b|", "X-Token: t", "A: b");
	expect(3, false, "A: b|", "X-Token: t", "A: b");
	expect(3, true, "Cookie: a=1; session=t; b=2|", "Cookie: a=1; session=t; b=2");
	expect(3, false, "Cookie: a=1; b=2|", "Cookie: a=1; session=t; b=2");
	expect(3, false, "Cookie: b=2; c|", "Cookie: session=t;  b=2; c");
	expect(3, false, "A: b|", "Cookie: session=t", "A: b");
	expect(3, false, "", "Cookie: session=t; session=");
}

static void what_was_not_verified_never_goes_on(void **state)
{
	const struct carrier bearer = carriers[0];

	(void)state;
	expect(3, true, "X-Token: t|", "X_Token: forged", "x.token: f", "X-Token: t");
	expect(3, true, "A: b|", "X_Token: forged", "A: b");
	carriers[0] = carriers[2]; /* a route that takes no bearer tokens */
	expect(2, true, "X-Token: t|", "Authorization: Basic eDp5", "X-Token: t");
	expect(2, true, "A: b|", "Authorization: Bearer x", "A: b");
	carriers[0] = bearer;
}

/* Each is read by some server as a cookie or field of the carrier's name: PHP folds, decodes and knows
 * arrays, others fold the case, or begin a new cookie at a comma or a space. */
static void what_reads_as_the_carrier_never_goes_on(void **state)
{
	static const char *const twins[] = { "Session",    "SESSION",     "%73ession", "s%65ssion",
		                                 "session[a]", "session[",    "+session",  "%20session",
		                                 "session%20", "\"session\"", "s%45ssion", "session%5Bx" };
	static const char *const hidden[] = { "a=1, session=e",    "a=1 session=e",
		                                  "a=1,session =e",    "a=1\tsession=e",
		                                  "a=\"1\" session=e", "=session=e",
		                                  "a=1&session=e",     "session" };
	char field[80];

	(void)state;
	for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
		snprintf(field, sizeof field, "Cookie: %s=e; session=t; b=2", twins[i]);
		expect(3, true, "Cookie: session=t; b=2|", field);
		expect(3, false, "Cookie: b=2|", field);
	}
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
		snprintf(field, sizeof field, "Cookie: %s; session=t", hidden[i]);
		expect(3, true, "Cookie: session=t|", field);
		snprintf(field, sizeof field, "Cookie: session=t; %s", hidden[i]);
		expect(3, true, "Cookie: session=t|", field);
	}
	expect(3, true, "Cookie: session=t|", "Cookie: session=; session=t");
	expect(3, true, "Cookie: my-session=1; sessions=2; xsession=3; a=session; session=t|",
	       "Cookie: my-session=1; sessions=2; xsession=3; a=session; session=t");
	expect(3, true, "Cookie: session=t; a=x=y; t=\"q r\"|", "Cookie: session=t; a=x=y; t=\"q r\"");
	expect(3, true, "A: b|", "X_Token: e", "Cookie: SESSION=e", "A: b");
	expect(3, true, "Cookie: session=\"t\"|", "Cookie: session=\"t\"");
}

static void beside_a_bearer_token_nothing_else_goes_on(void **state)
{
	(void)state;
	expect(3, true, "Authorization: Bearer t|Cookie: a=1|", "Authorization: Bearer t",
	       "Cookie: session=stale; a=1; Session=e");
	expect(3, true, "Authorization: Bearer t|", "Authorization: Bearer t", "Cookie: session=stale",
	       "x.token: e");
	expect(3, false, "Cookie: a=1|", "Authorization: Bearer t", "Cookie: session=stale; a=1");
	expect(3, true, "Cookie: session=t|", "Authorization: Basic eDp5", "Cookie: session=t");
}

static void a_cookie_that_is_listed_first_yields_to_no_bearer_token(void **state)
{
	const struct carrier turned[] = { carriers[1], carriers[0] };
	struct credential c;
	struct request *r = with(FIELDS("Authorization: Bearer t", "Cookie: session=t"));

	(void)state;
	assert_int_equal(credential_find(turned, 2, &r->headers, &c), FAULT_TWO_CREDENTIALS);
	r = with(FIELDS("Authorization: Basic eDp5", "Cookie: session=t"));
	assert_int_equal(credential_find(turned, 2, &r->headers, &c), FAULT_TWO_CREDENTIALS);
}

static void a_full_arena_is_told_rather_than_a_cookie_passed_on(void **state)
{
	struct credential c;
	struct request *r = with(FIELDS("Cookie: a=1; session=t"));

	(void)state;
	assert_int_equal(credential_find(carriers, 3, &r->headers, &c), FAULT_NONE);
	while (arena_room(&r->arena, 64))
		;
	assert_false(credential_pass(r, carriers, 3, &c, false));
}

/* ---- the station ---- */

static int open_house(void **state)
{
	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(&ed, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

static void reopen(void)
{
	verify_close(fixture.verify);
	fixture.verify =
	    verify_open(&fixture.config, fixture.published, (struct verify_ask){ .key_unknown = fixture_asked });
}

static void a_cookie_is_as_good_as_a_bearer_token(void **state)
{
	char field[1000];
	struct slice good = maker_token(&ed, NULL, GOOD);

	(void)state;
	fixture.rules[ROUTE_PLAIN].from = (struct config_texts){ &places[1], 1 };
	fixture.rules[ROUTE_PLAIN].forward = false;
	reopen();
	snprintf(field, sizeof field, "Cookie: a=1; session=%.*s", SLICE(good));
	struct request *r = with(FIELDS(field));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
	assert_true(slice_same(r->identity.subject, S("alice")));
	assert_true(r->identity.expires_s == 1800003600);
	assert_true(slice_same(r->headers.at[0].value, S("a=1")));
	assert_int_equal(fixture_try(ROUTE_PLAIN, good), FAULT_TOKEN_MISSING); /* not where bearer is not taken */
}

static void a_cookie_that_cannot_be_taken_out_refuses_the_request(void **state)
{
	static char field[8000];
	struct slice good = maker_token(&ed, NULL, GOOD);

	(void)state;
	fixture.rules[ROUTE_PLAIN].from = (struct config_texts){ &places[1], 1 };
	fixture.rules[ROUTE_PLAIN].forward = false;
	reopen();
	for (int more = 100; more <= 5000; more += 4900) { /* the request's arena has 4096 bytes */
		snprintf(field, sizeof field, "Cookie: a=%0*d; session=%.*s", more, 1, SLICE(good));
		struct request *r = with(FIELDS(field));
		assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), more < 4096 ? FAULT_NONE : FAULT_HEAD_TOO_BIG);
	}
}

static void without_a_credential_an_optional_route_goes_on_as_nobody(void **state)
{
	(void)state;
	fixture.rules[ROUTE_PLAIN].optional = true;
	struct request *r = fixture_request(0, ROUTE_PLAIN, S(""));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
	assert_int_equal(r->identity.verdict, VERDICT_NONE);
	assert_int_equal(r->identity.subject.len + r->identity.issuer.len, 0);
	r = fixture_request(0, ROUTE_PLAIN, maker_token(&ed, NULL, GOOD));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
	assert_int_equal(r->identity.verdict, VERDICT_VALID);
}

static void what_is_no_token_is_malformed_whatever_brings_it(void **state)
{
	static const char *const fields[] = { "Authorization: Bearer tok tok",
		                                  "Authorization: Bearer",
		                                  "Authorization: Bearer e30.e30.\xc3\xa4",
		                                  "X-Token: tok tok",
		                                  "X-Token:",
		                                  "X-Token: a=b",
		                                  "Cookie: session=\"tok\"" };

	(void)state;
	fixture.rules[ROUTE_PLAIN].from = (struct config_texts){ places, 3 };
	reopen();
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&ed, NULL, GOOD)), FAULT_NONE);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct request *r = with(FIELDS(fields[i]));
		assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_TOKEN_MALFORMED);
		assert_int_equal(r->identity.verdict, VERDICT_INVALID);
	}
}

static void a_bad_credential_is_refused_on_an_optional_route_too(void **state)
{
	(void)state;
	fixture.rules[ROUTE_PLAIN].optional = true;
	assert_int_equal(fixture_try(ROUTE_PLAIN, S("a.b.c")), FAULT_TOKEN_MALFORMED);
	assert_int_equal(fixture_try_at(ROUTE_PLAIN, maker_token(&ed, NULL, GOOD), NOW_NS, 1800009999),
	                 FAULT_TOKEN_EXPIRED);
	struct request *r = with(FIELDS("Authorization: Basic YTpi"));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_TOKEN_MISSING);
	r = with(FIELDS("Authorization: Bearer a", "Authorization: Bearer b"));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_TWO_CREDENTIALS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_written_in_one_of_three_ways),
		cmocka_unit_test(a_field_that_was_taken_out_is_no_credential),
		cmocka_unit_test(the_one_credential_is_found_wherever_it_is),
		cmocka_unit_test(what_was_verified_goes_on_unless_the_route_keeps_it),
		cmocka_unit_test(what_was_not_verified_never_goes_on),
		cmocka_unit_test(what_reads_as_the_carrier_never_goes_on),
		cmocka_unit_test(beside_a_bearer_token_nothing_else_goes_on),
		cmocka_unit_test(a_cookie_that_is_listed_first_yields_to_no_bearer_token),
		cmocka_unit_test(a_full_arena_is_told_rather_than_a_cookie_passed_on),
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, fixture_end)
		TEST(a_cookie_is_as_good_as_a_bearer_token),
		TEST(a_cookie_that_cannot_be_taken_out_refuses_the_request),
		TEST(without_a_credential_an_optional_route_goes_on_as_nobody),
		TEST(what_is_no_token_is_malformed_whatever_brings_it),
		TEST(a_bad_credential_is_refused_on_an_optional_route_too),
#undef TEST
	};

	ed = maker_make(ALG_EDDSA, "ed");
	int failed = cmocka_run_group_tests(tests, open_carriers, NULL);
	maker_free(&ed);
	maker_forget();
	return failed;
}
