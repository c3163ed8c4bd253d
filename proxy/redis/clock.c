/* clock.c -- the clock of another machine, by its TIME: the answer was written between question and reply, so
 * the middle of the two is right to within half the round trip. */
#include "redis/inside.h"

#define DRIFT_PPM 200 /* two clocks may run apart so fast, in millionths */

uint64_t other_clock_error(const struct other_clock *c, uint64_t now_ns)
{
	uint64_t age_ns = now_ns > c->measured_ns ? now_ns - c->measured_ns : 0;

	return c->error_ns + age_ns / 1000000 * DRIFT_PPM;
}

void other_clock_take(struct other_clock *c, uint64_t theirs_ns, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t half_ns = (to_ns - from_ns) / 2, error_ns = half_ns + NS_PER_US;
	int64_t offset_ns = (int64_t)(theirs_ns - (from_ns + half_ns));
	uint64_t known_ns = other_clock_error(c, to_ns);
	int64_t moved_ns = offset_ns - c->offset_ns;
	uint64_t apart_ns = (uint64_t)(moved_ns < 0 ? -moved_ns : moved_ns);

	/* a worse measurement that agrees says nothing new; one that cannot agree says that a clock was set */
	if (c->samples && error_ns > known_ns && apart_ns <= error_ns + known_ns)
		return;
	c->offset_ns = offset_ns;
	c->error_ns = error_ns;
	c->measured_ns = to_ns;
	c->samples++;
}

uint64_t other_clock_parse(const struct redis_value *v)
{
	uint64_t s, us;

	if (v->type != REDIS_ARRAY || v->len != 2 || !slice_u64(v->array[0].text, &s) ||
	    !slice_u64(v->array[1].text, &us) || s > UINT32_MAX || us >= 1000000)
		return 0;
	return s * NS_PER_S + us * NS_PER_US;
}
