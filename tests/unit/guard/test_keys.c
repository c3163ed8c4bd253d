#include "fixture.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t spread(uint64_t i)
{
	return i * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static struct times look(struct guard_table *t, uint64_t tag)
{
	_Atomic uint64_t *at = key_times(t, tag, false, NOW);

	return at ? times_of(atomic_load(at)) : (struct times){ 0 };
}

static void times_are_one_word(void **state)
{
	const struct times all[] = { { .good = 1 },
		                         { .good = 0xffffffff, .absent = (1u << 30) - 1 },
		                         { .absent = 5, .told = true },
		                         { .absent = 5, .told = true, .told_delivered = true },
		                         { .absent = 9, .expected = true } };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct times back = times_of(times_word(all[i]));
		assert_true(back.good == all[i].good && back.absent == all[i].absent && back.told == all[i].told &&
		            back.told_delivered == all[i].told_delivered && back.expected == all[i].expected);
	}
}

static void a_table_is_attached_only_as_it_was_laid_out(void **state)
{
	struct guard_table *t = guard_table_of(1024);

	(void)state;
	assert_ptr_equal(guard_attach(t, 1024), t);
	assert_null(guard_attach(t, 2048));
	free(t);
}

/* A full neighbourhood: the oldest without an absence goes, never an absent one. */
static void the_oldest_without_an_absence_makes_room(void **state)
{
	struct guard_table *t = guard_table_of(NEAR); /* one neighbourhood */

	(void)state;
	for (uint64_t i = 0; i < NEAR; i++)
		atomic_store(key_times(t, spread(i), true, NOW),
		             times_word((struct times){ .good = NOW - 1000 + i, .absent = i < 3 ? NOW : 0 }));
	assert_non_null(key_times(t, spread(1000), true, NOW));
	assert_int_equal(look(t, spread(3)).good, 0); /* the oldest of those that are there */
	for (uint64_t i = 0; i < NEAR; i++)
		assert_true(i == 3 || look(t, spread(i)).good == NOW - 1000 + i);
	free(t);
}

static void where_all_are_absent_a_newcomer_finds_no_room_for_a_day(void **state)
{
	struct guard_table *t = guard_table_of(NEAR);

	(void)state;
	for (uint64_t i = 0; i < NEAR; i++)
		atomic_store(key_times(t, spread(i), true, NOW), times_word((struct times){ .absent = NOW + i }));
	assert_null(key_times(t, spread(1000), true, NOW + 3600));
	assert_non_null(key_times(t, spread(1000), true, NOW + 25 * 3600));
	assert_int_equal(look(t, spread(0)).absent, 0);
	assert_int_equal(look(t, spread(1)).absent, NOW + 1);
	free(t);
}

static void attested_absences_make_room_first(void **state)
{
	struct guard_table *t = guard_table_of(NEAR);

	(void)state;
	for (uint64_t i = 0; i < NEAR; i++)
		atomic_store(key_times(t, spread(i), true, NOW),
		             times_word(i == 20 ? (struct times){ .absent = NOW, .expected = true }
		                                : (struct times){ .good = NOW }));
	assert_non_null(key_times(t, spread(1000), true, NOW));
	assert_int_equal(look(t, spread(20)).absent, 0);
	free(t);
}

static void fifty_thousand_keys_have_places_of_their_own(void **state)
{
	struct guard_table *t = guard_table_of(65536);
	size_t found = 0, absent;

	(void)state;
	for (uint64_t i = 0; i < 50000; i++)
		atomic_store(key_times(t, spread(i), true, NOW), times_word((struct times){ .good = i + 1 }));
	for (uint64_t i = 0; i < 50000; i++)
		found += look(t, spread(i)).good == i + 1;
	assert_int_equal(found, 50000);
	assert_int_equal(keys_used(t, &absent), 50000);
	assert_int_equal(absent, 0);
	free(t);
}

/* Four processes at once: nothing is held before the third flip, and exactly two keys are delivered. */
static void workers_count_flips_together(void **state)
{
	size_t len = guard_memory(4096);
	int shared = memfd_create("guard test", 0), status;

	(void)state;
	assert_int_equal(ftruncate(shared, (off_t)len + 64), 0);
	void *memory = mmap(NULL, len + 64, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
	struct guard_table *t = guard_attach(memory, 4096);
	_Atomic uint64_t *delivered = (_Atomic uint64_t *)(void *)((char *)memory + len / 64 * 64);
	struct guard_route *w = route_find(t, 1, true);
	for (uint64_t i = 0; i < 400; i++)
		guard_say(t, w, i, MEANS_GOOD, NOW);
	for (uint64_t n = 0; n < 4; n++) {
		if (fork() != 0)
			continue;
		for (uint64_t i = n * 100; i < n * 100 + 100; i++)
			if (!guard_say(t, w, i, MEANS_ABSENT, NOW + 1).held)
				atomic_fetch_add(delivered + 8, 1);
		_exit(0);
	}
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	assert_in_range(atomic_load(delivered + 8), 0, 2);
	assert_true(latch_of(w, NOW + 1).on);
	munmap(memory, len + 64);
	close(shared);
}

static void whatever_lies_there_nobody_dies_of_it(void **state)
{
	struct guard_table *t = guard_table_of(1024);
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 50; round++) {
		uint64_t *words = (uint64_t *)(void *)((char *)t + GUARD_HEAD);
		for (size_t i = 0; i < (guard_memory(1024) - GUARD_HEAD) / 8; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			words[i] = round % 2 ? seed : seed & 1 ? UINT64_MAX : 0;
		}
		struct guard_route *w = route_find(t, 5, true);
		if (!w)
			w = &t->route[0];
		for (uint64_t i = 0; i < 100; i++)
			(void)guard_say(t, w, i, (enum meaning)(i % 6), NOW + i);
		assert_true(latch_of(w, NOW).until <= NOW + LATCH_S);
		assert_true(flips_of(w, latch_of(w, NOW), NOW) <= 2 * FLIP_SLOTS);
	}
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_one_word),
		cmocka_unit_test(a_table_is_attached_only_as_it_was_laid_out),
		cmocka_unit_test(the_oldest_without_an_absence_makes_room),
		cmocka_unit_test(where_all_are_absent_a_newcomer_finds_no_room_for_a_day),
		cmocka_unit_test(attested_absences_make_room_first),
		cmocka_unit_test(fifty_thousand_keys_have_places_of_their_own),
		cmocka_unit_test(workers_count_flips_together),
		cmocka_unit_test(whatever_lies_there_nobody_dies_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
