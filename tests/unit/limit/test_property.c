/* Random limits and random requests against buckets that are kept in another way: as levels that drain. */
#include "limit_world.h"
#include <stdio.h>

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 24) % below;
}

#define ADDRESSES 6

/* What has been taken, in ns of time to drain. */
struct model {
	uint64_t level, at_ns;
};
static struct model models[MAX][ADDRESSES];

static uint64_t period(size_t i)
{
	return s.limits[i].rate.per_ns / s.limits[i].rate.count;
}

static struct model *model_of(size_t i, uint8_t address, uint64_t now_ns)
{
	/* the odd limits are by network, of which there is one */
	struct model *m = &models[i][i % 2 ? 0 : address];
	uint64_t gone = now_ns - m->at_ns;

	m->level = m->level > gone ? m->level - gone : 0;
	m->at_ns = now_ns;
	return m;
}

/* How long the request has to wait by this limit; 0: it fits. */
static uint64_t wait_of(size_t i, uint8_t address, uint64_t now_ns)
{
	uint64_t full = s.limits[i].burst * period(i), want = s.limits[i].cost * period(i);
	uint64_t level = model_of(i, address, now_ns)->level;

	return level + want > full ? level + want - full : 0;
}

static void step(uint64_t now_ns)
{
	uint8_t address = (uint8_t)draw(ADDRESSES);
	uint64_t longest = 0;
	size_t len = s.config.root.limits_len;
	enum step_result result = early_from(address, now_ns);

	for (size_t i = 0; i < len; i++) {
		uint64_t wait = wait_of(i, address, now_ns);
		longest = wait > longest ? wait : longest;
	}
	assert_int_equal(result, longest ? ANSWER : GO_ON);
	for (size_t i = 0; i < len && !longest; i++)
		model_of(i, address, now_ns)->level += s.limits[i].cost * period(i);
	if (!longest)
		return;
	/* the one named is the one that refuses longest, and its word is exact */
	size_t named = (size_t)(s.r.refusal.limit - s.limits);
	assert_int_equal(s.r.refusal.retry_after_ns, longest);
	assert_int_equal(wait_of(named, address, now_ns), longest);
}

static void a_request_takes_from_all_its_limits_or_from_none_and_the_longest_wait_is_named(void **state)
{
	static const char *const names[MAX] = { "a", "b", "c", "d" };

	for (int run = 0; run < 40; run++) {
		seed = (uint64_t)run + 1;
		setup(state);
		memset(models, 0, sizeof models);
		size_t len = 1 + draw(MAX);
		for (size_t i = 0; i < len; i++) {
			uint64_t burst = 1 + draw(20);
			struct config_limit *l = limit(names[i], i % 2 ? "prefix" : "address", burst);
			l->rate = (struct rate){ 1 + draw(10), 10 * NS_PER_S };
			l->cost = 1 + draw(burst);
			while (l->rate.per_ns % l->rate.count)
				l->rate.count--; /* so that the model need not round */
		}
		open_limits();
		uint64_t now_ns = NOW;
		for (int i = 0; i < 500; i++) {
			now_ns += draw(3) ? draw(2 * NS_PER_S) : 0;
			step(now_ns);
		}
		teardown(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_takes_from_all_its_limits_or_from_none_and_the_longest_wait_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
