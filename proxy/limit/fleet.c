/* fleet.c -- who decides about a key: see fleet.h for the order. */
#include "limit/fleet.h"
#include "base/check.h"
#include "metrics/metrics.h"

static uint64_t cost_ns(const struct bucket_ask *a)
{
	return a->gcra.period_ns * a->cost; /* at most the tolerance, which limits_open saw to */
}

/* The highest time known for the key, less what two readings of that server's clock may differ by: who is
 * refused by it would be refused by Redis. */
static uint64_t known_ns(const struct limits *l, uint64_t tag)
{
	uint64_t tat, slack = 2 * l->fleet->error_ns;

	return buckets_find(l->table, tag, &tat) && tat > slack ? tat - slack : 0;
}

/* The deny cache. */
static bool refuses(const struct limits *l, const struct bucket_ask *a, uint64_t at_ns,
                    struct bucket_answer *to)
{
	uint64_t tat = known_ns(l, a->tag);

	return !gcra_take(a->gcra, &tat, at_ns, a->cost, &to->retry_after_ns);
}

static void show(const struct limits *l, const struct bucket_ask *a, const struct lease *e, uint64_t now_ns,
                 struct bucket_answer *to)
{
	uint64_t tat, left = e ? lease_left(e, now_ns) : 0;

	buckets_find(l->table, a->tag, &tat);
	to->shown_tat = tat > left ? tat - left : 0;
}

static enum taking denied(const struct limits *l, struct round *round, size_t i, const struct lease *e,
                          enum limit_source source, uint64_t now_ns)
{
	struct stake *s = &round->stakes[i];

	s->source = s->waited ? SOURCE_REDIS : source;
	show(l, &round->asks[i], e, now_ns, &round->answered[i]);
	return DENIED;
}

/* Found empty a moment ago: let it fill before Redis is asked again. */
static bool holds(const struct lease *e, uint64_t now_ns, struct bucket_answer *to)
{
	if (now_ns >= e->hold_ns)
		return false;
	to->retry_after_ns = e->hold_ns - now_ns;
	return true;
}

bool fleet_look(struct limits *l, struct round *round, size_t i, uint64_t now_ns)
{
	const struct bucket_ask *a = &round->asks[i];
	struct bucket_answer *to = &round->answered[i];
	struct lease *e = lease_find(l->fleet->leases, a->tag);

	*to = (struct bucket_answer){ 0 };
	round->stakes[i] = (struct stake){ 0 };
	if (e && lease_has(e, now_ns, cost_ns(a))) {
		show(l, a, e, now_ns, to);
		return true;
	}
	if (refuses(l, a, now_ns, to))
		return denied(l, round, i, e, SOURCE_DENY_CACHE, now_ns) != DENIED;
	if (e && redis_query_may(l, e, now_ns) && holds(e, now_ns, to))
		return denied(l, round, i, e, SOURCE_LEASE, now_ns) != DENIED;
	show(l, a, e, now_ns, to);
	return true;
}

static struct lease *lease_of(struct limits *l, const struct request *r, const struct plan *plan,
                              uint64_t tag, uint64_t now_ns)
{
	struct lease *e = lease_find(l->fleet->leases, tag);
	uint64_t lost;

	if (e)
		return e;
	e = lease_make(l->fleet->leases, tag, now_ns, &lost);
	if (!e)
		return NULL;
	metrics_count_n(METRIC_limit_forfeited_tokens_total, lost);
	e->home = l;
	e->plan = plan;
	name_make(l, plan, r, &e->name);
	return e;
}

static enum taking alone(struct limits *l, struct round *round, size_t i, uint64_t now_ns)
{
	struct stake *s = &round->stakes[i];

	s->source = SOURCE_LOCAL;
	return share_take(l, round->plans[i], &round->asks[i], now_ns, &round->answered[i], &s->full) ? TAKEN
	                                                                                              : DENIED;
}

enum taking fleet_take(struct limits *l, const struct request *r, struct round *round, size_t i,
                       const struct limit_waiter *waiter, uint64_t now_ns)
{
	const struct bucket_ask *a = &round->asks[i];
	struct stake *s = &round->stakes[i];
	struct lease *e = lease_of(l, r, round->plans[i], a->tag, now_ns);
	uint64_t at = waiter ? waiter->since_ns : now_ns;

	if (e && !s->waited)
		lease_note(e, now_ns);
	if (e && lease_spend(e, at, cost_ns(a), &s->spent)) {
		s->source = s->waited ? SOURCE_REDIS : SOURCE_LEASE;
		show(l, a, e, now_ns, &round->answered[i]);
		if (!e->flying && now_ns >= e->hold_ns && lease_is_low(e, now_ns, fleet_workers(l->fleet)) &&
		    redis_query_may(l, e, now_ns))
			redis_query_want(l, e);
		return TAKEN;
	}
	if (refuses(l, a, at, &round->answered[i]))
		return denied(l, round, i, e, SOURCE_DENY_CACHE, now_ns);
	if (!e || (waiter && waiter->by_itself) || !redis_query_may(l, e, now_ns))
		return alone(l, round, i, now_ns);
	if (holds(e, now_ns, &round->answered[i]))
		return denied(l, round, i, e, SOURCE_LEASE, now_ns);
	s->waited = true;
	return ASKED;
}

void fleet_undo(struct limits *l, struct round *round, size_t i)
{
	const struct bucket_ask *a = &round->asks[i];
	struct stake *s = &round->stakes[i];
	struct lease *e = lease_find(l->fleet->leases, a->tag);

	if (s->source == SOURCE_LOCAL)
		buckets_give_back(&round->answered[i]);
	else if (!e || !lease_return(e, s->spent))
		metrics_count_n(METRIC_limit_forfeited_tokens_total, a->cost);
}

/* What was admitted while the answer was out is paid from that answer, if it comes. */
void fleet_keep(struct limits *l, const struct request *r, struct round *round, size_t i, uint64_t now_ns)
{
	const struct bucket_ask *a = &round->asks[i];
	struct lease *e = lease_find(l->fleet->leases, a->tag);
	struct name name;

	if (round->stakes[i].source != SOURCE_LOCAL)
		return;
	if (e && e->flying) {
		e->late_tokens += a->cost;
		return;
	}
	if (!e)
		name_make(l, round->plans[i], r, &name);
	settle_owe(l, round->plans[i], a->tag, e ? &e->name : &name, a->cost, now_ns, round->stakes[i].full);
}
