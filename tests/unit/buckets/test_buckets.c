#include "buckets/inside.h"
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define START (NS_PER_S * 1000)

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static struct buckets *table_of(uint64_t slots)
{
	struct buckets *t = buckets_attach(shared(buckets_memory(slots)), slots);

	assert_non_null(t);
	return t;
}

static void drop(struct buckets *t)
{
	munmap(t, buckets_memory(t->slots));
}

static struct bucket_ask ask_of(const struct buckets *t, uint64_t key, struct gcra g)
{
	return (struct bucket_ask){ .gcra = g,
		                        .tag = buckets_tag(t, (struct slice){ (const char *)&key, sizeof key }),
		                        .limit = 1,
		                        .cost = 1 };
}

static bool take(struct buckets *t, uint64_t key, struct gcra g, uint64_t now_ns)
{
	struct bucket_ask a = ask_of(t, key, g);
	struct bucket_answer to;

	return buckets_take(t, &a, now_ns, &to);
}

static void run_workers(void (*work)(unsigned worker, void *with), void *with)
{
	pid_t child[WORKERS];
	int status;

	for (unsigned w = 0; w < WORKERS; w++) {
		child[w] = fork();
		if (child[w] == 0) {
			work(w, with);
			_exit(0);
		}
	}
	for (unsigned w = 0; w < WORKERS; w++) {
		waitpid(child[w], &status, 0);
		assert_int_equal(status, 0);
	}
}

static void a_table_is_attached_only_as_it_was_laid_out(void **state)
{
	struct buckets *t = table_of(1024);

	(void)state;
	assert_ptr_equal(buckets_attach(t, 1024), t);
	assert_null(buckets_attach(t, 2048));
	t->layout++;
	assert_null(buckets_attach(t, 1024));
	drop(t);
}

static void keys_have_their_own_buckets(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 2);
	struct buckets *t = table_of(1024);

	(void)state;
	assert_true(take(t, 1, g, START) && take(t, 1, g, START));
	assert_false(take(t, 1, g, START));
	assert_true(take(t, 2, g, START) && take(t, 2, g, START));
	assert_false(take(t, 2, g, START));
	assert_true(take(t, 1, g, START + NS_PER_S));
	assert_int_equal(buckets_used(t, START), 2);
	assert_int_equal(buckets_used(t, START + 10 * NS_PER_S), 0);
	drop(t);
}

static void a_look_changes_nothing_and_a_charge_can_be_given_back(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 1);
	struct buckets *t = table_of(1024);
	struct bucket_ask a = ask_of(t, 7, g);
	struct bucket_answer to;

	(void)state;
	assert_true(buckets_look(t, &a, START, &to) && buckets_look(t, &a, START, &to));
	assert_true(buckets_take(t, &a, START, &to));
	struct bucket_answer look;
	assert_false(buckets_look(t, &a, START, &look));
	assert_int_equal(look.retry_after_ns, NS_PER_S);
	buckets_give_back(&to);
	assert_true(buckets_take(t, &a, START, &to));
	drop(t);
}

static void a_charge_that_others_built_on_stays_spent(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 2);
	struct buckets *t = table_of(1024);
	struct bucket_ask a = ask_of(t, 7, g);
	struct bucket_answer first, second;

	(void)state;
	assert_true(buckets_take(t, &a, START, &first));
	assert_true(buckets_take(t, &a, START, &second));
	buckets_give_back(&first);
	assert_false(buckets_take(t, &a, START, &first));
	drop(t);
}

static void newcomers_of_a_crowd_share_one_bucket_for_each_limit(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 2);
	struct buckets *t = table_of(NEAR);
	struct bucket_answer to;

	(void)state;
	for (uint64_t key = 1; key <= NEAR; key++)
		assert_true(take(t, key, g, START) && take(t, key, g, START));
	for (uint64_t key = 100; key < 102; key++) {
		struct bucket_ask a = ask_of(t, key, g);
		assert_true(buckets_look(t, &a, START, &to) && to.crowded);
		assert_true(buckets_take(t, &a, START, &to) && to.crowded);
	}
	struct bucket_ask third = ask_of(t, 102, g);
	assert_false(buckets_look(t, &third, START, &to));
	assert_false(buckets_take(t, &third, START, &to));
	assert_int_equal(to.retry_after_ns, NS_PER_S);
	third.limit = 2; /* newcomers of another limit are not among them */
	assert_true(buckets_take(t, &third, START, &to) && to.crowded);
	for (uint64_t key = 1; key <= NEAR; key++) /* nobody was forgiven */
		assert_false(take(t, key, g, START));
	third.limit = 1; /* nor is the newcomer refused for ever */
	assert_true(buckets_take(t, &third, START + NS_PER_S, &to));
	drop(t);
}

static void a_crowd_of_limits_never_fails_a_newcomer_for_long(void **state)
{
	struct gcra slow = gcra_of((struct rate){ 1, 3600 * NS_PER_S }, 1);
	struct gcra fast = gcra_of((struct rate){ 10, NS_PER_S }, 1);
	struct buckets *t = table_of(NEAR);
	struct bucket_answer to;

	(void)state;
	for (uint64_t key = 1; key <= NEAR; key++)
		assert_true(take(t, key, slow, START));
	for (uint64_t limit = 1; limit <= 100; limit++) {
		struct bucket_ask a = ask_of(t, 1000, limit == 100 ? fast : slow);
		a.limit = limit;
		assert_true(buckets_take(t, &a, START, &to));
		assert_true(to.crowded);
	}
	drop(t);
}

static void a_flood_of_keys_neither_grows_the_table_nor_frees_a_debtor(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, 60 * NS_PER_S }, 3);
	size_t size = buckets_memory(1024);
	char *memory = shared(size + 4096);
	struct buckets *t = buckets_attach(memory, 1024);
	uint64_t now = START, admitted = 0;

	(void)state;
	memset(memory + size, 0x5a, 4096);
	for (int i = 0; i < 3; i++)
		assert_true(take(t, 1, g, now));
	for (uint64_t key = 2; key < 1000002; key++) {
		now += NS_PER_US;
		admitted += take(t, key, g, now);
		if (key % 1000 == 0)
			assert_false(take(t, 1, g, now));
	}
	assert_false(take(t, 1, g, now));
	assert_true(admitted <= 1024 + 16 * 3 + 64);
	assert_true(take(t, 5000000, g, now + 60 * NS_PER_S));
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(memory[size + i], 0x5a);
	munmap(memory, size + 4096);
}

static void full_buckets_make_room(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 1);
	struct buckets *t = table_of(1024);
	uint64_t now = START, crowded = 0;

	(void)state;
	for (uint64_t key = 0; key < 100000; key++) {
		struct bucket_ask a = ask_of(t, key, g);
		struct bucket_answer to;
		now += 2 * NS_PER_MS; /* 500 debtors at any time */
		assert_true(buckets_take(t, &a, now, &to));
		crowded += to.crowded;
	}
	assert_true(crowded <= 3);
	drop(t);
}

/* ---- crowds ---- */

static struct in6_addr v4(uint32_t address)
{
	struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	for (int i = 0; i < 4; i++)
		a.s6_addr[12 + i] = (uint8_t)(address >> (24 - 8 * i));
	return a;
}

static struct in6_addr v6(uint32_t site, uint16_t net, uint64_t host)
{
	struct in6_addr a = { .s6_addr = { 0x20, 0x01 } };

	for (int i = 0; i < 4; i++)
		a.s6_addr[2 + i] = (uint8_t)(site >> (24 - 8 * i));
	a.s6_addr[6] = (uint8_t)(net >> 8);
	a.s6_addr[7] = (uint8_t)net;
	memcpy(a.s6_addr + 8, &host, sizeof host);
	return a;
}

static bool bring(struct buckets *t, uint64_t key, const struct in6_addr *from, uint64_t now_ns)
{
	struct bucket_ask a = ask_of(t, key, gcra_of((struct rate){ 1, 3600 * NS_PER_S }, 1));
	struct bucket_answer to, seen;

	a.from = from;
	bool will = buckets_look(t, &a, now_ns, &seen), done = buckets_take(t, &a, now_ns, &to);
	assert_int_equal(will, done);
	return done;
}

static unsigned honest_refused(struct buckets *t, uint64_t now_ns)
{
	unsigned refused = 0;

	for (uint32_t i = 0; i < 500; i++) {
		struct in6_addr four = v4(0x0a000000 + i * 256 + 7), six = v6(0x0db80000 + i, 1, 7);
		refused += !bring(t, (UINT64_C(1) << 40) + i, &four, now_ns);
		refused += !bring(t, (UINT64_C(1) << 41) + i, &six, now_ns);
	}
	return refused;
}

#define ATTACK 150000 /* requests */
#define CROWD_SLOTS 65536

static void no_network_holds_more_than_an_eighth_of_the_table(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct buckets *t = table_of(CROWD_SLOTS);
		for (uint64_t i = 0; i < ATTACK; i++) {
			struct in6_addr from = kind == 0 ? v4(0xcb007100 + i % 256) : /* one /24 */
			                           kind == 1 ? v6(0x11110000, 1, i)
			                                     :                     /* one /64 */
			                           v6(0x11110000, (uint16_t)i, i); /* the /64s of one /48 */
			bring(t, i, &from, START + i * 1000);
		}
		uint64_t now_ns = START + ATTACK * 1000;
		assert_in_range(buckets_used(t, now_ns), CROWD_SLOTS / 16, CROWD_SLOTS / 8);
		assert_int_equal(honest_refused(t, now_ns), 0);
		drop(t);
	}
}

static void a_full_table_refuses_no_newcomer_whose_own_network_is_quiet(void **state)
{
	struct buckets *t = table_of(CROWD_SLOTS);

	(void)state;
	for (uint64_t i = 0; i < 4 * ATTACK; i++) { /* a thousand networks together fill it */
		struct in6_addr from = v4(0x64000000 + (uint32_t)(i % 1000) * 256 + 1);
		bring(t, i, &from, START + i * 1000);
	}
	uint64_t now_ns = START + 4 * ATTACK * UINT64_C(1000);
	assert_true(buckets_used(t, now_ns) > CROWD_SLOTS / 10 * 9);
	assert_int_equal(honest_refused(t, now_ns), 0);
	drop(t);
}

static void a_crowd_that_has_paid_may_come_again(void **state)
{
	struct gcra g = gcra_of((struct rate){ 1, NS_PER_S }, 1);
	struct buckets *t = table_of(1024);
	struct in6_addr from = v4(0xcb007107);
	unsigned own = 0;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++) {
		struct bucket_ask a = ask_of(t, i, g);
		struct bucket_answer to;
		a.from = &from;
		buckets_take(t, &a, START + (i < 1000 ? 0 : 2 * NS_PER_S), &to);
		own += i >= 1000 && !to.crowded;
	}
	assert_in_range(own, 120, 128); /* an eighth, less what a neighbourhood had no room for */
	drop(t);
}

/* ---- several processes ---- */

#define ATTEMPTS 100000 /* of each worker */
#define TICK 1000       /* virtual ns between attempts */

struct scene {
	struct buckets *t;
	struct gcra g;
	_Atomic uint64_t clock, noise;
	_Atomic uint32_t len[WORKERS];
	uint64_t stamp[WORKERS][ATTEMPTS];
	_Atomic uint32_t admitted[20000], arrived;
};

static void hammer(unsigned worker, void *with)
{
	struct scene *s = with;

	for (int i = 0; i < ATTEMPTS; i++) {
		uint64_t now = atomic_fetch_add(&s->clock, TICK);
		if (take(s->t, 42, s->g, now))
			s->stamp[worker][s->len[worker]++] = now;
	}
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Replays what was admitted, by stamp, through one bucket: how many it would not have admitted. */
static uint64_t excess_of(const struct scene *s, uint64_t *total)
{
	static uint64_t all[WORKERS * ATTEMPTS];
	uint64_t tat = 0, excess = 0, retry;

	*total = 0;
	for (unsigned w = 0; w < WORKERS; w++)
		for (uint32_t i = 0; i < s->len[w]; i++)
			all[(*total)++] = s->stamp[w][i];
	qsort(all, *total, sizeof all[0], by_time);
	for (uint64_t i = 0; i < *total; i++)
		excess += !gcra_take(s->g, &tat, all[i], 1, &retry);
	return excess;
}

static void workers_that_hammer_one_key_admit_exactly_its_due(void **state)
{
	struct scene *s = shared(sizeof *s);
	uint64_t total, due;

	(void)state;
	s->t = table_of(1024);
	s->g = gcra_of((struct rate){ 20000, NS_PER_S }, 100);
	s->clock = START;
	run_workers(hammer, s);
	assert_int_equal(excess_of(s, &total), 0);
	due = 100 + (uint64_t)WORKERS * ATTEMPTS * TICK / s->g.period_ns;
	assert_true(total <= due);
	assert_true(total * 1000 >= due * 995);
	drop(s->t);
	munmap(s, sizeof *s);
}

static void hammer_in_noise(unsigned worker, void *with)
{
	struct scene *s = with;

	if (worker < 2)
		hammer(worker, with);
	else
		for (int i = 0; i < ATTEMPTS; i++)
			take(s->t, 1000 + atomic_fetch_add(&s->noise, 1), s->g, atomic_load(&s->clock));
}

static void made_up_keys_beside_a_hammered_one_change_nothing(void **state)
{
	struct scene *s = shared(sizeof *s);
	uint64_t total, due;

	(void)state;
	s->t = table_of(64);
	s->g = gcra_of((struct rate){ 20000, NS_PER_S }, 100);
	s->clock = START;
	take(s->t, 42, s->g, START); /* or it might come late to its crowded neighbourhood */
	run_workers(hammer_in_noise, s);
	assert_true(excess_of(s, &total) <= WORKERS);
	due = 100 + (uint64_t)2 * ATTEMPTS * TICK / s->g.period_ns;
	assert_true(total <= due + WORKERS && total * 100 >= due * 95);
	drop(s->t);
	munmap(s, sizeof *s);
}

static void arrive(unsigned worker, void *with)
{
	struct scene *s = with;

	(void)worker;
	atomic_fetch_add(&s->arrived, 1);
	while (atomic_load(&s->arrived) < WORKERS)
		;
	for (uint64_t key = 0; key < 20000; key++)
		if (take(s->t, key, s->g, START))
			s->admitted[key]++;
}

static void a_key_that_all_workers_bring_at_once_is_one_key(void **state)
{
	struct scene *s = shared(sizeof *s);

	(void)state;
	s->t = table_of(262144);
	s->g = gcra_of((struct rate){ 1, 3600 * NS_PER_S }, 1);
	run_workers(arrive, s);
	for (uint64_t key = 0; key < 20000; key++)
		assert_int_equal(s->admitted[key], 1);
	drop(s->t);
	munmap(s, sizeof *s);
}

static void a_worker_killed_at_any_moment_leaves_a_table_that_works(void **state)
{
	struct scene *s = shared(sizeof *s);
	int status;

	(void)state;
	s->t = table_of(64);
	s->g = gcra_of((struct rate){ 1000000, NS_PER_S }, 2);
	s->clock = START;
	for (int round = 0; round < 20; round++) {
		pid_t child = fork();
		if (child == 0)
			for (uint64_t key = 0;; key++)
				take(s->t, key % 500, s->g, atomic_fetch_add(&s->clock, 100));
		usleep(1000);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		uint64_t later = s->clock + NS_PER_S;
		for (uint64_t key = 0; key < 20; key++) {
			assert_true(take(s->t, 900 + key, s->g, later) && take(s->t, 900 + key, s->g, later));
			later += NS_PER_S;
		}
		s->clock = later;
	}
	drop(s->t);
	munmap(s, sizeof *s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_attached_only_as_it_was_laid_out),
		cmocka_unit_test(keys_have_their_own_buckets),
		cmocka_unit_test(a_look_changes_nothing_and_a_charge_can_be_given_back),
		cmocka_unit_test(a_charge_that_others_built_on_stays_spent),
		cmocka_unit_test(no_network_holds_more_than_an_eighth_of_the_table),
		cmocka_unit_test(a_full_table_refuses_no_newcomer_whose_own_network_is_quiet),
		cmocka_unit_test(a_crowd_that_has_paid_may_come_again),
		cmocka_unit_test(newcomers_of_a_crowd_share_one_bucket_for_each_limit),
		cmocka_unit_test(a_crowd_of_limits_never_fails_a_newcomer_for_long),
		cmocka_unit_test(a_flood_of_keys_neither_grows_the_table_nor_frees_a_debtor),
		cmocka_unit_test(full_buckets_make_room),
		cmocka_unit_test(workers_that_hammer_one_key_admit_exactly_its_due),
		cmocka_unit_test(made_up_keys_beside_a_hammered_one_change_nothing),
		cmocka_unit_test(a_key_that_all_workers_bring_at_once_is_one_key),
		cmocka_unit_test(a_worker_killed_at_any_moment_leaves_a_table_that_works),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
