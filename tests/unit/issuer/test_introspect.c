/* Opaque tokens: what their issuer says of them, from the question to the verdict. */
#include "asking.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACTIVE \
	"{\"active\":true,\"sub\":\"alice\",\"client_id\":\"app\",\"org_id\":\"acme\"," \
	"\"scope\":\"read\",\"exp\":1800003600}"
#define REFUSED "{\"active\":false}"

/* ---- what is said in good order ---- */

static void the_issuer_is_asked_once_and_its_answer_is_the_verdict(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	assert_int_equal(asking.calls, 1);
	assert_string_equal(asking.call[0].form, "token=opaque-1&token_type_hint=access_token");
	assert_string_equal(asking.call[0].user, "gate+way");
	assert_string_equal(asking.call[0].password, "s%3Ae%25c");
	assert_string_equal(asking.call[0].bearer, "");
	asking_answer(200, ACTIVE);
	assert_int_equal(asking.woken, 1);
	assert_int_equal(asking_again(0), FAULT_NONE);
	const struct identity *who = &askers[0].r.identity;
	assert_int_equal(who->verdict, VERDICT_VALID);
	assert_true(slice_same(who->subject, S("alice")) && slice_same(who->client, S("app")));
	assert_true(slice_same(who->tenant, S("acme")) && slice_same(who->scope, S("read")));
	assert_true(who->expires_s == 1800003600);
	for (int i = 0; i < 5; i++)
		assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
	assert_int_equal(asking_try(1, "opaque-1"), FAULT_TOKEN_SCOPE); /* judged by route all the same */
	assert_int_equal(asking.calls, 1);
}

static void a_refused_token_is_401_for_ten_seconds_without_a_question(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "bad"), FAULTS);
	asking_answer(200, REFUSED);
	assert_int_equal(asking_again(0), FAULT_TOKEN_INACTIVE);
	assert_int_equal(askers[0].r.identity.verdict, VERDICT_INVALID);
	asking_pass(9 * NS_PER_S);
	assert_int_equal(asking_try(0, "bad"), FAULT_TOKEN_INACTIVE);
	assert_int_equal(asking.calls, 1);
	asking_pass(2 * NS_PER_S);
	assert_int_equal(asking_try(0, "bad"), FAULTS);
	assert_int_equal(asking.calls, 2);
}

static void userinfo_is_asked_with_the_token_itself(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	assert_string_equal(asking.call[0].bearer, "opaque-1");
	assert_string_equal(asking.call[0].form, "");
	assert_string_equal(asking.call[0].password, "");
	asking_answer(200, "{\"sub\":\"alice\",\"org_id\":\"acme\"}");
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_true(slice_same(askers[0].r.identity.subject, S("alice")));
	/* it did not say when the token ends: whoever holds on to it does so no longer than the answer may */
	assert_true(askers[0].r.identity.expires_s == WALL_S + 3600);
	assert_int_equal(asking_try(0, "opaque-2"), FAULTS);
	asking_answer(401, "");
	assert_int_equal(asking_again(0), FAULT_TOKEN_INACTIVE);
}

static void a_thousand_requests_for_ten_tokens_are_ten_questions(void **state)
{
	char token[24];

	(void)state;
	for (int i = 0; i < GUESTS; i++) {
		snprintf(token, sizeof token, "opaque-%d", i % 10);
		assert_int_equal(asking_enter(asking_guest(i, 0, token)), FAULTS);
	}
	assert_true(asking.calls <= 10); /* the budget lets them go one by one */
	for (int i = 0; i < 15; i++)
		asking_pass(100 * NS_PER_MS); /* a slow issuer */
	assert_int_equal(asking.calls, 10);
	for (int i = 0; i < 10; i++)
		asking_answer(200, ACTIVE);
	assert_int_equal(asking.woken, GUESTS);
	for (int i = 0; i < GUESTS; i++)
		assert_int_equal(asking_again(i), FAULT_NONE);
	assert_int_equal(asking.calls, 10);
}

static void an_answer_wakes_only_those_who_wait_for_it(void **state)
{
	(void)state;
	assert_int_equal(asking_enter(asking_guest(0, 0, "one")), FAULTS);
	assert_int_equal(asking_enter(asking_guest(1, 0, "two")), FAULTS);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking.woken, 1);
	assert_int_equal(asking_again(0), FAULT_NONE);
	verify_leave(asking.verify, &askers[1].r); /* it gives up */
	asking_answer(200, ACTIVE);
	assert_int_equal(asking.woken, 1);
}

/* ---- ages ---- */

static void an_answer_is_renewed_before_anybody_has_to_wait_for_it(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, ACTIVE);
	asking_pass(47 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
	assert_int_equal(asking.calls, 1);
	asking_pass(2 * NS_PER_S);
	for (int i = 0; i < 3; i++)
		assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
	assert_int_equal(asking.calls, 2);
	asking_answer(200, ACTIVE);
	asking_pass(40 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
	assert_int_equal(asking.calls, 2);
}

static void an_old_answer_waits_for_a_new_one_which_may_be_a_refusal(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, ACTIVE);
	asking_pass(61 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, REFUSED);
	assert_int_equal(asking_again(0), FAULT_TOKEN_INACTIVE);
	asking_pass(11 * NS_PER_S); /* the old answer does not come back */
	asking.keeper_is_deaf = true;
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_TOKEN_UNASKED);
}

static void while_the_issuer_is_away_an_old_answer_holds_for_an_hour(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\"}");
	asking_pass(61 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(500, "");
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE); /* and nobody waits for the next failure */
	assert_int_equal(asking.calls, 2);
	asking_pass(3500 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(0, "");
	assert_int_equal(asking_again(0), FAULT_NONE);
	asking_pass(60 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(0, "");
	assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	assert_int_equal(fault_info[FAULT_TOKEN_UNASKED].status, 503);
	assert_int_equal(askers[0].r.identity.verdict, VERDICT_UNKNOWN);
}

static void no_answer_outlives_the_end_that_the_token_is_known_to_have(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\",\"exp\":1800000020}");
	assert_int_equal(asking_again(0), FAULT_NONE);
	asking_pass(79 * NS_PER_S);
	asking.keeper_is_deaf = true;
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
	asking_pass(NS_PER_S); /* the skew, too, is over */
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_TOKEN_EXPIRED);
}

/* ---- who cannot know ---- */

static void a_silent_keeper_means_cannot_know(void **state)
{
	(void)state;
	asking.keeper_is_deaf = true;
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_TOKEN_UNASKED);
}

static void nobody_waits_longer_than_the_patience(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_pass(1999 * NS_PER_MS);
	assert_int_equal(asking_again(0), FAULTS);
	asking_pass(NS_PER_MS);
	assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	verify_stop_waiting(&askers[0].r); /* the driver's clock, not ours */
	assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	assert_int_equal(asking.calls, 1); /* all this time it is one question */
}

static void an_answer_that_says_nothing_is_no_refusal(void **state)
{
	static const char *const bodies[] = { "",
		                                  "{}",
		                                  "[]",
		                                  "{\"active\":1}",
		                                  "{\"active\":\"true\"}",
		                                  "{\"active\":false,\"active\":true}",
		                                  "<html>",
		                                  "{\"active\":true",
		                                  "{\"active\":null}" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char token[24];
		snprintf(token, sizeof token, "opaque-%zu", i);
		assert_int_equal(asking_try(0, token), FAULTS);
		asking_answer(200, bodies[i]);
		assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	}
	char text[OPAQUE_TEXT_MAX];
	struct slice room[CLAIMS_WANTED_MAX];
	struct reply_plan plan = reply_plan_of(&asking.config, &asking.issuer, room);
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		const char *why = NULL;
		size_t len;
		assert_int_equal(reply_read(&plan, 200, slice_of(bodies[i]), text, &len, &why), REPLY_MALFORMED);
		assert_non_null(why);
	}
}

static void an_issuer_that_fails_again_and_again_is_left_alone_for_a_while(void **state)
{
	char token[24];

	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(token, sizeof token, "opaque-%d", i);
		assert_int_equal(asking_try(0, token), FAULTS);
		asking_answer(503, "");
		assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	}
	for (int i = 10; i < 20; i++) { /* without a question, and without a wait */
		snprintf(token, sizeof token, "opaque-%d", i);
		assert_int_equal(asking_try(0, token), FAULTS);
		verify_turn(asking.verify);
		assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	}
	assert_int_equal(asking.calls, 5);
	asking_pass(40 * NS_PER_S);
	assert_int_equal(asking_try(0, "opaque-30"), FAULTS);
	assert_int_equal(asking.calls, 6);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_again(0), FAULT_NONE);
}

static void the_next_keeper_finds_what_was_said(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_enter(asking_guest(1, 0, "opaque-2")), FAULTS);
	issuer_keeper_close(asking.keeper); /* with a question under way */
	asking_hire();
	asking.woken = 0;
	verify_turn(asking.verify);
	assert_int_equal(asking.woken, 1);
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
	assert_int_equal(asking_again(1), FAULTS); /* it asks the new one */
	assert_int_equal(asking.calls, 3);
	asking_answer(200, ACTIVE); /* the old keeper's: nobody listens */
	assert_int_equal(asking.woken, 1);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking.woken, 2);
	assert_int_equal(asking_again(1), FAULT_NONE);
}

/* ---- what it says of whom ---- */

static void check_said(const char *body, enum fault fault)
{
	static int n;
	char token[24];

	snprintf(token, sizeof token, "said-%d", n++);
	assert_int_equal(asking_try(0, token), FAULTS);
	asking_answer(200, body);
	int got = asking_again(0);
	if (got != (int)fault)
		fail_msg("%s was judged %d", body, got);
}

static void issuer_and_audience_count_where_they_are_said(void **state)
{
	(void)state;
	check_said("{\"active\":true,\"sub\":\"a\"}", FAULT_NONE);
	check_said("{\"active\":true,\"aud\":\"api\"}", FAULT_NONE);
	check_said("{\"active\":true,\"aud\":[\"x\"]}", FAULT_TOKEN_AUDIENCE);
	check_said("{\"active\":true,\"iss\":\"https://i/\"}", FAULT_NONE);
	check_said("{\"active\":true,\"iss\":\"https://else/\"}", FAULT_TOKEN_ISSUER);
	check_said("{\"active\":true,\"nbf\":1800000100}", FAULT_TOKEN_EARLY);
	asking.rule[0].audiences = (struct config_texts){ &asking.audience, 1 };
	check_said("{\"active\":true,\"sub\":\"a\"}", FAULT_TOKEN_AUDIENCE); /* the route wants it said */
}

static void a_token_over_4_kib_is_malformed_and_not_asked_about(void **state)
{
	static char value[OPAQUE_TOKEN_MAX + 16];

	(void)state;
	for (int more = 0; more < 2; more++) {
		int len = snprintf(value, sizeof value, "Bearer %0*d", OPAQUE_TOKEN_MAX + more, 0);
		struct request *r = asking_guest(more, 0, "x");
		r->headers.at[0].value = (struct slice){ value, (size_t)len };
		assert_int_equal(asking_enter(r), more ? FAULT_TOKEN_MALFORMED : FAULTS);
	}
	assert_int_equal(asking.calls, 1);
}

static void a_drill_that_makes_the_issuer_unreachable_asks_it_nothing(void **state)
{
	(void)state;
	assert_null(issuer_keeper_drill(asking.keeper, S("i"), S("unreachable"), 60));
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	verify_turn(asking.verify);
	assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
	assert_int_equal(asking.calls, 0);
}

static void a_blind_drill_says_of_no_token_what_is_known(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_answer(200, "{\"active\":true,\"sub\":\"a\"}");
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_null(issuer_keeper_drill(asking.keeper, S("i"), S("blind"), 60));
	verify_turn(asking.verify);
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_TOKEN_UNASKED);
	assert_int_equal(asking_try(0, "opaque-2"), FAULT_TOKEN_UNASKED);
	assert_int_equal(asking.calls, 1);
	assert_null(issuer_keeper_drill(asking.keeper, S("i"), S("none"), 0));
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_NONE);
}

static void what_looks_like_a_jwt_is_verified_as_one(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "eyJhbGciOiJub25lIn0.eyJleHAiOjl9.AAAA"), FAULT_TOKEN_ALGORITHM);
	assert_int_equal(asking.calls, 0);
	assert_int_equal(asking_try(0, "eyJhbGciOiJkaXIifQ..a.b.c"), FAULTS); /* encrypted: only its issuer can */
	assert_int_equal(asking_enter(asking_guest(1, 0, "not.a.jwt")), FAULTS);
	assert_int_equal(asking_enter(asking_guest(2, 0, "v1.of.ours")), FAULTS);
	assert_int_equal(asking.calls, 3);
	assert_int_equal(asking_try(0, "no b64token"), FAULT_TOKEN_MALFORMED); /* nobody is asked */
	assert_int_equal(asking_try(0, "opaque\"1"), FAULT_TOKEN_MALFORMED);
	assert_int_equal(asking.calls, 3);
	asking.issuer.opaque = NULL;
	verify_close(asking.verify);
	asking.verify = verify_open(&asking.config, asking.published, (struct verify_ask){ 0 });
	assert_int_equal(asking_try(0, "opaque-1"), FAULT_TOKEN_MALFORMED);
}

static void a_token_is_nowhere_in_published_memory(void **state)
{
	(void)state;
	assert_int_equal(asking_try(0, "a-very-secret-token"), FAULTS);
	asking_answer(200, ACTIVE);
	assert_null(memmem(asking.published, published_memory(), "a-very-secret-token", 19));
}

/* ---- the table ---- */

static void garbage_cannot_drive_out_the_good(void **state)
{
	static struct opaque_table table;
	struct opaque_head head = { .generation = 7, .asked_ns = 5 };
	struct opaque_seen seen;
	unsigned char id[SHA256_LEN] = { 0 };

	(void)state;
	opaque_put(&table, &head, S("{}"));
	for (unsigned char i = 1; i < 200; i++) { /* all in its set */
		id[SHA256_LEN - 1] = i;
		opaque_publish(&table, id, OPAQUE_REFUSED, 100);
	}
	assert_true(opaque_find(&table, head.id, &seen));
	assert_true(seen.head.generation == 7);
	assert_int_equal(opaque_heard(&table, id, 99), OPAQUE_REFUSED);
	assert_int_equal(opaque_heard(&table, id, 100), OPAQUE_NOTHING);
}

static void the_answer_asked_for_longest_ago_gives_way(void **state)
{
	static struct opaque_table table;
	struct opaque_head head = { .generation = 1 };
	struct opaque_seen seen;

	(void)state;
	for (unsigned char i = 0; i < OPAQUE_WAYS; i++) {
		head.id[SHA256_LEN - 1] = i;
		head.asked_ns = i == 3 ? 1 : 10 + i;
		opaque_put(&table, &head, S("{}"));
	}
	head.id[SHA256_LEN - 1] = 100;
	head.asked_ns = 50;
	opaque_put(&table, &head, S("{}"));
	for (unsigned char i = 0; i < OPAQUE_WAYS; i++) {
		head.id[SHA256_LEN - 1] = i;
		assert_int_equal(opaque_find(&table, head.id, &seen), i != 3);
	}
}

static void an_unchanged_answer_keeps_its_generation(void **state)
{
	static struct opaque_table table;
	struct opaque_head head = { .generation = 1, .asked_ns = 1 };
	struct opaque_seen seen, old;
	char text[OPAQUE_TEXT_MAX];

	(void)state;
	opaque_put(&table, &head, S("{\"a\":1}"));
	assert_true(opaque_find(&table, head.id, &old));
	head = (struct opaque_head){ .generation = 2, .asked_ns = 2 };
	opaque_put(&table, &head, S("{\"a\":1}"));
	assert_true(opaque_find(&table, head.id, &seen));
	assert_true(seen.head.generation == 1 && seen.head.asked_ns == 2);
	assert_false(opaque_text(&old, text)); /* it has been replaced */
	head.generation = 3;
	opaque_put(&table, &head, S("{\"a\":2}"));
	assert_true(opaque_find(&table, head.id, &seen) && seen.head.generation == 3);
	assert_true(opaque_text(&seen, text) && memcmp(text, "{\"a\":2}", 7) == 0);
	opaque_take_back(&table, head.id);
	assert_false(opaque_find(&table, head.id, &seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, asking_begin, asking_end)
		TEST(the_issuer_is_asked_once_and_its_answer_is_the_verdict),
		TEST(a_refused_token_is_401_for_ten_seconds_without_a_question),
		cmocka_unit_test_setup_teardown(userinfo_is_asked_with_the_token_itself, asking_begin_userinfo,
		                                asking_end),
		TEST(a_thousand_requests_for_ten_tokens_are_ten_questions),
		TEST(an_answer_wakes_only_those_who_wait_for_it),
		TEST(an_answer_is_renewed_before_anybody_has_to_wait_for_it),
		TEST(an_old_answer_waits_for_a_new_one_which_may_be_a_refusal),
		TEST(while_the_issuer_is_away_an_old_answer_holds_for_an_hour),
		TEST(no_answer_outlives_the_end_that_the_token_is_known_to_have),
		TEST(a_silent_keeper_means_cannot_know),
		TEST(nobody_waits_longer_than_the_patience),
		TEST(an_answer_that_says_nothing_is_no_refusal),
		TEST(an_issuer_that_fails_again_and_again_is_left_alone_for_a_while),
		TEST(the_next_keeper_finds_what_was_said),
		TEST(issuer_and_audience_count_where_they_are_said),
		TEST(a_token_over_4_kib_is_malformed_and_not_asked_about),
		TEST(a_drill_that_makes_the_issuer_unreachable_asks_it_nothing),
		TEST(a_blind_drill_says_of_no_token_what_is_known),
		TEST(what_looks_like_a_jwt_is_verified_as_one),
		TEST(a_token_is_nowhere_in_published_memory),
#undef TEST
		cmocka_unit_test(garbage_cannot_drive_out_the_good),
		cmocka_unit_test(the_answer_asked_for_longest_ago_gives_way),
		cmocka_unit_test(an_unchanged_answer_keeps_its_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
