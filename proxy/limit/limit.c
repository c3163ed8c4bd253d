/* The two stations. */
#include "limit/room.h"
#include "base/check.h"

static void join(const struct limits *l, const struct plan *plan, const struct request *r,
                 struct round *round)
{
	size_t i = round->len++;
	struct key key;

	key_of(l, plan, r, &key);
	round->plans[i] = plan;
	round->asks[i] = (struct ask){ plan->gcra, key_tag(l, plan, &key), plan->name_hash,
		                        plan->limit->cost, false };
	round->shadow[i] = plan_is_shadow(plan, round->asks[i].tag);
}

/* False: some keys need bytes of the body that are still to come; those limits are left out. */
static bool gather(const struct limits *l, const struct station *s, const struct request *r,
                   struct round *round)
{
	bool whole = true;

	round->len = 0;
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
static bool look(const struct limits *l, struct round *round, uint64_t now_ns)
{
	bool good = true;

	for (size_t i = 0; i < round->len; i++) {
		round->admitted[i] = table_look(l->table, &round->asks[i], now_ns, &round->answered[i]);
		good &= !enforced_refusal(round, i);
	}
	return good;
}

/* Charges every bucket that admitted; where one refuses after all, the charges before it are given back. */
static bool take(const struct limits *l, struct round *round, uint64_t now_ns)
{
	for (size_t i = 0; i < round->len; i++) {
		if (!round->admitted[i])
			continue; /* a shadow's refusal */
		round->admitted[i] = table_take(l->table, &round->asks[i], now_ns, &round->answered[i]);
		if (!enforced_refusal(round, i))
			continue;
		while (i-- > 0)
			if (round->admitted[i])
				table_give_back(&round->answered[i]);
		return false;
	}
	return true;
}

/* Counts, and names the limit that makes the client wait longest. */
static void tell(struct request *r, const struct round *round, bool good)
{
	for (size_t i = 0; i < round->len; i++) {
		const struct plan *plan = round->plans[i];
		const struct answered *a = &round->answered[i];
		if (a->crowded)
			metrics_count(METRIC_limit_table_crowded_total);
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

static enum pace visit(struct limits *l, const struct station *s, struct request *r, uint64_t now_ns)
{
	struct round round;
	bool good;

	while (!gather(l, s, r, &round)) {
		/* whom the others refuse is not waited for */
		if (!look(l, &round, now_ns)) {
			tell(r, &round, false);
			watch(l, r, &round, now_ns);
			fields_tell(r, &round, now_ns);
			return request_fail(r, FAULT_LIMITED);
		}
		enum pace pace = l->read_body(r);
		if (pace != GO_ON)
			return pace;
	}
	if (round.len == 0)
		return GO_ON;
	good = look(l, &round, now_ns) && take(l, &round, now_ns);
	tell(r, &round, good);
	watch(l, r, &round, now_ns);
	fields_tell(r, &round, now_ns);
	if (!good)
		return request_fail(r, FAULT_LIMITED);
	outcome_expect(r, &round);
	return GO_ON;
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

enum pace limit_early(struct limits *l, struct request *r, uint64_t now_ns)
{
	return visit(l, &stations_of(l, r)->early, r, now_ns);
}

enum pace limit_late(struct limits *l, struct request *r, uint64_t now_ns)
{
	return visit(l, &stations_of(l, r)->late, r, now_ns);
}
