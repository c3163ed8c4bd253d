/* outcome.c -- costs that are known only when the request has ended. */
#include "limit/fleet.h"
#include "base/check.h"

void outcomes_read(struct plan *plan)
{
	const struct config_limit *limit = plan->limit;

	check(limit->outcomes.len <= LIMIT_OUTCOMES_MAX);
	for (size_t i = 0; i < limit->outcomes.len; i++) {
		const struct config_pair *o = &limit->outcomes.at[i];
		uint64_t status, cost;
		check(slice_u64(o->name, &status) && slice_u64(o->value, &cost));
		check(status < 600 && cost >= limit->cost && cost <= limit->burst);
		plan->outcomes[i].status = (uint16_t)status;
		plan->outcomes[i].extra = cost - limit->cost;
		plan->outcomes_len++;
	}
}

/* Its name in Redis, which the request may not have at hand any more when it ends. */
static const struct name *name_of(const struct limits *l, struct request *r, const struct plan *plan)
{
	struct name *name;

	if (!plan->fleet || r->arena.size - r->arena.used < 2 * sizeof *name)
		return NULL;
	name = arena_take(&r->arena, sizeof *name);
	name_make(l, plan, r, name);
	return name;
}

void outcome_expect(const struct limits *l, struct request *r, const struct round *round)
{
	for (size_t i = 0; i < round->len; i++) {
		if (!round->plans[i]->outcomes_len || !round->admitted[i])
			continue;
		check(r->owed.len < LIMIT_OWED_MAX); /* config/ has counted them */
		r->owed.at[r->owed.len].plan = round->plans[i];
		r->owed.at[r->owed.len].name = name_of(l, r, round->plans[i]);
		r->owed.at[r->owed.len++].tag = round->asks[i].tag;
	}
}

/* What the upstream said; of our own answers those that say something of the caller: that a 503 of ours costs
 * more would punish whom we could not serve. */
static bool is_telling(const struct request *r)
{
	bool ours = r->fault && fault_info[r->fault].status;

	return !ours || r->status == 401 || r->status == 403;
}

static uint64_t extra_of(const struct plan *plan, unsigned status)
{
	for (size_t i = 0; i < plan->outcomes_len; i++)
		if (plan->outcomes[i].status == status)
			return plan->outcomes[i].extra;
	return 0;
}

/* The fleet's bucket is charged in Redis alone: what is known of it here must not run ahead of it. */
static bool charge(struct limits *l, const struct request *r, size_t i, uint64_t extra, uint64_t now_ns)
{
	const struct plan *plan = r->owed.at[i].plan;
	const struct name *name = r->owed.at[i].name;
	uint64_t tag = r->owed.at[i].tag;
	struct bucket_ask ask = { .gcra = plan->gcra,
		                      .tag = tag,
		                      .limit = plan->name_hash,
		                      .cost = extra,
		                      .owed = true,
		                      .from = &r->address };
	struct bucket_answer done;
	uint64_t tat;

	if (!plan->fleet)
		return buckets_take(l->table, &ask, now_ns, &done);
	if (!name || (buckets_find(l->table, tag, &tat) && tat >= now_ns + 2 * plan->gcra.tolerance_ns))
		return false;
	settle_charge(l, plan, tag, name, extra, now_ns);
	return true;
}

void limit_settle(struct limits *l, struct request *r, uint64_t now_ns)
{
	for (size_t i = 0; i < r->owed.len && is_telling(r); i++) {
		const struct plan *plan = r->owed.at[i].plan;
		uint64_t extra = extra_of(plan, r->status);
		if (extra && charge(l, r, i, extra, now_ns))
			metrics_add(plan->series[CHARGED_LATER], 1);
	}
	r->owed.len = 0;
}
