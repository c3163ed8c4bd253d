/* open.c -- makes the configured limits ready. config/ has checked what is written there. */
#include "limit/fleet.h"
#include "base/check.h"
#include "crypto/crypto.h"
#include <stdlib.h>

static void plan_read(struct limits *l, struct plan *plan, const struct config_limit *limit)
{
	static const char *const outcomes[OUTCOMES] = { "admitted", "refused", "shadowed", "charged" };
	struct slice none = { 0 }, id = limit->id;

	check(limit->rate.count && limit->rate.per_ns && limit->cost && limit->cost <= limit->burst);
	*plan = (struct plan){ .limit = limit, .gcra = gcra_of(limit->rate, limit->burst) };
	parts_read(plan);
	classes_read(plan);
	outcomes_read(plan);
	plan->shadow = l->config->root.limiting.shadow ? 100 : limit->shadow;
	plan->refuses_unreadable = plan->reads_body && limit->unreadable == UNREADABLE_REFUSE;
	plan->named = l->named && limit->scope == SCOPE_FLEET;
	plan->fleet = l->fleet && plan->named;
	for (unsigned o = 0; o < SOURCES && plan->fleet; o++)
		plan->sources[o] =
		    metrics_series(METRIC_limit_sources_total, id, slice_of(limit_bys[BY_SOURCE + o]), none, none);
	plan->name_hash = siphash(buckets_key(l->table), limit->id);
	for (unsigned o = 0; o < OUTCOMES; o++)
		plan->series[o] = metrics_series(METRIC_limit_decisions_total, id, slice_of(outcomes[o]), none, none);
	fields_prepare(plan, l->config->root.limiting.headers);
}

static const struct plan *plan_named(const struct limits *l, struct slice id)
{
	for (size_t i = 0; i < l->plans_len; i++)
		if (slice_same(l->plans[i].limit->id, id))
			return &l->plans[i];
	return NULL;
}

/* Adds the route's limits of one station to the lists. */
static struct station_plans station_of(const struct limits *l, const struct config_route *route, bool late,
                                       const struct plan ***next)
{
	struct station_plans s = { *next, 0 };

	for (size_t i = 0; i < route->limits.len; i++) {
		const struct plan *plan = plan_named(l, route->limits.at[i]);
		check(plan);
		if (plan->late == late)
			s.plans[s.len++] = plan;
	}
	*next += s.len;
	return s;
}

static void routes_read(struct limits *l)
{
	const struct config_root *root = &l->config->root;
	const struct plan **next = l->lists;

	for (size_t i = 0; i < root->routes_len; i++) {
		const struct config_route *route = &root->routes[i];
		check(route->limits.len <= ROUTE_LIMITS_MAX);
		l->routes[i].early = station_of(l, route, false, &next);
		l->routes[i].late = station_of(l, route, true, &next);
	}
}

static void *zeroed(size_t n, size_t size)
{
	void *memory = calloc(n ? n : 1, size);

	check(memory != NULL);
	return memory;
}

static bool wants_fleet(const struct config_root *root)
{
	for (size_t i = 0; root->redis && i < root->limits_len; i++)
		if (root->limits[i].scope == SCOPE_FLEET)
			return true;
	return false;
}

static void fleet_open(struct limits *l, const struct limit_remote *remote)
{
	struct siphash_key keys[NAME_KEYS];
	struct fleet *f;

	l->pieces = buckets_key(l->table);
	if (!wants_fleet(&l->config->root))
		return;
	check(fleet_key(l->config, FLEET_KEY_LIMITS, keys, sizeof keys)); /* each machine names a key alike */
	memcpy(l->names, keys, sizeof l->names);
	l->pieces = keys[2];
	l->records = keys[3];
	secret_wipe(keys, sizeof keys);
	l->named = true;
	if (!remote)
		return;
	l->fleet = f = zeroed(1, sizeof *f);
	f->remote = *remote;
	f->budget_ns = l->config->root.redis->budget;
	list_init(&f->queue);
	f->leases = zeroed(LEASES, sizeof *f->leases);
	f->owed = zeroed(OWED, sizeof *f->owed);
}

struct limits *limits_open(const struct config *c, struct buckets *table, const struct limit_remote *remote)
{
	struct limits *l = zeroed(1, sizeof *l);
	const struct config_root *root = &c->root;
	size_t listed = 0;

	for (size_t i = 0; i < root->routes_len; i++)
		listed += root->routes[i].limits.len;
	*l = (struct limits){ .config = c, .table = table, .plans_len = root->limits_len };
	l->plans = zeroed(root->limits_len, sizeof *l->plans);
	l->routes = zeroed(root->routes_len, sizeof *l->routes);
	l->lists = zeroed(listed, sizeof *l->lists);
	fleet_open(l, remote);
	for (size_t i = 0; i < root->limits_len; i++)
		plan_read(l, &l->plans[i], &root->limits[i]);
	routes_read(l);
	return l;
}

void limits_read_bodies(struct limits *l, enum step_result (*read)(struct request *))
{
	l->read_body = read;
}

void limits_close(struct limits *l)
{
	if (!l)
		return;
	if (l->fleet) {
		free(l->fleet->leases);
		free(l->fleet->owed);
		free(l->fleet);
	}
	secret_wipe(l->names, sizeof l->names);
	secret_wipe(&l->records, sizeof l->records);
	free(l->plans);
	free(l->routes);
	free(l->lists);
	free(l);
}
