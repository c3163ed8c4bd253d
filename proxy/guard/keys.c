/* keys.c -- what is known of each key: when it was good last, and since when it is absent. One 64-bit word,
 * changed as a whole: good << 32 | absent << 2 | what the keeper was told. */
#include "guard/inside.h"
#include "base/check.h"
#include "metrics/metrics.h"

#define STALE_S (24 * 3600)
#define STALE_RANK (UINT64_C(1) << 32) /* behind all without an absence */
#define TOLD UINT64_C(1)
#define TOLD_BOTH UINT64_C(2)
#define EXPECTED UINT64_C(3)
#define ABSENT_MASK ((UINT64_C(1) << 30) - 1)

size_t guard_memory(uint64_t places)
{
	return sizeof(struct guard_table) + (size_t)places * 2 * sizeof(uint64_t);
}

struct guard_table *guard_attach(void *memory, uint64_t places)
{
	struct guard_table *t = memory;
	uint64_t layout = sizeof *t << 8 | 1, none = 0;

	if (atomic_compare_exchange_strong(&t->layout, &none, layout))
		t->places = places;
	return (none == 0 || none == layout) && t->places == places ? t : NULL;
}

struct times times_of(uint64_t word)
{
	uint64_t bits = word & EXPECTED;

	return (struct times){ .good = word >> 32,
		                   .absent = word >> 2 & ABSENT_MASK,
		                   .told = bits == TOLD || bits == TOLD_BOTH,
		                   .told_delivered = bits == TOLD_BOTH,
		                   .expected = bits == EXPECTED };
}

uint64_t times_word(struct times t)
{
	uint64_t bits = t.expected ? EXPECTED : t.told_delivered ? TOLD_BOTH : t.told ? TOLD : 0;

	return t.good << 32 | (t.absent & ABSENT_MASK) << 2 | bits;
}

static _Atomic uint64_t *tag_at(struct guard_table *t, uint64_t tag, uint64_t i)
{
	return &t->word[(tag + i) % t->places];
}

static _Atomic uint64_t *times_at(struct guard_table *t, uint64_t tag, uint64_t i)
{
	return &t->word[t->places + (tag + i) % t->places];
}

/* The oldest without an absence in the neighbourhood, else one that is absent for long; NEAR where there is
 * none. */
static uint64_t oldest(struct guard_table *t, uint64_t tag, uint64_t now)
{
	uint64_t found = NEAR, when = UINT64_MAX;

	for (uint64_t i = 0; i < NEAR; i++) {
		struct times its = times_of(atomic_load(times_at(t, tag, i)));
		bool absent = its.absent && !its.expected, stale = absent && its.absent + STALE_S < now;
		uint64_t age = absent ? STALE_RANK + its.absent : its.good;
		if ((!absent || stale) && age < when) {
			found = i;
			when = age;
		}
	}
	return found;
}

static _Atomic uint64_t *replace_oldest(struct guard_table *t, uint64_t tag, uint64_t now)
{
	uint64_t i = oldest(t, tag, now);

	metrics_count(METRIC_guard_keys_evicted_total);
	if (i == NEAR)
		return NULL;
	atomic_store(times_at(t, tag, i), 0); /* before the tag: the newcomer has no past */
	atomic_store(tag_at(t, tag, i), tag);
	return times_at(t, tag, i);
}

_Atomic uint64_t *key_times(struct guard_table *t, uint64_t tag, bool claim, uint64_t now)
{
	for (uint64_t i = 0; i < NEAR; i++) {
		uint64_t there = atomic_load_explicit(tag_at(t, tag, i), memory_order_relaxed);
		if (there == 0 && !claim)
			return NULL;
		if (there == 0 && atomic_compare_exchange_strong(tag_at(t, tag, i), &there, tag))
			there = tag;
		if (there == tag)
			return times_at(t, tag, i);
	}
	return claim ? replace_oldest(t, tag, now) : NULL;
}

size_t keys_used(const struct guard_table *t, size_t *absent)
{
	size_t used = 0;

	*absent = 0;
	for (uint64_t i = 0; i < t->places; i++) {
		if (!atomic_load_explicit(&t->word[i], memory_order_relaxed))
			continue;
		used++;
		struct times its = times_of(atomic_load_explicit(&t->word[t->places + i], memory_order_relaxed));
		*absent += its.absent && !its.expected;
	}
	return used;
}
