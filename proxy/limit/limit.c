/* The two stations. */
#include "limit/fleet.h"
#include "base/check.h"

static void join(const struct limits *l, const struct plan *plan, const struct request *r,
                 struct round *round)
{
	size_t i = round->len++;
	struct limit_key key;

	key_of(l, plan, r, &key);
	round->plans[i] = plan;
	round->asks[i] = (struct bucket_ask){ .gcra = plan->gcra,
		                                  .tag = key_tag(l, plan, &key),
		                                  .limit = plan->name_hash,
		                                  .cost = plan->limit->cost,
		                                  .from = &r->address };
	buckets_fetch(l->table, round->asks[i].tag);
	watch_fetch(l, round->asks[i].tag);
	round->shadow[i] = plan_is_shadow(plan, round->asks[i].tag);
	round->unreadable |= key.unreadable && plan->refuses_unreadable && !round->shadow[i];
	round->taken[i] = false;
}

/* False: some keys need bytes of the body that are still to come; those limits are left out. */
static bool gather(const struct limits *l, const struct station_plans *s, const struct request *r,
                   struct round *round)
{
	bool whole = true;

	round->len = 0;
	round->unreadable = false;
	for (size_t i = 0; i < s->len; i++) {
		if (!plan_applies(s->plans[i], r))
			continue;
		bool wants = l->read_body && plan_wants_body(s->plans[i], r);
		whole &= !wants;
		if (!wants)
			join(l, s->plans[i], r, round);
	}
	return whole;
}

static bool enforced_refusal(const struct round *round, size_t i)
{
	return !round->admitted[i] && !round->shadow[i];
}

/* Looks at every bucket. False: an enforced limit refuses. */
static bool look(struct limits *l, struct round *round, uint64_t now_ns)
{
	bool good = true;

	for (size_t i = 0; i < round->len; i++) {
		round->admitted[i] = round->plans[i]->fleet
		                         ? fleet_look(l, round, i, now_ns)
		                         : buckets_look(l->table, &round->asks[i], now_ns, &round->answered[i]);
		good &= !enforced_refusal(round, i);
	}
	return good;
}

static void undo(struct limits *l, struct round *round)
{
	for (size_t i = 0; i < round->len; i++) {
		if (round->taken[i] && round->plans[i]->fleet)
			fleet_undo(l, round, i);
		else if (round->taken[i])
			buckets_give_back(&round->answered[i]);
		round->taken[i] = false;
	}
}

/* The outcome of one bucket. False: it refuses after all, so the charges before it are given back. */
static bool took(struct limits *l, struct round *round, size_t i, bool admitted)
{
	round->admitted[i] = round->taken[i] = admitted;
	if (!enforced_refusal(round, i))
		return true;
	undo(l, round);
	return false;
}

/* Charges every bucket of this machine that admitted. */
static bool take_here(struct limits *l, struct round *round, uint64_t now_ns)
{
	for (size_t i = 0; i < round->len; i++) {
		if (!round->admitted[i] || round->plans[i]->fleet)
			continue; /* a shadow's refusal, or for later */
		if (!took(l, round, i, buckets_take(l->table, &round->asks[i], now_ns, &round->answered[i])))
			return false;
	}
	return true;
}

/* The strictest of the fleet's limits that is still to be taken; round->len where none is. */
static size_t strictest(const struct round *round)
{
	size_t best = round->len;

	for (size_t i = 0; i < round->len; i++) {
		if (!round->plans[i]->fleet || !round->admitted[i] || round->taken[i])
			continue;
		const struct gcra *its = &round->asks[i].gcra, *of = &round->asks[best].gcra;
		if (best == round->len || its->period_ns > of->period_ns ||
		    (its->period_ns == of->period_ns && its->tolerance_ns < of->tolerance_ns))
			best = i;
	}
	return best;
}

/* ASKED: *at is the one to wait for; the others stay charged meanwhile. */
static enum taking take_there(struct limits *l, const struct request *r, struct round *round,
                              const struct limit_waiter *waiter, uint64_t now_ns, size_t *at)
{
	for (size_t i; (i = strictest(round)) < round->len;) {
		enum taking taking = fleet_take(l, r, round, i, waiter, now_ns);
		*at = i;
		if (taking == ASKED)
			return ASKED;
		if (!took(l, round, i, taking == TAKEN))
			return DENIED;
	}
	for (size_t i = 0; i < round->len; i++)
		if (round->taken[i] && round->plans[i]->fleet)
			fleet_keep(l, r, round, i, now_ns);
	return TAKEN;
}

/* Counts, and names the limit that makes the client wait longest. */
static void tell(struct request *r, const struct round *round, bool good)
{
	for (size_t i = 0; i < round->len; i++) {
		const struct plan *plan = round->plans[i];
		const struct bucket_answer *a = &round->answered[i];
		if (a->crowded)
			metrics_count(METRIC_limit_table_crowded_total);
		if (plan->fleet && (good || !round->admitted[i]))
			metrics_add(plan->sources[round->stakes[i].source], 1);
		if (round->admitted[i]) {
			if (good)
				metrics_add(plan->series[ADMITTED], 1);
			continue;
		}
		metrics_add(plan->series[round->shadow[i] ? SHADOWED : REFUSED_BY_LIMIT], 1);
		if (round->shadow[i] || (r->refusal.limit && r->refusal.retry_after_ns >= a->retry_after_ns))
			continue;
		r->refusal = (struct refusal){ plan->limit, a->retry_after_ns };
	}
}

/* What is kept of a request that waits; NULL where its arena has no room for it. */
static struct limit_waiter *waiter_of(struct request *r, const struct round *round, uint64_t now_ns)
{
	struct limit_waiter *t;

	if (r->arena.size - r->arena.used < 2 * sizeof *t)
		return NULL;
	t = arena_take(&r->arena, sizeof *t);
	list_init(&t->link);
	t->request = r;
	t->since_ns = now_ns;
	t->round = *round;
	return t;
}

/* TAKEN or DENIED, or ASKED where the request is to wait. */
static enum taking ask_fleet(struct limits *l, struct request *r, struct round *round, uint64_t now_ns)
{
	struct limit_waiter *waiter = r->waits, alone = { .since_ns = now_ns, .by_itself = true };
	size_t at = 0;
	enum taking taking = take_there(l, r, round, waiter, now_ns, &at);

	if (taking != ASKED)
		return taking;
	if (!waiter && r->redis_waited_ns < l->fleet->budget_ns)
		waiter = waiter_of(r, round, now_ns);
	if (!waiter)
		return take_there(l, r, round, &alone, now_ns, &at);
	waiter->at = at;
	r->waits = waiter;
	redis_query_join(l, lease_find(l->fleet->leases, round->asks[at].tag), waiter);
	return ASKED;
}

static void arrive(struct request *r, uint64_t now_ns)
{
	struct limit_waiter *waiter = r->waits;

	if (!waiter)
		return;
	r->redis_waited_ns += now_ns - waiter->since_ns;
	metrics_observe(metrics_lone(METRIC_limit_wait_seconds), now_ns - waiter->since_ns);
	r->waits = NULL;
}

static enum step_result end(const struct limits *l, struct request *r, const struct round *round, bool good,
                            uint64_t now_ns)
{
	tell(r, round, good);
	watch(l, r, round, now_ns);
	fields_add(r, round, now_ns);
	if (!good)
		return request_fail(r, FAULT_LIMITED);
	outcome_expect(l, r, round);
	return GO_ON;
}

/* The limits that apply, and what this machine says of them. */
static enum step_result begin(struct limits *l, const struct station_plans *s, struct request *r,
                              struct round *round, uint64_t now_ns, bool *good)
{
	while (!gather(l, s, r, round)) {
		if (!look(l, round, now_ns))
			return end(l, r, round, false, now_ns); /* whom the others refuse is not waited for */
		enum step_result result = l->read_body(r);
		if (result != GO_ON)
			return result;
	}
	if (round->unreadable)
		return request_fail(r, FAULT_FIELD);
	*good = look(l, round, now_ns) && take_here(l, round, now_ns);
	return GO_ON;
}

static enum step_result visit(struct limits *l, const struct station_plans *s, struct request *r,
                              uint64_t now_ns)
{
	struct limit_waiter *waiter = r->waits;
	struct round fresh, *round = waiter ? &waiter->round : &fresh;
	bool good = true;

	if (waiter && !list_is_empty(&waiter->link))
		return WAIT; /* woken by something else */
	if (!waiter) {
		enum step_result result = begin(l, s, r, round, now_ns, &good);
		if (result != GO_ON || round->len == 0)
			return result;
	}
	if (good && l->fleet) {
		enum taking taking = ask_fleet(l, r, round, now_ns);
		if (taking == ASKED)
			return WAIT;
		good = taking == TAKEN;
	}
	arrive(r, now_ns);
	return end(l, r, round, good, now_ns);
}

static const struct stations *stations_of(const struct limits *l, const struct request *r)
{
	static const struct stations none;
	const struct config_root *root = &l->config->root;

	if (!r->route)
		return &none;
	check(r->route >= root->routes && r->route < root->routes + root->routes_len);
	return &l->routes[r->route - root->routes];
}

enum step_result limit_early(struct limits *l, struct request *r, uint64_t now_ns)
{
	return visit(l, &stations_of(l, r)->early, r, now_ns);
}

enum step_result limit_late(struct limits *l, struct request *r, uint64_t now_ns)
{
	return visit(l, &stations_of(l, r)->late, r, now_ns);
}

uint64_t limit_wait_ns(const struct limits *l, const struct request *r, uint64_t now_ns)
{
	const struct limit_waiter *waiter = r->waits;
	uint64_t due_ns;

	if (!waiter)
		return 0;
	due_ns = waiter->since_ns + l->fleet->budget_ns - r->redis_waited_ns;
	return due_ns > now_ns ? due_ns - now_ns : 1;
}

void limit_stop_waiting(struct request *r)
{
	struct limit_waiter *waiter = r->waits;

	redis_query_leave(waiter);
	waiter->by_itself = true;
	metrics_count(METRIC_limit_hurried_total);
}

void limit_leave(struct limits *l, struct request *r)
{
	struct limit_waiter *waiter = r->waits;

	if (!waiter)
		return;
	redis_query_leave(waiter);
	undo(l, &waiter->round);
	r->waits = NULL;
}

void limits_turn(struct limits *l, uint64_t now_ns)
{
	if (!l->fleet)
		return;
	resets_heed(l, now_ns);
	redis_query_turn(l, now_ns);
	settle_turn(l, now_ns);
}

uint64_t limits_due_ns(const struct limits *l)
{
	return l->fleet && l->fleet->owed_used ? l->fleet->sweep_ns : UINT64_MAX;
}
