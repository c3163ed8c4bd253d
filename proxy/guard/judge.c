/* judge.c -- one answer against what is known. */
#include "guard/inside.h"

static bool is_flip(struct times t, uint64_t now)
{
	return t.good && t.good + GOOD_FOR_S > now;
}

/* How the key's times go on. good: of before. */
static struct times next_of(struct times t, const struct matter *m)
{
	switch (m->means) {
	case MEANS_GOOD:
		return (struct times){ .good = m->now };
	case MEANS_REMOVED: /* by its own client */
	case MEANS_ATTESTED:
		return (struct times){ .absent = t.absent ? t.absent : m->now, .expected = true };
	default:
		t.absent = t.absent ? t.absent : m->now;
		return t;
	}
}

static struct times move(_Atomic uint64_t *at, const struct matter *m)
{
	uint64_t was = atomic_load(at);

	while (!atomic_compare_exchange_weak(at, &was, times_word(next_of(times_of(was), m))))
		;
	return times_of(was);
}

/* Was it attested, or there when an operator released the route? */
static bool is_accepted(const struct guard_route *w, struct times before)
{
	return before.expected || (before.absent && before.absent <= atomic_load(&w->released_s));
}

static void weigh(struct guard_route *w, const struct matter *m, struct finding *f)
{
	struct latch l = latch_of(w, m->now);
	bool many = flips_of(w, l, m->now) >= FLIPS_MOST;

	f->cause = many ? CAUSE_FLIPS : share_now(w, m->now).over ? CAUSE_SHARE : CAUSE_NONE;
	if (f->cause != CAUSE_NONE)
		f->latched_now = latch_set(w, f->cause, m->now + LATCH_S, m->now);
	f->held = f->cause != CAUSE_NONE || l.on || m->means == MEANS_FOREIGN;
}

static void judge_absence(struct guard_route *w, const struct matter *m, struct times before,
                          struct finding *f)
{
	bool accepted = is_accepted(w, before);

	f->absent = true;
	if (!accepted && is_flip(before, before.absent ? before.absent : m->now))
		flip_add(w, m->tag, before.good, m->now);
	share_add(w, m->principal, !accepted, !latch_of(w, m->now).on, m->now);
	if (accepted)
		f->held = m->means == MEANS_FOREIGN;
	else
		weigh(w, m, f);
	f->event = f->held ? GUARD_HELD : GUARD_DELIVERED;
	f->tell = !before.expected && (f->held ? !before.told : !before.told_delivered);
	f->first = !before.told;
}

struct finding absence_judge(struct guard_table *t, struct guard_route *w, const struct matter *m)
{
	_Atomic uint64_t *at = m->means == MEANS_NOTHING ? NULL : key_times(t, m->tag, true, m->now);
	struct times before = at ? move(at, m) : (struct times){ 0 };
	struct finding f = { .good = before.good };

	if (m->means == MEANS_NOTHING)
		return f;
	atomic_fetch_add_explicit(&t->moved, 1, memory_order_relaxed);
	if (m->means == MEANS_ABSENT || m->means == MEANS_FOREIGN) {
		judge_absence(w, m, before, &f);
		return f;
	}
	share_add(w, m->principal, false, !latch_of(w, m->now).on, m->now);
	if (before.absent && before.told) {
		f.tell = true;
		f.event = GUARD_ENDED;
	}
	if (before.absent || m->means == MEANS_ATTESTED)
		flip_drop(w, m->tag);
	return f;
}

void absence_told(struct guard_table *t, const struct matter *m, enum guard_event event)
{
	_Atomic uint64_t *at = event == GUARD_ENDED ? NULL : key_times(t, m->tag, false, m->now);
	uint64_t was = at ? atomic_load(at) : 0;

	while (at) {
		struct times its = times_of(was);
		its.told = true;
		its.told_delivered |= event == GUARD_DELIVERED;
		if (!its.absent || atomic_compare_exchange_weak(at, &was, times_word(its)))
			return;
	}
}
