/* lease.c -- the table of leases, and the arithmetic of one. No clock, no Redis. */
#include "limit/lease.h"

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct lease *near_of(struct lease *table, uint64_t tag)
{
	return table + tag % (LEASES / LEASES_NEAR) * LEASES_NEAR;
}

struct lease *lease_find(struct lease *table, uint64_t tag)
{
	struct lease *near = near_of(table, tag);

	for (size_t i = 0; i < LEASES_NEAR; i++)
		if (near[i].tag == tag)
			return &near[i];
	return NULL;
}

static bool is_busy(const struct lease *e)
{
	return e->tag && (e->flying || e->waiters_len || !list_is_empty(&e->link));
}

struct lease *lease_make(struct lease *table, uint64_t tag, uint64_t now_ns, uint64_t *lost)
{
	struct lease *near = near_of(table, tag), *e = NULL;

	*lost = 0;
	for (size_t i = 0; i < LEASES_NEAR; i++)
		if (!is_busy(&near[i]) && (!e || near[i].used_ns < e->used_ns))
			e = &near[i];
	if (!e)
		return NULL;
	if (e->tag)
		*lost = lease_left(e, now_ns) / e->plan->gcra.period_ns;
	*e = (struct lease){ .tag = tag, .used_ns = now_ns, .window_ns = now_ns };
	list_init(&e->waiters);
	list_init(&e->link);
	return e;
}

static bool fits(const struct span *s, uint64_t at_ns, uint64_t want_ns)
{
	return later(s->from_ns, at_ns) + want_ns <= s->to_ns;
}

bool lease_has(const struct lease *e, uint64_t at_ns, uint64_t want_ns)
{
	uint64_t at = later(at_ns, e->since_ns);

	return fits(&e->now, at, want_ns) || fits(&e->next, at, want_ns);
}

bool lease_spend(struct lease *e, uint64_t at_ns, uint64_t want_ns, struct span *spent)
{
	uint64_t at = later(at_ns, e->since_ns);

	if (!lease_has(e, at, want_ns))
		return false;
	if (!fits(&e->now, at, want_ns)) {
		e->now = e->next;
		e->next = (struct span){ 0 };
	}
	*spent = (struct span){ e->now.from_ns, later(e->now.from_ns, at) + want_ns };
	e->now.from_ns = spent->to_ns;
	return true;
}

bool lease_return(struct lease *e, struct span spent)
{
	if (e->now.from_ns != spent.to_ns)
		return false;
	e->now.from_ns = spent.from_ns;
	return true;
}

void lease_grant(struct lease *e, uint64_t at_ns, struct span granted)
{
	e->since_ns = later(e->since_ns, at_ns);
	if (granted.from_ns == e->now.to_ns && e->now.from_ns < e->now.to_ns)
		e->now.to_ns = granted.to_ns;
	else if (later(e->now.from_ns, at_ns) + e->plan->gcra.period_ns > e->now.to_ns)
		e->now = granted;
	else
		e->next = granted;
}

void lease_forget(struct lease *e)
{
	e->now = e->next = (struct span){ 0 };
	e->hold_ns = e->astray_ns = e->late_tokens = 0;
	e->before = e->seen = 0;
}

static uint64_t left(const struct span *s, uint64_t at_ns)
{
	uint64_t from = later(s->from_ns, at_ns);

	return s->to_ns > from ? s->to_ns - from : 0;
}

uint64_t lease_left(const struct lease *e, uint64_t at_ns)
{
	return left(&e->now, at_ns) + left(&e->next, at_ns);
}

void lease_note(struct lease *e, uint64_t now_ns)
{
	e->used_ns = now_ns;
	if (now_ns - e->window_ns >= 2 * LEASE_WINDOW_NS) {
		e->window_ns = now_ns;
		e->before = e->seen = 0;
	} else if (now_ns - e->window_ns >= LEASE_WINDOW_NS) {
		e->window_ns += LEASE_WINDOW_NS;
		e->before = e->seen;
		e->seen = 0;
	}
	e->seen++;
}

static uint64_t ahead(const struct lease *e, uint64_t workers)
{
	uint64_t share = e->plan->limit->burst / e->plan->limit->cost / (4 * workers);

	return e->before < share ? e->before : share;
}

uint64_t lease_due(const struct lease *e, uint64_t workers)
{
	return later(later(ahead(e, workers), e->waiters_len), 1);
}

bool lease_is_low(const struct lease *e, uint64_t at_ns, uint64_t workers)
{
	uint64_t due = ahead(e, workers), cost_ns = e->plan->gcra.period_ns * e->plan->limit->cost;

	return due >= 2 && lease_left(e, at_ns) < due * cost_ns / 2;
}
