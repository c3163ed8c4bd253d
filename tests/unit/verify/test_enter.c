#include "guest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker rsa, ec, ed, stranger;

#define CLAIMS(more) \
	"{\"iss\":\"https://i/\",\"aud\":\"api\",\"sub\":\"alice\",\"exp\":1800003600,\"iat" \
	"\":1799999000" more "}"

static struct slice good(const struct maker *m)
{
	return maker_token(m, NULL, CLAIMS(",\"scope\":\"read\",\"azp\":\"app\",\"org_id\":\"acme\""));
}

static int open_house(void **state)
{
	struct maker all[] = { rsa, ec, ed };

	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(all, 3), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	fixture_publish(1, maker_jwks(&stranger, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

static void a_route_without_verify_asks_for_nothing(void **state)
{
	struct request *r = fixture_request(0, ROUTE_OPEN, S("garbage"));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
	assert_int_equal(r->identity.verdict, VERDICT_NONE);
}

static void a_good_token_passes_and_says_who_it_is(void **state)
{
	const struct maker *all[] = { &rsa, &ec, &ed };

	(void)state;
	for (int i = 0; i < 3; i++)
		for (int again = 0; again < 2; again++) {
			struct request *r = fixture_request(0, ROUTE_READ, good(all[i]));
			assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
			assert_int_equal(r->identity.verdict, VERDICT_VALID);
			assert_true(slice_same(r->identity.issuer, S("auth0")));
			assert_true(slice_same(r->identity.subject, S("alice")));
			assert_true(slice_same(r->identity.client, S("app")));
			assert_true(slice_same(r->identity.tenant, S("acme")));
			assert_true(slice_same(r->identity.scope, S("read")));
			assert_true(r->identity.expires_s == 1800003600);
			assert_true(r->identity.subject.at >= r->arena.start &&
			            r->identity.subject.at < r->arena.start + r->arena.size);
		}
	assert_int_equal(fixture.asked, 0);
}

static void what_is_missing_or_malformed_is_told_apart(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, S(""));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_TOKEN_MISSING);
	assert_int_equal(r->identity.verdict, VERDICT_NONE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, S("a.b.c")), FAULT_TOKEN_MALFORMED);
	r = fixture_request(0, ROUTE_PLAIN, good(&ed));
	assert_true(headers_add(&r->headers, S("authorization"), S("Bearer x")));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_TWO_CREDENTIALS);
}

static void every_claim_is_judged(void **state)
{
	static const struct {
		const char *payload;
		enum fault fault;
	} table[] = {
		{ "{\"iss\":\"https://i\",\"aud\":\"api\",\"exp\":1800003600}", FAULT_TOKEN_ISSUER },
		{ "{\"iss\":\"https://I/\",\"aud\":\"api\",\"exp\":1800003600}", FAULT_TOKEN_ISSUER },
		{ "{\"aud\":\"api\",\"exp\":1800003600}", FAULT_TOKEN_ISSUER },
		{ "{\"iss\":\"https://i/\",\"exp\":1800003600}", FAULT_TOKEN_AUDIENCE },
		{ "{\"iss\":\"https://i/\",\"aud\":\"else\",\"exp\":1800003600}", FAULT_TOKEN_AUDIENCE },
		{ "{\"iss\":\"https://i/\",\"aud\":[\"x\",\"ap\"],\"exp\":1800003600}", FAULT_TOKEN_AUDIENCE },
		{ "{\"iss\":\"https://i/\",\"aud\":[\"x\",\"api\"],\"exp\":1800003600}", FAULT_NONE },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1799999940}", FAULT_TOKEN_EXPIRED },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1799999941}", FAULT_NONE },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600,\"nbf\":1800000061}",
		  FAULT_TOKEN_EARLY },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600,\"nbf\":1800000060}", FAULT_NONE },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600,\"iat\":1800000061}",
		  FAULT_TOKEN_EARLY },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600,\"iat\":1800000060}", FAULT_NONE },
		{ "{\"iss\":\"https://i/\",\"aud\":\"api\",\"iat\":1800000000}", FAULT_TOKEN_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (int again = 0; again < 2; again++) {
			struct slice token = maker_token(&ed, NULL, table[i].payload);
			if (fixture_try(ROUTE_PLAIN, token) != (int)table[i].fault)
				fail_msg("%s was judged %d", table[i].payload, guests[0].r.fault);
		}
}

static void a_lacking_scope_or_permission_is_403_of_a_known_caller(void **state)
{
	struct slice permission = S("clusters:list");

	(void)state;
	assert_int_equal(fixture_try(ROUTE_WRITE, good(&ed)), FAULT_TOKEN_SCOPE);
	assert_int_equal(guests[0].r.identity.verdict, VERDICT_VALID);
	assert_true(slice_same(guests[0].r.identity.subject, S("alice")));
	fixture.rules[ROUTE_PLAIN].permissions = (struct config_texts){ &permission, 1 };
	assert_int_equal(fixture_try(ROUTE_PLAIN, good(&ed)), FAULT_TOKEN_SCOPE);
	struct slice token = maker_token(&ed, NULL, CLAIMS(",\"permissions\":[\"a\",\"clusters:list\"]"));
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_TOKEN_SCOPE);
}

static void an_unsigned_token_is_never_told_that_it_lacks_a_scope(void **state)
{
	struct maker forged = { stranger.pkey, ALG_RS256, "rsa" };

	(void)state;
	assert_int_equal(fixture_try(ROUTE_WRITE, good(&forged)), FAULT_TOKEN_SIGNATURE);
	assert_int_equal(guests[0].r.identity.verdict, VERDICT_INVALID);
	assert_int_equal(guests[0].r.identity.subject.len, 0);
}

static void only_listed_parties_pass_where_azp_is_configured(void **state)
{
	struct slice app = S("app");

	(void)state;
	fixture.issuers[0].azp = (struct config_texts){ &app, 1 };
	assert_int_equal(fixture_try(ROUTE_READ, good(&ed)), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&ed, NULL, CLAIMS(",\"azp\":\"x\""))),
	                 FAULT_TOKEN_AUDIENCE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&ed, NULL, CLAIMS(""))), FAULT_TOKEN_AUDIENCE);
}

static void tokens_of_attackers_are_401_and_ask_nobody(void **state)
{
	static const struct {
		int key;
		const char *header;
		enum fault fault;
	} table[] = {
		{ 0, "{\"alg\":\"none\",\"kid\":\"rsa\"}", FAULT_TOKEN_ALGORITHM },
		{ 0, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", FAULT_TOKEN_ALGORITHM },
		{ 0, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", FAULT_TOKEN_ALGORITHM },
		{ 1, "{\"alg\":\"RS256\",\"kid\":\"ec\"}", FAULT_TOKEN_ALGORITHM },
		{ 1, "{\"alg\":\"ES384\",\"kid\":\"ec\"}", FAULT_TOKEN_ALGORITHM },
		{ 0, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", FAULT_TOKEN_SIGNATURE },
		{ 1, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", FAULT_TOKEN_SIGNATURE },
		{ 0, "{\"alg\":\"RS256\",\"kid\":\"../../dev/null\"}", FAULT_TOKEN_KEY },
		{ 0, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"https://evil/\"}", FAULT_TOKEN_MALFORMED },
		{ 0, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"x\"],\"x\":1}", FAULT_TOKEN_MALFORMED },
		{ 0, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", FAULT_NONE },
	};
	struct maker makers[] = { rsa, ec };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct slice token = maker_token(&makers[table[i].key], table[i].header, CLAIMS(""));
		if (fixture_try(ROUTE_PLAIN, token) != (int)table[i].fault)
			fail_msg("%s was judged %d", table[i].header, guests[0].r.fault);
	}
	assert_int_equal(fixture.asked, 0);
}

static void a_token_over_its_bound_is_refused_unread(void **state)
{
	static char payload[20000];
	int len = snprintf(payload, sizeof payload, CLAIMS(",\"x\":\"%012400d\""), 7);

	(void)state;
	assert_true(len > 12000);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&ed, NULL, payload)), FAULT_TOKEN_MALFORMED);
	assert_true(snprintf(payload, sizeof payload, CLAIMS(",\"x\":\"%011000d\""), 7) > 0);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&ed, NULL, payload)), FAULT_NONE);
}

static void claims_too_big_for_the_cache_are_judged_each_time(void **state)
{
	static char payload[8000];

	(void)state;
	snprintf(payload, sizeof payload, CLAIMS(",\"scope\":\"read %03000d\""), 7);
	for (int again = 0; again < 3; again++) {
		struct slice token = maker_token(&ed, NULL, payload);
		assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
		assert_int_equal(fixture_try(ROUTE_WRITE, token), FAULT_TOKEN_SCOPE);
	}
}

static void an_identity_that_does_not_fit_the_request_is_not_passed_on(void **state)
{
	static char payload[9000];
	struct slice token;

	(void)state;
	snprintf(payload, sizeof payload, CLAIMS(",\"org_id\":\"%06000d\""), 7);
	token = maker_token(&ed, NULL, payload);
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_HEAD_TOO_BIG);
}

/* ---- what cannot be known ---- */

static void keys_past_the_hard_bound_judge_nobody_cached_or_not(void **state)
{
	uint64_t late = WALL_S - 60 + 24 * 3600;
	struct slice token =
	    maker_token(&ed, NULL, "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1900000000}");

	(void)state;
	fixture.keeper_is_deaf = true;
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	assert_int_equal(fixture_try_at(ROUTE_PLAIN, token, NOW_NS, late), FAULT_NONE);
	assert_int_equal(fixture_try_at(ROUTE_PLAIN, token, NOW_NS, late + 1), FAULT_ISSUER_UNKNOWN);
	assert_int_equal(guests[0].r.identity.verdict, VERDICT_UNKNOWN);
	assert_int_equal(fixture_try_at(ROUTE_PLAIN, good(&ed), NOW_NS, late + 1), FAULT_TOKEN_EXPIRED);
	struct maker all[] = { rsa, ec, ed };
	fixture_publish(0, maker_jwks(all, 3), late, NOW_NS); /* the same keys, confirmed */
	assert_int_equal(fixture_try_at(ROUTE_PLAIN, token, NOW_NS, late + 1), FAULT_NONE);
}

static void a_bad_signature_is_not_told_by_keys_past_the_hard_bound_either(void **state)
{
	struct maker forged = { stranger.pkey, ALG_RS256, "rsa" }, unnamed = { stranger.pkey, ALG_RS256, NULL };
	uint64_t late = WALL_S - 60 + 24 * 3600;
	static const char long_lived[] =
	    "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1900000000,\"iat\":1799999000}";
	struct slice tokens[] = { maker_token(&forged, NULL, long_lived), maker_token(&unnamed, NULL, long_lived),
		                      maker_token(&ec, "{\"alg\":\"ES256\",\"kid\":\"ghost\"}", long_lived) };
	static const enum fault before[] = { FAULT_TOKEN_SIGNATURE, FAULT_TOKEN_SIGNATURE, FAULT_TOKEN_KEY };

	(void)state;
	fixture.keeper_is_deaf = true;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fixture_try_at(ROUTE_PLAIN, tokens[i], NOW_NS, late), before[i]);
		assert_int_equal(fixture_try_at(ROUTE_PLAIN, tokens[i], NOW_NS, late + 1), FAULT_ISSUER_UNKNOWN);
		assert_int_equal(guests[0].r.identity.verdict, VERDICT_UNKNOWN);
	}
}

static void a_clock_set_back_does_not_keep_keys_beyond_their_end(void **state)
{
	struct maker all[] = { rsa, ec, ed };

	(void)state;
	fixture.keeper_is_deaf = true;
	fixture.hard_ns = NOW_NS + NS_PER_S;
	fixture_publish(0, maker_jwks(all, 3), WALL_S, NOW_NS);
	assert_int_equal(fixture_try_at(ROUTE_READ, good(&ed), fixture.hard_ns, WALL_S), FAULT_NONE);
	assert_int_equal(fixture_try_at(ROUTE_READ, good(&ed), fixture.hard_ns + 1, WALL_S),
	                 FAULT_ISSUER_UNKNOWN);
}

static void a_drill_blinds_without_a_question_and_ends_by_itself(void **state)
{
	uint64_t end_ns = NOW_NS + 60 * NS_PER_S;

	(void)state;
	assert_int_equal(fixture_try(ROUTE_READ, good(&ed)), FAULT_NONE);
	atomic_store(&fixture_slot(0)->drill, published_drill_until(DRILL_BLIND, end_ns));
	assert_int_equal(fixture_try(ROUTE_READ, good(&ed)), FAULT_ISSUER_UNKNOWN);
	assert_int_equal(fixture.asked, 0);
	assert_int_equal(fixture_try_at(ROUTE_READ, good(&ed), end_ns, WALL_S), FAULT_NONE);
	atomic_store(&fixture_slot(0)->drill, published_drill_until(DRILL_DEGRADED, end_ns));
	assert_int_equal(fixture_try(ROUTE_READ, good(&ed)), FAULT_NONE);
}

static void the_issuers_state_is_shown_to_trusted_peers_alone(void **state)
{
	struct cidr all[1] = { { { { { 0 } } }, 0 } };

	(void)state;
	atomic_store(&fixture_slot(0)->state, ISSUER_STALE);
	assert_int_equal(fixture_try(ROUTE_READ, good(&ed)), FAULT_NONE);
	assert_int_equal(guests[0].r.issuer_state.len, 0);
	fixture.config.root.trusted_proxies = (struct config_cidrs){ all, 1 };
	assert_int_equal(fixture_try(ROUTE_READ, good(&ed)), FAULT_NONE);
	assert_true(slice_same(guests[0].r.issuer_state, S("stale")));
	assert_int_equal(fixture_try(ROUTE_READ, S("nonsense")), FAULT_TOKEN_MALFORMED);
	assert_true(slice_same(guests[0].r.issuer_state, S("stale")));
	assert_int_equal(fixture_try(ROUTE_OPEN, S("")), FAULT_NONE);
	assert_int_equal(guests[0].r.issuer_state.len, 0);
}

static void revoke_it(enum revoked_kind kind, const char *issuer, const char *value, uint64_t before_s)
{
	struct revoked_table *t = &fixture.published->revoked;
	uint64_t mark = revoked_mark(t, slice_of(issuer), kind, slice_of(value));

	assert_true(revoked_put(t, mark, revoked_times(WALL_S + 600, before_s)));
}

static void a_revoked_token_is_401_cached_or_not(void **state)
{
	static const char *const values[] = { "j-1", "alice", "s-1", "ed" };

	(void)state;
	for (int fresh = 0; fresh < 2; fresh++)
		for (int kind = 0; kind < REVOKED_KINDS; kind++) {
			fixture_close();
			fixture_open();
			struct maker all[] = { rsa, ec, ed };
			fixture_publish(0, maker_jwks(all, 3), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
			struct slice token =
			    maker_token(&ed, NULL,
			                "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800000600,\"iat\":1799999990,"
			                "\"jti\":\"j-1\",\"sub\":\"alice\",\"sid\":\"s-1\"}");
			revoke_it((enum revoked_kind)kind, "other", values[kind], WALL_S);
			if (!fresh)
				assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
			revoke_it((enum revoked_kind)kind, "auth0", values[kind], WALL_S);
			assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_TOKEN_REVOKED);
			assert_int_equal(guests[0].r.identity.verdict, VERDICT_INVALID);
			assert_int_equal(guests[0].r.identity.subject.len, 0);
		}
}

static void what_may_become_a_tunnel_is_judged_again_later(void **state)
{
	struct slice token =
	    maker_token(&ed, NULL, "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800000600,\"sid\":\"s-1\"}");

	(void)state;
	struct request *r = fixture_request(1, ROUTE_PLAIN, token);
	r->upgrade_websocket = true;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), FAULT_NONE);
	uint64_t moved = verify_revocations_moved(fixture.verify);
	assert_false(verify_is_revoked(fixture.verify, r, WALL_S));
	revoke_it(REVOKED_SID, "auth0", "s-1", 0);
	assert_true(verify_revocations_moved(fixture.verify) > moved);
	assert_true(verify_is_revoked(fixture.verify, r, WALL_S));
	struct request *open =
	    fixture_request(2, ROUTE_OPEN, S("")); /* without a token there is nothing to revoke */
	open->upgrade_websocket = true;
	assert_int_equal(fixture_enter_at(open, NOW_NS, WALL_S), FAULT_NONE);
	assert_false(verify_is_revoked(fixture.verify, open, WALL_S));
}

static void a_clock_set_back_does_not_make_keys_old(void **state)
{
	(void)state;
	assert_int_equal(fixture_try_at(ROUTE_READ, good(&ed), NOW_NS, WALL_S - 900), FAULT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, fixture_end)
		TEST(a_route_without_verify_asks_for_nothing),
		TEST(a_good_token_passes_and_says_who_it_is),
		TEST(what_is_missing_or_malformed_is_told_apart),
		TEST(every_claim_is_judged),
		TEST(a_lacking_scope_or_permission_is_403_of_a_known_caller),
		TEST(an_unsigned_token_is_never_told_that_it_lacks_a_scope),
		TEST(only_listed_parties_pass_where_azp_is_configured),
		TEST(tokens_of_attackers_are_401_and_ask_nobody),
		TEST(a_token_over_its_bound_is_refused_unread),
		TEST(claims_too_big_for_the_cache_are_judged_each_time),
		TEST(an_identity_that_does_not_fit_the_request_is_not_passed_on),
		TEST(keys_past_the_hard_bound_judge_nobody_cached_or_not),
		TEST(a_bad_signature_is_not_told_by_keys_past_the_hard_bound_either),
		TEST(a_clock_set_back_does_not_keep_keys_beyond_their_end),
		TEST(a_drill_blinds_without_a_question_and_ends_by_itself),
		TEST(the_issuers_state_is_shown_to_trusted_peers_alone),
		TEST(a_revoked_token_is_401_cached_or_not),
		TEST(what_may_become_a_tunnel_is_judged_again_later),
		TEST(a_clock_set_back_does_not_make_keys_old),
#undef TEST
	};

	rsa = maker_make(ALG_RS256, "rsa");
	ec = maker_make(ALG_ES256, "ec");
	ed = maker_make(ALG_EDDSA, "ed");
	stranger = (struct maker){ maker_rsa(true), ALG_RS256, "stranger" };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&ec);
	maker_free(&ed);
	maker_free(&rsa);
	maker_free(&stranger);
	maker_forget();
	return failed;
}
