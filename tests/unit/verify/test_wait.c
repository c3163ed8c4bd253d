#include "guest.h"
#include "base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker old, fresh, bare, successor;

#define WAITS FAULTS /* what fixture_enter_at says of a request that is parked */
#define CLAIMS(iat) "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600,\"iat\":" iat "}"
#define NEW_TOKEN CLAIMS("1799999999") /* issued after the last fetch */
#define OLD_TOKEN CLAIMS("1799999000")

static int open_house(void **state)
{
	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(&old, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

static void an_unknown_key_is_refused_where_a_later_fetch_lacks_it(void **state)
{
	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&fresh, NULL, OLD_TOKEN)), FAULT_TOKEN_KEY);
	assert_int_equal(fixture.asked, 0);
}

static void a_key_younger_than_the_last_fetch_is_asked_for_and_waited_for(void **state)
{
	struct maker both[] = { old, fresh };
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	assert_int_equal(r->identity.verdict, VERDICT_UNKNOWN);
	assert_int_equal(fixture.asked, 1);
	assert_string_equal(fixture.asked_kid, "fresh");
	assert_true(fixture.asked_iat_s == 1799999999);
	verify_turn(fixture.verify);
	assert_int_equal(fixture.woken, 0);
	fixture_publish(0, maker_jwks(both, 2), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture.woken, 1);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_NONE);
	assert_null(r->waits);
	assert_int_equal(fixture.asked, 1);
}

static void a_fetch_begun_after_the_request_came_proves_the_key_absent(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, CLAIMS("1800000050")));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS); /* its issuer's clock is ahead of ours */
	assert_true(fixture.asked_iat_s == WALL_S);
	fixture_publish(0, maker_jwks(&old, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_TOKEN_KEY);
}

static void a_fetch_that_was_under_way_when_the_request_came_proves_nothing(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, CLAIMS("1800000000")));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	fixture_publish(0, maker_jwks(&old, 1), WALL_S, NOW_NS - 1);
	atomic_store(&fixture_slot(0)->not_before_ns, NOW_NS + 30 * NS_PER_S);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_ISSUER_UNKNOWN);
}

static void many_waiters_are_one_question(void **state)
{
	(void)state;
	for (int i = 0; i < STORES; i++)
		assert_int_equal(
		    fixture_enter_at(fixture_request(i, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)), NOW_NS,
		                     WALL_S),
		    WAITS);
	assert_int_equal(fixture.asked, 1);
	fixture_publish(0, maker_jwks(&old, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture.woken, STORES);
	for (int i = 0; i < STORES; i++)
		assert_int_equal(fixture_enter_at(&guests[i].r, NOW_NS + 2, WALL_S), FAULT_TOKEN_KEY);
}

static void a_question_without_an_answer_is_asked_again_a_second_later(void **state)
{
	(void)state;
	assert_int_equal(fixture_enter_at(fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)),
	                                  NOW_NS, WALL_S),
	                 WAITS);
	assert_int_equal(fixture_enter_at(fixture_request(1, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)),
	                                  NOW_NS + NS_PER_S + 1, WALL_S),
	                 WAITS);
	assert_int_equal(fixture.asked, 2);
	verify_leave(fixture.verify, &guests[0].r);
	verify_leave(fixture.verify, &guests[1].r);
}

static void a_failed_attempt_ends_the_wait(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	atomic_fetch_add(&fixture_slot(0)->failed, 1);
	atomic_fetch_add(&fixture.published->moved, 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture.woken, 1);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 1, WALL_S), FAULT_ISSUER_UNKNOWN);
}

static void a_declined_question_ends_the_wait_of_who_asked_and_lets_another_ask(void **state)
{
	struct maker other = { fresh.pkey, fresh.alg, "other" };
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN));
	struct request *s = fixture_request(1, ROUTE_PLAIN, maker_token(&other, NULL, NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	assert_int_equal(fixture_enter_at(s, NOW_NS, WALL_S), WAITS);
	atomic_fetch_add(&fixture_slot(0)->declined, 1);
	atomic_fetch_add(&fixture.published->moved, 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 1, WALL_S), FAULT_ISSUER_UNKNOWN);
	assert_int_equal(fixture_enter_at(s, NOW_NS + 1, WALL_S), WAITS);
	assert_int_equal(fixture.asked, 2);
	assert_string_equal(fixture.asked_kid, "other");
	verify_leave(fixture.verify, s);
}

/* By another key than old, under the kid that it has. */
static struct slice under_the_old_name(const char *payload)
{
	return maker_token(&successor, NULL, payload);
}

static void a_kid_that_is_used_again_for_another_key_is_looked_into_once(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, under_the_old_name(NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	assert_int_equal(fixture.asked, 1);
	fixture_publish(0, maker_jwks(&successor, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_NONE);
}

static void a_wrong_signature_is_wrong_where_the_kid_was_not_used_again(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, under_the_old_name(NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	fixture_publish(0, maker_jwks(&old, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_TOKEN_SIGNATURE);
	assert_int_equal(fixture.asked, 1);
	r = fixture_request(0, ROUTE_PLAIN, under_the_old_name(CLAIMS("1800000001")));
	atomic_store(&fixture_slot(0)->not_before_ns, NOW_NS + 30 * NS_PER_S); /* the cooldown */
	assert_int_equal(fixture_enter_at(r, NOW_NS + 3, WALL_S), FAULT_TOKEN_SIGNATURE);
	assert_int_equal(fixture.asked, 1);
}

static void a_fetch_that_fails_leaves_a_wrong_signature_wrong(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, under_the_old_name(NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, under_the_old_name(OLD_TOKEN)), FAULT_TOKEN_SIGNATURE);
	r = fixture_request(0, ROUTE_PLAIN, under_the_old_name(NEW_TOKEN));
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	atomic_fetch_add(&fixture_slot(0)->failed, 1);
	atomic_fetch_add(&fixture.published->moved, 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 1, WALL_S), FAULT_TOKEN_SIGNATURE);
}

static void nobody_waits_for_a_fetch_that_will_not_come_in_time(void **state)
{
	(void)state;
	atomic_store(&fixture_slot(0)->not_before_ns, NOW_NS + 2 * NS_PER_S + 1);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)), FAULT_ISSUER_UNKNOWN);
	assert_int_equal(fixture.asked, 0);
	atomic_store(&fixture_slot(0)->not_before_ns, NOW_NS + 2 * NS_PER_S);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)), WAITS);
	verify_leave(fixture.verify, &guests[0].r);
}

static void nobody_waits_longer_than_the_patience_however_often_woken(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2 * NS_PER_S - 1, WALL_S), WAITS);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2 * NS_PER_S, WALL_S), FAULT_ISSUER_UNKNOWN);
}

static void a_silent_keeper_means_cannot_know(void **state)
{
	(void)state;
	fixture.keeper_is_deaf = true;
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)), FAULT_ISSUER_UNKNOWN);
}

static void without_any_patience_the_keeper_is_asked_but_not_waited_for(void **state)
{
	(void)state;
	fixture.config.root.verification.wait = 0;
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN)), FAULT_ISSUER_UNKNOWN);
	assert_int_equal(fixture.asked, 1);
}

static void who_left_is_not_woken(void **state)
{
	struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&fresh, NULL, NEW_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	verify_leave(fixture.verify, r);
	verify_leave(fixture.verify, r); /* twice does no harm */
	fixture_publish(0, maker_jwks(&old, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture.woken, 0);
}

static void before_the_first_keys_requests_wait_for_them(void **state)
{
	struct request *r = fixture_request(0, ROUTE_OTHER, maker_token(&old, NULL, OLD_TOKEN));

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	fixture_publish(1, maker_jwks(&old, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_NONE);
}

static void a_token_without_kid_is_tried_with_the_keys_that_suit(void **state)
{
	struct maker set[] = { old, fresh, bare };
	struct maker mine = { fresh.pkey, fresh.alg, NULL };

	(void)state;
	fixture_publish(0, maker_jwks(set, 3), WALL_S, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&mine, NULL, OLD_TOKEN)), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&bare, NULL, OLD_TOKEN)), FAULT_NONE);
	struct maker none = maker_make(ALG_ES256, NULL);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&none, NULL, OLD_TOKEN)), FAULT_TOKEN_SIGNATURE);
	maker_free(&none);
	none = maker_make(ALG_ES384, NULL);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&none, NULL, OLD_TOKEN)), FAULT_TOKEN_KEY);
	maker_free(&none);
}

static void a_token_that_names_a_key_is_not_tried_with_one_that_has_no_name(void **state)
{
	struct maker named = { bare.pkey, bare.alg, "ghost" };

	(void)state;
	fixture_publish(0, maker_jwks(&bare, 1), WALL_S, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&named, NULL, OLD_TOKEN)), FAULT_TOKEN_KEY);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&bare, NULL, OLD_TOKEN)), FAULT_NONE);
}

static void of_a_token_without_kid_no_more_is_said_than_four_keys_tell(void **state)
{
	struct maker set[5];
	enum { FOURTH = 3, FIFTH = 4 };

	(void)state;
	for (int i = 0; i <= FIFTH; i++)
		set[i] = maker_make(ALG_ES256, NULL);
	for (size_t len = FOURTH + 1; len <= FIFTH + 1; len++) {
		fixture_publish(0, maker_jwks(set, len), WALL_S, NOW_NS);
		assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&set[FOURTH], NULL, OLD_TOKEN)), FAULT_NONE);
		int other = fixture_try(ROUTE_PLAIN, maker_token(&bare, NULL, OLD_TOKEN));
		assert_int_equal(other, len > FOURTH + 1 ? FAULT_ISSUER_UNKNOWN : FAULT_TOKEN_SIGNATURE);
	}
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&set[FIFTH], NULL, OLD_TOKEN)),
	                 FAULT_ISSUER_UNKNOWN);
	assert_int_equal(fixture.asked, 0);
	for (int i = 0; i <= FIFTH; i++)
		maker_free(&set[i]);
}

static void without_an_iat_only_a_fetch_since_the_request_proves_a_key_absent(void **state)
{
	struct slice token =
	    maker_token(&fresh, NULL, "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600}");
	struct request *r = fixture_request(0, ROUTE_PLAIN, token);

	(void)state;
	assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
	assert_true(fixture.asked_iat_s == WALL_S);
	fixture_publish(0, maker_jwks(&old, 1), WALL_S, NOW_NS + 1);
	verify_turn(fixture.verify);
	assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_TOKEN_KEY);
}

static void a_wrong_signature_without_kid_may_be_of_a_key_not_yet_seen(void **state)
{
	(void)state;
	for (enum alg alg = ALG_ES256; alg <= ALG_EDDSA; alg++) { /* the old key suits the first of these */
		struct maker none = maker_make(alg, NULL);
		struct request *r = fixture_request(0, ROUTE_PLAIN, maker_token(&none, NULL, NEW_TOKEN));
		fixture_publish(0, maker_jwks(&old, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
		assert_int_equal(fixture_enter_at(r, NOW_NS, WALL_S), WAITS);
		assert_string_equal(fixture.asked_kid, "");
		fixture_publish(0, maker_jwks(&none, 1), WALL_S, NOW_NS + 1);
		assert_int_equal(fixture_enter_at(r, NOW_NS + 2, WALL_S), FAULT_NONE);
		maker_free(&none);
	}
}

/* ---- published memory ---- */

static void a_keeper_that_dies_in_the_middle_leaves_the_old_keys_in_force(void **state)
{
	struct published_slot *slot = fixture_slot(0);
	struct published_keys *next = &slot->copy[(atomic_load(&slot->version) + 1) & 1];
	struct slice token = maker_token(&old, NULL, OLD_TOKEN);

	(void)state;
	memset(next, 0xee, sizeof *next); /* half written, never flipped */
	atomic_fetch_add(&fixture.published->moved, 1);
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	fixture_publish(0, maker_jwks(&fresh, 1), WALL_S, NOW_NS); /* its successor */
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_TOKEN_KEY);
}

static void keys_in_hand_are_kept_where_new_ones_cannot_be_read(void **state)
{
	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&old, NULL, OLD_TOKEN)), FAULT_NONE);
	log_threshold(LOG_LEVEL_ERROR + 1);
	fixture_publish(0, S("{\"keys\":[]}"), WALL_S, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&old, NULL, OLD_TOKEN)), FAULT_NONE);
	log_threshold(LOG_LEVEL_INFO);
}

static void a_slot_of_the_same_name_but_another_url_is_not_believed(void **state)
{
	(void)state;
	struct config_issuer imposter = fixture.issuers[1];
	fixture.issuers[1].issuer = S("https://j/");
	fixture_publish(1, maker_jwks(&old, 1), WALL_S, NOW_NS);
	fixture.issuers[1] = imposter;
	fixture.keeper_is_deaf = true;
	assert_int_equal(fixture_try(ROUTE_OTHER, maker_token(&old, NULL, OLD_TOKEN)), FAULT_ISSUER_UNKNOWN);
}

static void a_full_table_gives_its_oldest_unused_slot_to_a_new_issuer(void **state)
{
	unsigned char who[ISSUERS_MAX + 1][SHA256_LEN] = { 0 };
	struct published_keys head = { .generation = 1 };

	(void)state;
	memset(fixture.published, 0, published_memory());
	assert_non_null(published_attach(fixture.published));
	for (unsigned char i = 0; i <= ISSUERS_MAX; i++)
		who[i][0] = (unsigned char)(i + 1);
	for (unsigned i = 0; i < ISSUERS_MAX; i++) {
		struct published_slot *slot = published_claim(fixture.published, who[i], NULL, 0);
		assert_non_null(slot);
		memcpy(head.who, who[i], SHA256_LEN);
		head.fetched_wall_s = 100 + (i * 7) % ISSUERS_MAX;
		published_put(fixture.published, slot, &head, S("x"));
	}
	assert_null(published_claim(fixture.published, who[ISSUERS_MAX], (const unsigned char(*)[SHA256_LEN])who,
	                            ISSUERS_MAX));
	struct published_slot *taken =
	    published_claim(fixture.published, who[ISSUERS_MAX], (const unsigned char(*)[SHA256_LEN])who, 1);
	assert_non_null(taken);                                  /* the first is the oldest but kept */
	assert_null(published_find(fixture.published, who[23])); /* 23 * 7 mod 32 == 1: the next */
	assert_non_null(published_find(fixture.published, who[0]));
}

static void memory_of_another_layout_is_not_attached(void **state)
{
	(void)state;
	atomic_fetch_add(&fixture.published->layout, 1);
	assert_null(published_attach(fixture.published));
	atomic_fetch_sub(&fixture.published->layout, 1);
	assert_non_null(published_attach(fixture.published));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, fixture_end)
		TEST(an_unknown_key_is_refused_where_a_later_fetch_lacks_it),
		TEST(a_key_younger_than_the_last_fetch_is_asked_for_and_waited_for),
		TEST(a_fetch_begun_after_the_request_came_proves_the_key_absent),
		TEST(a_fetch_that_was_under_way_when_the_request_came_proves_nothing),
		TEST(many_waiters_are_one_question),
		TEST(a_question_without_an_answer_is_asked_again_a_second_later),
		TEST(a_failed_attempt_ends_the_wait),
		TEST(a_declined_question_ends_the_wait_of_who_asked_and_lets_another_ask),
		TEST(a_kid_that_is_used_again_for_another_key_is_looked_into_once),
		TEST(a_wrong_signature_is_wrong_where_the_kid_was_not_used_again),
		TEST(a_fetch_that_fails_leaves_a_wrong_signature_wrong),
		TEST(nobody_waits_for_a_fetch_that_will_not_come_in_time),
		TEST(nobody_waits_longer_than_the_patience_however_often_woken),
		TEST(a_silent_keeper_means_cannot_know),
		TEST(without_any_patience_the_keeper_is_asked_but_not_waited_for),
		TEST(who_left_is_not_woken),
		TEST(before_the_first_keys_requests_wait_for_them),
		TEST(a_token_without_kid_is_tried_with_the_keys_that_suit),
		TEST(a_token_that_names_a_key_is_not_tried_with_one_that_has_no_name),
		TEST(of_a_token_without_kid_no_more_is_said_than_four_keys_tell),
		TEST(without_an_iat_only_a_fetch_since_the_request_proves_a_key_absent),
		TEST(a_wrong_signature_without_kid_may_be_of_a_key_not_yet_seen),
		TEST(a_keeper_that_dies_in_the_middle_leaves_the_old_keys_in_force),
		TEST(keys_in_hand_are_kept_where_new_ones_cannot_be_read),
		TEST(a_slot_of_the_same_name_but_another_url_is_not_believed),
		TEST(a_full_table_gives_its_oldest_unused_slot_to_a_new_issuer),
		TEST(memory_of_another_layout_is_not_attached),
#undef TEST
	};

	old = maker_make(ALG_ES256, "old");
	fresh = maker_make(ALG_EDDSA, "fresh");
	bare = maker_make(ALG_ES256, NULL);
	successor = maker_make(ALG_ES256, "old");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&old);
	maker_free(&fresh);
	maker_free(&bare);
	maker_free(&successor);
	maker_forget();
	return failed;
}
