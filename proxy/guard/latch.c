/* latch.c -- a route's latch and the keys that flipped it. */
#include "guard/inside.h"

#define LOW UINT64_C(0xffffffff)
#define STRAY_S 60 /* a time that lies farther ahead was not written by this clock */

const char *const cause_names[CAUSES] = { "none", "flips", "share", "operator", "fleet" };

struct guard_route *route_find(struct guard_table *t, uint64_t name, bool claim)
{
	for (size_t i = 0; i < GUARD_ROUTES; i++) {
		uint64_t there = atomic_load(&t->route[i].name);
		if (there == 0 && claim)
			atomic_compare_exchange_strong(&t->route[i].name, &there, name);
		if (there == name || atomic_load(&t->route[i].name) == name)
			return &t->route[i];
		if (there == 0)
			return NULL;
	}
	return NULL;
}

/* No latch is on for longer than LATCH_S from now: what says so was written by a clock that was set back, or
 * by nobody in his senses. */
struct latch latch_of(struct guard_route *w, uint64_t now)
{
	uint64_t word = atomic_load(&w->latch);
	struct latch l = { .since = word >> 32, .until = word & LOW };

	if (l.until > now + LATCH_S) {
		l.until = now + LATCH_S;
		atomic_compare_exchange_strong(&w->latch, &word, l.since << 32 | l.until);
	}
	if (l.since > now)
		l.since = now;
	l.on = l.until > now;
	return l;
}

bool latch_set(struct guard_route *w, enum latch_cause why, uint64_t until, uint64_t now)
{
	uint64_t was = atomic_load(&w->latch), next, since;

	do {
		bool on = (was & LOW) > now;
		since = on ? was >> 32 : now;
		if (on && (was & LOW) >= until)
			return false;
		next = since << 32 | (until & LOW);
	} while (!atomic_compare_exchange_weak(&w->latch, &was, next));
	bool fresh = (was & LOW) <= now;
	if (fresh || why != CAUSE_FLEET) /* one's own evidence counts for more than another's word */
		atomic_store(&w->cause, why);
	return fresh;
}

bool latch_drop(struct guard_route *w, uint64_t now)
{
	return (atomic_exchange(&w->latch, 0) & LOW) > now;
}

/* ---- flips: the first few, which is all that matters ---- */

static uint64_t good_of(uint64_t flip)
{
	return flip & LOW;
}

static bool counts(uint64_t flip, uint64_t ref)
{
	return flip && good_of(flip) + GOOD_FOR_S > ref && good_of(flip) <= ref + STRAY_S;
}

void flip_add(struct guard_route *w, uint64_t tag, uint64_t good, uint64_t now)
{
	uint64_t mine = tag << 32 | (good & LOW);

	for (size_t i = 0; i < FLIP_SLOTS; i++)
		if (atomic_load(&w->flip[i]) >> 32 == (tag & LOW))
			return;
	for (size_t i = 0; i < FLIP_SLOTS; i++) {
		uint64_t was = atomic_load(&w->flip[i]);
		if (!counts(was, now) && atomic_compare_exchange_strong(&w->flip[i], &was, mine))
			return;
	}
}

void flip_drop(struct guard_route *w, uint64_t tag)
{
	for (size_t i = 0; i < FLIP_SLOTS; i++) {
		uint64_t was = atomic_load_explicit(&w->flip[i], memory_order_relaxed);
		if (was && was >> 32 == (tag & LOW))
			atomic_compare_exchange_strong(&w->flip[i], &was, 0);
	}
}

void flips_forget(struct guard_route *w)
{
	for (size_t i = 0; i < FLIP_SLOTS; i++)
		atomic_store(&w->flip[i], 0);
	atomic_store(&w->elsewhere, 0);
}

size_t flips_here(struct guard_route *w, struct latch l, uint64_t now, uint64_t tags[static FLIP_SLOTS])
{
	uint64_t ref = l.on ? l.since : now;
	size_t n = 0;

	for (size_t i = 0; i < FLIP_SLOTS; i++) {
		uint64_t flip = atomic_load(&w->flip[i]);
		if (counts(flip, ref))
			tags[n++] = flip >> 32;
	}
	return n;
}

unsigned flips_of(struct guard_route *w, struct latch l, uint64_t now)
{
	uint64_t tags[FLIP_SLOTS], elsewhere = atomic_load(&w->elsewhere);

	return (unsigned)(flips_here(w, l, now, tags) + (elsewhere < FLIP_SLOTS ? elsewhere : FLIP_SLOTS));
}
