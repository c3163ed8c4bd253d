#include "fixture.h"

static struct guard_table *t;
static struct guard_route *w;

static int begin(void **state)
{
	(void)state;
	t = guard_table_of(4096);
	w = route_find(t, 1, true);
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(t);
	return 0;
}

static void good(uint64_t from, uint64_t to, uint64_t now)
{
	for (uint64_t i = from; i < to; i++)
		assert_false(guard_say(t, w, i, MEANS_GOOD, now).held);
}

static void the_third_key_that_flips_is_held_and_all_after_it(void **state)
{
	(void)state;
	good(0, 50, NOW);
	assert_false(guard_say(t, w, 0, MEANS_ABSENT, NOW + 10).held);
	assert_false(guard_say(t, w, 1, MEANS_ABSENT, NOW + 10).held);
	struct finding third = guard_say(t, w, 2, MEANS_ABSENT, NOW + 10);
	assert_true(third.held && third.latched_now);
	assert_int_equal(third.cause, CAUSE_FLIPS);
	for (uint64_t i = 0; i < 50; i++) {
		struct finding f = guard_say(t, w, i, MEANS_ABSENT, NOW + 11);
		assert_true(f.held && !f.latched_now);
	}
}

static void one_key_that_is_asked_for_again_and_again_is_one_flip(void **state)
{
	(void)state;
	good(0, 3, NOW);
	for (int i = 0; i < 15; i++)
		assert_false(guard_say(t, w, 0, MEANS_ABSENT, NOW + 10).held);
	assert_false(latch_of(w, NOW + 10).on);
}

static void keys_that_come_back_are_no_flips(void **state)
{
	(void)state;
	good(0, 60, NOW);
	for (uint64_t i = 0; i < 60; i++) { /* one of sixty is away at any time */
		good(100, 110, NOW + 10 + i);
		assert_false(guard_say(t, w, i, MEANS_ABSENT, NOW + 10 + i).held);
		assert_false(guard_say(t, w, i, MEANS_GOOD, NOW + 10 + i).held);
	}
}

static void what_was_good_over_an_hour_ago_does_not_flip(void **state)
{
	(void)state;
	good(0, 5, NOW);
	for (uint64_t i = 0; i < 5; i++)
		assert_false(guard_say(t, w, i, MEANS_ABSENT, NOW + 3601).held);
}

static void flips_of_an_hour_count_together_and_no_longer(void **state)
{
	(void)state;
	good(0, 5, NOW);
	assert_false(guard_say(t, w, 0, MEANS_ABSENT, NOW + 100).held);
	assert_false(guard_say(t, w, 1, MEANS_ABSENT, NOW + 2000).held);
	good(2, 3, NOW + 3000);
	assert_false(
	    guard_say(t, w, 2, MEANS_ABSENT, NOW + 3700).held); /* the first two were good over an hour ago */
	good(3, 5, NOW + 3700);
	assert_false(guard_say(t, w, 3, MEANS_ABSENT, NOW + 3710).held);
	assert_true(guard_say(t, w, 4, MEANS_ABSENT, NOW + 3720).held);
}

static void attested_passes_while_all_else_is_held(void **state)
{
	(void)state;
	good(0, 10, NOW);
	for (uint64_t i = 0; i < 4; i++)
		guard_say(t, w, i, MEANS_ABSENT, NOW + 1);
	assert_true(latch_of(w, NOW + 1).on);
	assert_false(guard_say(t, w, 7, MEANS_ATTESTED, NOW + 2).held);
	assert_true(guard_say(t, w, 8, MEANS_ABSENT, NOW + 2).held);
}

static void attested_ones_flip_nothing_however_many(void **state)
{
	(void)state;
	good(0, 100, NOW);
	for (uint64_t i = 0; i < 98; i++)
		assert_false(guard_say(t, w, i, MEANS_ATTESTED, NOW + 1).held);
	assert_false(guard_say(t, w, 98, MEANS_ABSENT, NOW + 2).held);
	assert_false(latch_of(w, NOW + 2).on);
}

static void another_environments_word_is_held_from_the_first(void **state)
{
	(void)state;
	good(0, 3, NOW);
	assert_true(guard_say(t, w, 0, MEANS_FOREIGN, NOW + 1).held);
	assert_false(latch_of(w, NOW + 1).on);
}

static void who_deletes_its_own_is_not_surprised(void **state)
{
	(void)state;
	good(0, 9, NOW);
	for (uint64_t i = 0; i < 9; i++) {
		guard_say(t, w, i, MEANS_REMOVED, NOW + 1);
		assert_false(guard_say(t, w, i, MEANS_ABSENT, NOW + 2).held);
	}
}

static void what_was_attested_once_may_be_absent_unattested(void **state)
{
	(void)state;
	good(0, 9, NOW);
	for (uint64_t i = 0; i < 9; i++)
		guard_say(t, w, i, MEANS_ATTESTED, NOW + 1);
	latch_set(w, CAUSE_OPERATOR, NOW + 600, NOW + 1);
	for (uint64_t i = 0; i < 9; i++)
		assert_false(guard_say(t, w, i, MEANS_ABSENT, NOW + 2).held);
	guard_say(t, w, 0, MEANS_GOOD, NOW + 3); /* it was made anew */
	assert_true(guard_say(t, w, 0, MEANS_ABSENT, NOW + 4).held);
}

static void a_share_far_above_the_usual_latches_without_any_flip(void **state)
{
	(void)state;
	good(100, 130, NOW); /* 30 answers; unknown keys are absent */
	unsigned held = 0;
	for (uint64_t i = 0; i < 30; i++)
		held += guard_say(t, w, i, MEANS_ABSENT, NOW + 5).held;
	assert_in_range(held, 15, 23); /* from the eighth of 38 on it is over 20 % */
	assert_int_equal(atomic_load(&w->cause), CAUSE_SHARE);
}

static void a_share_needs_answers_and_clients(void **state)
{
	(void)state;
	for (int i = 0; i < 19; i++) /* nineteen answers */
		assert_false(guard_say(t, w, (uint64_t)i, MEANS_ABSENT, NOW).held);
	share_forget(w);
	for (int i = 0; i < 100; i++) /* two clients */
		assert_false(guard_say(t, w, 1000 + (uint64_t)i % 2, MEANS_ABSENT, NOW + 1).held);
}

static void what_is_usual_for_a_day_is_no_alarm(void **state)
{
	uint64_t now = NOW;

	(void)state;
	for (int minute = 0; minute < 300; minute++, now += 60) /* a tenth is absent, as ever */
		for (uint64_t i = 0; i < 20; i++)
			assert_false(
			    guard_say(t, w, minute % 2 ? 2000 + i : 3000 + i, i < 2 ? MEANS_ABSENT : MEANS_GOOD, now)
			        .held);
	struct share s = share_now(w, now);
	assert_in_range(s.usual, 90000, 110000);
	for (uint64_t i = 0; i < 40; i++) /* four times the usual passes */
		assert_false(guard_say(t, w, 5000 + i, i % 5 < 2 ? MEANS_ABSENT : MEANS_GOOD, now + 60).held);
	unsigned held = 0;
	for (uint64_t i = 0; i < 40; i++)
		held += guard_say(t, w, 6000 + i, MEANS_ABSENT, now + 120).held;
	assert_true(held > 0);
}

static void what_a_fault_answers_does_not_become_usual(void **state)
{
	uint64_t now = NOW;

	(void)state;
	good(0, 50, now);
	for (int minute = 0; minute < 120; minute++, now += 60)
		for (uint64_t i = 0; i < 50; i++)
			assert_true(guard_say(t, w, i, MEANS_ABSENT, now).held || (minute == 0 && i < 2));
	assert_true(share_now(w, now).usual < 10000);
}

static void a_latch_holds_ten_minutes_and_as_long_as_it_goes_on(void **state)
{
	(void)state;
	good(0, 10, NOW);
	for (uint64_t i = 0; i < 3; i++)
		guard_say(t, w, i, MEANS_ABSENT, NOW + 1);
	assert_true(latch_of(w, NOW + 600).on);
	assert_false(latch_of(w, NOW + 601).on);
	for (uint64_t at = NOW + 500; at < NOW + 20000; at += 500) /* for hours */
		assert_true(guard_say(t, w, at / 500 % 3, MEANS_ABSENT, at).held);
}

static void after_an_hour_of_silence_the_keys_count_by_their_own_age(void **state)
{
	(void)state;
	good(0, 10, NOW);
	for (uint64_t i = 0; i < 3; i++)
		guard_say(t, w, i, MEANS_ABSENT, NOW + 1);
	assert_false(guard_say(t, w, 0, MEANS_ABSENT, NOW + 4300).held);
}

static void a_clock_set_back_does_not_latch_for_longer(void **state)
{
	(void)state;
	latch_set(w, CAUSE_OPERATOR, NOW + 90000, NOW + 89400);
	assert_true(latch_of(w, NOW).on);
	assert_int_equal(latch_of(w, NOW).until, NOW + 600);
	assert_false(latch_of(w, NOW + 601).on);
}

static void each_absence_is_told_once_and_again_when_it_is_delivered(void **state)
{
	struct matter m = guard_matter(5, MEANS_ABSENT, NOW);

	(void)state;
	struct finding f = absence_judge(t, w, &m);
	assert_true(f.tell && f.first && f.event == GUARD_DELIVERED);
	assert_true(absence_judge(t, w, &m).tell); /* the keeper has not heard of it */
	absence_told(t, &m, GUARD_DELIVERED);
	assert_false(absence_judge(t, w, &m).tell);
	m.means = MEANS_GOOD;
	f = absence_judge(t, w, &m);
	assert_true(f.tell && f.event == GUARD_ENDED);
	assert_false(absence_judge(t, w, &m).tell);
	latch_set(w, CAUSE_OPERATOR, NOW + 600, NOW);
	f = guard_say(t, w, 5, MEANS_ABSENT, NOW + 1);
	assert_true(f.tell && f.first && f.event == GUARD_HELD);
	assert_false(guard_say(t, w, 5, MEANS_ABSENT, NOW + 2).tell);
	latch_drop(w, NOW + 3);
	f = guard_say(t, w, 5, MEANS_ABSENT, NOW + 4);
	assert_true(f.tell && !f.first && f.event == GUARD_DELIVERED);
	assert_false(guard_say(t, w, 5, MEANS_ABSENT, NOW + 5).tell);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(the_third_key_that_flips_is_held_and_all_after_it),
		CASE(one_key_that_is_asked_for_again_and_again_is_one_flip),
		CASE(keys_that_come_back_are_no_flips),
		CASE(what_was_good_over_an_hour_ago_does_not_flip),
		CASE(flips_of_an_hour_count_together_and_no_longer),
		CASE(attested_passes_while_all_else_is_held),
		CASE(attested_ones_flip_nothing_however_many),
		CASE(another_environments_word_is_held_from_the_first),
		CASE(who_deletes_its_own_is_not_surprised),
		CASE(what_was_attested_once_may_be_absent_unattested),
		CASE(a_share_far_above_the_usual_latches_without_any_flip),
		CASE(a_share_needs_answers_and_clients),
		CASE(what_is_usual_for_a_day_is_no_alarm),
		CASE(what_a_fault_answers_does_not_become_usual),
		CASE(a_latch_holds_ten_minutes_and_as_long_as_it_goes_on),
		CASE(after_an_hour_of_silence_the_keys_count_by_their_own_age),
		CASE(a_clock_set_back_does_not_latch_for_longer),
		CASE(each_absence_is_told_once_and_again_when_it_is_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
