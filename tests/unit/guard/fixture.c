/* fixture.c -- a table of keys, and answers that are judged by it. */
#include "fixture.h"

struct guard_table *guard_table_of(uint64_t places)
{
	size_t len = (guard_memory(places) + 63) / 64 * 64;
	void *memory = aligned_alloc(64, len);

	assert_non_null(memory);
	memset(memory, 0, len);
	struct guard_table *t = guard_attach(memory, places);
	assert_non_null(t);
	return t;
}

struct matter guard_matter(uint64_t tag, enum meaning means, uint64_t now)
{
	return (struct matter){
		.tag = tag * UINT64_C(0x9e3779b97f4a7c15) | 1, .principal = tag * 7919, .now = now, .means = means
	};
}

struct finding guard_say(struct guard_table *t, struct guard_route *w, uint64_t tag, enum meaning means,
                         uint64_t now)
{
	struct matter m = guard_matter(tag, means, now);
	struct finding f = absence_judge(t, w, &m);

	if (f.tell)
		absence_told(t, &m, f.event);
	return f;
}
