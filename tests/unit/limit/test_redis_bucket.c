#include "bitfield.h"
#include "server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define START (UINT64_C(1764000000) * NS_PER_S) /* a server's clock */
#define STEPS 18000
#define KEYS 8

static const struct slice key = { "rl:{0}", 6 };

static struct redis_query question(uint64_t at_ns, uint64_t known_ns, uint64_t per_s, uint64_t burst,
                                   uint64_t tokens)
{
	struct gcra g = gcra_of((struct rate){ per_s, NS_PER_S }, burst);

	return (struct redis_query){ START + at_ns, known_ns, g, tokens };
}

static bool asks(struct field *f, const struct redis_query *q, struct ruling *to)
{
	struct words words;
	struct limit_reply reply;

	if (!question_write(q, key, &words))
		return false;
	field_execute(f, words.bitfield, words.bitfield_len, &reply);
	field_expire(f, words.expire, 0);
	assert_true(question_read(&reply, to));
	return true;
}

static void a_question_is_the_words_of_one_conditional_charge(void **state)
{
	struct redis_query q = question(0, 0, 10, 20, 3);
	struct words w;
	char all[512];
	struct text t = TEXT(all);

	(void)state;
	assert_true(question_write(&q, key, &w));
	for (size_t i = 0; i < w.bitfield_len; i++) {
		text_add(&t, w.bitfield[i]);
		text_char(&t, ' ');
	}
	for (size_t i = 0; i < 3; i++) {
		text_add(&t, w.expire[i]);
		text_char(&t, ' ');
	}
	/* T = 1e8, tau = 2e9, H = 2^63 - 1 - 2e9 */
	assert_true(text_end(&t));
	assert_string_equal(all, "BITFIELD rl:{0} OVERFLOW SAT INCRBY u63 0 -1764000000000000000 "
	                         "OVERFLOW FAIL INCRBY u63 0 9223372035154775807 "
	                         "INCRBY u63 0 -9223372034854775807 "
	                         "INCRBY u63 0 1764000000000000000 PEXPIRE rl:{0} 6001 ");
}

static void a_period_is_rounded_up_so_that_the_rate_is_never_passed(void **state)
{
	(void)state;
	assert_int_equal(question(0, 0, 3, 1, 1).gcra.period_ns, 333333334);
	assert_int_equal(question(0, 0, 7, 1, 1).gcra.period_ns, 142857143);
}

static void a_full_bucket_gives_its_burst_and_then_its_rate(void **state)
{
	struct field f = { 0 };
	struct ruling r;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct redis_query q = question(0, 0, 10, 5, 1);
		assert_true(asks(&f, &q, &r));
		assert_int_equal(r.admitted, i < 5);
		assert_int_equal(r.tat_ns, START + (i < 5 ? i + 1 : 5) * NS_PER_S / 10);
	}
	struct redis_query early = question(NS_PER_S / 10 - 1, 0, 10, 5, 1);
	struct redis_query due = question(NS_PER_S / 10, 0, 10, 5, 1);
	assert_true(asks(&f, &early, &r) && !r.admitted);
	assert_true(asks(&f, &due, &r) && r.admitted);
}

static void what_is_known_refuses_without_asking_and_survives_a_server_that_forgot(void **state)
{
	struct field f = { 0 };
	struct ruling r;
	struct words w;
	uint64_t known = START + NS_PER_S / 2; /* five of five tokens are owed */

	(void)state;
	struct redis_query q = question(0, known, 10, 5, 1);
	assert_int_equal(question_room(&q), 0);
	assert_false(question_write(&q, key, &w));
	q = question(NS_PER_S / 10, known, 10, 5, 1);
	assert_true(asks(&f, &q, &r)); /* the field is empty, and what is known counts all the same */
	assert_true(r.admitted);
	assert_int_equal(r.tat_ns, known + NS_PER_S / 10);
}

static void a_refusal_says_how_much_would_have_fitted(void **state)
{
	struct field f = { 0 };
	struct ruling r;
	struct redis_query q = question(0, 0, 10, 5, 3);

	(void)state;
	assert_true(asks(&f, &q, &r) && r.admitted);
	assert_true(asks(&f, &q, &r) && !r.admitted);
	assert_int_equal(question_rest(&q, &r), 2);
	assert_int_equal(r.tat_ns, START + 3 * NS_PER_S / 10);
	q.tokens = 2;
	assert_true(asks(&f, &q, &r) && r.admitted);
}

static void a_settlement_counts_from_when_it_began_or_from_what_is_there(void **state)
{
	struct gcra g = gcra_of((struct rate){ 10, NS_PER_S }, 5);
	struct field f = { .value = START - NS_PER_S, .exists = true };
	struct words w;
	struct limit_reply reply;
	uint64_t tat, room;

	(void)state;
	settlement_write(g, START, 3 * g.period_ns, 0, key, &w);
	field_execute(&f, w.bitfield, w.bitfield_len, &reply);
	assert_true(settlement_read(&reply, &tat, &room));
	assert_int_equal(tat, START + 3 * NS_PER_S / 10);
	settlement_write(g, START, 2 * g.period_ns, 0, key, &w);
	field_execute(&f, w.bitfield, w.bitfield_len, &reply);
	assert_true(settlement_read(&reply, &tat, &room));
	assert_int_equal(tat, START + 5 * NS_PER_S / 10);
}

static void settlements_and_tokens_make_the_same_bucket_in_any_order(void **state)
{
	struct gcra g = gcra_of((struct rate){ 10, NS_PER_S }, 100);
	uint64_t end = 0;

	(void)state;
	for (unsigned order = 0; order < 720; order++) { /* all of six */
		struct field f = { .value = START, .exists = true };
		struct redis_query q = { .stamp_ns = START, .gcra = g, .tokens = 2 };
		unsigned left[6] = { 0, 1, 2, 3, 4, 5 }, rest = order;
		for (unsigned n = 6; n > 0; n--) {
			unsigned at = rest % n, what = left[at];
			struct words words;
			struct limit_reply reply;
			struct ruling r;
			rest /= n;
			left[at] = left[n - 1];
			if (what >= 3) {
				assert_true(asks(&f, &q, &r) && r.admitted);
				continue;
			}
			settlement_write(g, START, (what + 1) * g.period_ns / 3, 0, key, &words);
			field_execute(&f, words.bitfield, words.bitfield_len, &reply);
		}
		end = end ? end : f.value;
		assert_int_equal(f.value, end);
	}
}

static void an_answer_of_another_shape_is_none(void **state)
{
	struct limit_reply good = { .answered = true, .len = 4, .value = { 1, 2, 3, 4 } }, bad;
	struct ruling r;
	uint64_t tat, room;

	(void)state;
	assert_true(question_read(&good, &r));
	bad = good;
	bad.len = 3;
	assert_false(question_read(&bad, &r));
	bad = good;
	bad.nil[1] = true; /* the shift was not done, and yet undone */
	assert_false(question_read(&bad, &r));
	bad = good;
	bad.nil[3] = true;
	assert_false(question_read(&bad, &r));
	bad = good;
	bad.value[3] = 0;
	assert_false(question_read(&bad, &r));
	assert_true(settlement_read(&good, &tat, &room));
	bad = good;
	bad.len = 2;
	assert_false(settlement_read(&bad, &tat, &room));
	bad = good;
	bad.nil[2] = true;
	assert_false(settlement_read(&bad, &tat, &room));
}

/* xorshift: the steps are the same in every run. */
static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static const struct {
	uint64_t per_s, burst;
} kinds[KEYS] = {
	{ 1, 1 }, { 10, 20 }, { 3, 7 }, { 1000, 50 }, { 8000, 1 }, { 7, 1000 }, { 1000000, 3 }, { 20, 20 },
};

struct replay {
	struct gcra g;
	uint64_t tat, known;
};

/* One step on the reference and on Redis: some time passes or stamps go back a little, some proxies know more
 * than others, sums are asked for that fit or do not. */
static void step(const struct server *s, struct replay *replay, uint64_t *now_ns, uint64_t *seed)
{
	size_t k = next(seed) % KEYS;
	struct replay *its = &replay[k];
	char name[8] = { 'k', (char)('0' + k) }, said[64];
	struct words w;
	struct limit_reply reply;
	struct ruling r;
	uint64_t retry;

	*now_ns += next(seed) % 4 ? next(seed) % (its->g.period_ns * 2) : 0;
	uint64_t stamp = *now_ns - next(seed) % (its->g.period_ns + 1);
	struct redis_query q = { stamp, next(seed) % 2 ? its->known : 0, its->g, 1 };
	q.tokens += next(seed) % 3 ? 0 : next(seed) % (kinds[k].burst + 1);
	uint64_t before = its->tat;
	bool admitted = gcra_take(its->g, &its->tat, stamp, q.tokens, &retry);
	if (!question_write(&q, slice_of(name), &w)) {
		assert_false(admitted);
		return;
	}
	server_bitfield(s, w.bitfield, w.bitfield_len, &reply);
	server_ask(s, w.expire, 3, said, sizeof said);
	assert_string_equal(said, ":1");
	assert_true(question_read(&reply, &r));
	assert_int_equal(r.admitted, admitted);
	if (admitted)
		assert_int_equal(r.tat_ns, its->tat);
	else
		assert_int_equal(r.tat_ns, before > stamp ? before : stamp);
	its->known = r.tat_ns;
}

static void eighteen_thousand_random_questions_are_answered_as_a_reference_bucket_would(void **state)
{
	struct server s = { 0 };
	struct replay replay[KEYS] = { 0 };
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15), now_ns = START;

	(void)state;
	server_open(&s);
	for (size_t k = 0; k < KEYS; k++)
		replay[k].g = gcra_of((struct rate){ kinds[k].per_s, NS_PER_S }, kinds[k].burst);
	for (unsigned i = 0; i < STEPS; i++)
		step(&s, replay, &now_ns, &seed);
	server_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_the_words_of_one_conditional_charge),
		cmocka_unit_test(a_period_is_rounded_up_so_that_the_rate_is_never_passed),
		cmocka_unit_test(a_full_bucket_gives_its_burst_and_then_its_rate),
		cmocka_unit_test(what_is_known_refuses_without_asking_and_survives_a_server_that_forgot),
		cmocka_unit_test(a_refusal_says_how_much_would_have_fitted),
		cmocka_unit_test(a_settlement_counts_from_when_it_began_or_from_what_is_there),
		cmocka_unit_test(settlements_and_tokens_make_the_same_bucket_in_any_order),
		cmocka_unit_test(an_answer_of_another_shape_is_none),
		cmocka_unit_test(eighteen_thousand_random_questions_are_answered_as_a_reference_bucket_would),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
