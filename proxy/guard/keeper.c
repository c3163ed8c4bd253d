/* keeper.c -- the keeper's turn: latches end and are told, the ledger is kept, operators are heard. */
#include "guard/keeper.h"
#include "base/check.h"
#include "base/log.h"
#include "base/stamp.h"
#include "metrics/metrics.h"
#include <stdlib.h>

#define LOOK_NS (200 * NS_PER_MS)
#define CALM_S 30               /* without evidence; then the share decides */
#define KEYS_NS (30 * NS_PER_S) /* between two snapshots of keys while there is traffic */
#define SOON_NS (2 * NS_PER_S)  /* ... after an absence, and of the ledger */
#define COUNT_NS (10 * NS_PER_S)

/* ---- latches ---- */

/* The share has fallen: enough answers are there to say so, and the keys that were gone are back. */
static bool is_calm(const struct kept_route *r, struct latch l, uint64_t now)
{
	struct share s = share_now(r->shared, now);
	bool quiet = l.until + CALM_S <= now + LATCH_S;
	bool ordered = atomic_load(&r->shared->cause) == CAUSE_OPERATOR;

	return quiet && !ordered && s.answers >= REQUESTS_LEAST && s.principals >= PRINCIPALS_LEAST && !s.over &&
	       flips_of(r->shared, l, now) < FLIPS_MOST;
}

static enum latch_cause cause_of(const struct kept_route *r)
{
	uint64_t cause = atomic_load(&r->shared->cause);

	return cause < CAUSES ? (enum latch_cause)cause : CAUSE_NONE;
}

static void look_at(struct guard_keeper *k, struct kept_route *r, uint64_t now)
{
	struct latch l = latch_of(r->shared, now);

	if (l.on && is_calm(r, l, now) && latch_drop(r->shared, now)) {
		r->calm_ms = cause_of(r) == CAUSE_FLEET ? 0 : fleet_ms(k);
		k->fleet.urgent = true;
		l.on = false;
	}
	if (l.on && !r->was_on) {
		metrics_add(r->latches[cause_of(r)], 1);
		k->fleet.urgent = k->hurry = true;
	}
	if (!l.on && r->was_on) {
		log_warn("guard: route %.*s: absences are held no longer", SLICE(r->config->name));
		k->hurry = true;
	}
	r->was_on = l.on;
	metrics_set(r->latched, l.on);
}

void route_release(struct kept_route *r, uint64_t now)
{
	atomic_store(&r->shared->released_s, now);
	flips_forget(r->shared);
	share_forget(r->shared);
	latch_drop(r->shared, now);
	memset(r->flips, 0, sizeof r->flips);
}

static void trip(struct kept_route *r, uint64_t now)
{
	atomic_store(&r->shared->released_s, 0);
	latch_set(r->shared, CAUSE_OPERATOR, now + LATCH_S, now);
	atomic_store(&r->shared->cause, CAUSE_OPERATOR);
}

const char *guard_keeper_order(struct guard_keeper *k, struct slice order, struct slice route,
                               uint64_t wall_s)
{
	bool release = slice_same(order, S("release")), found = false;
	uint64_t now = guard_time(wall_s);

	for (size_t i = 0; i < k->routes_len; i++) {
		struct kept_route *r = &k->routes[i];
		if (route.len && !slice_same(route, r->config->name))
			continue;
		found = true;
		if (release)
			route_release(r, now);
		else
			trip(r, now);
		r->release_ms = release ? fleet_ms(k) : 0;
		r->dropped_ms = release ? r->release_ms : r->dropped_ms;
	}
	k->hurry = k->fleet.urgent = true;
	k->looked_ns = 0;
	return found       ? NULL
	       : route.len ? "no route of that name has reconcile: true"
	                   : "no route has reconcile: true";
}

/* ---- news and its turn ---- */

static void end_texts(struct guard_news *n)
{
	n->route[sizeof n->route - 1] = n->tenant[sizeof n->tenant - 1] = n->client[sizeof n->client - 1] = '\0';
	n->subject[sizeof n->subject - 1] = n->address[sizeof n->address - 1] = n->path[sizeof n->path - 1] =
	    '\0';
}

/* A worker's words are bounded before they are believed: it cannot date them into the future. */
void guard_keeper_hear(struct guard_keeper *k, const struct guard_news *news, uint64_t wall_s)
{
	struct guard_news n = *news;

	if (n.event >= GUARD_EVENTS)
		return;
	end_texts(&n);
	n.at_s = n.at_s < wall_s ? n.at_s : wall_s;
	n.good_s = n.good_s < wall_s ? n.good_s : wall_s;
	n.status = n.status < 600 ? n.status : 0;
	ledger_hear(&k->ledger, &n);
	k->hurry = k->fleet.urgent = true;
	k->looked_ns = 0;
}

static void count(struct guard_keeper *k)
{
	size_t absent;

	metrics_set(metrics_lone(METRIC_guard_keys), (int64_t)keys_used(k->table, &absent));
	metrics_set(metrics_lone(METRIC_guard_ledger), (int64_t)k->ledger.len);
}

static void keep(struct guard_keeper *k, uint64_t now_ns)
{
	uint64_t moved = atomic_load(&k->table->moved), since_ns = now_ns - k->keys_ns;

	if ((k->hurry && since_ns >= SOON_NS) || (moved != k->keys_moved && since_ns >= KEYS_NS)) {
		k->keys_moved = moved;
		k->keys_ns = now_ns;
		k->hurry = false;
		keep_keys(k);
	}
	/* what is long takes long to write */
	uint64_t pause_ns = SOON_NS * (1 + k->ledger.len / 1000);
	if (k->ledger.moved && now_ns - k->ledger_ns >= pause_ns) {
		k->ledger_ns = now_ns;
		keep_ledger(k);
	}
}

uint64_t guard_keeper_tick(struct guard_keeper *k, uint64_t now_ns, uint64_t wall_s)
{
	if (!k->routes_len)
		return UINT64_MAX;
	k->wall_s = wall_s;
	if (now_ns >= k->looked_ns + LOOK_NS || !k->looked_ns) {
		k->looked_ns = now_ns;
		for (size_t i = 0; i < k->routes_len; i++)
			look_at(k, &k->routes[i], guard_time(wall_s));
	}
	if (now_ns >= k->counted_ns + COUNT_NS || !k->counted_ns) {
		k->counted_ns = now_ns;
		count(k);
	}
	keep(k, now_ns);
	uint64_t due_ns = fleet_tick(k, now_ns);
	return due_ns < k->looked_ns + LOOK_NS ? due_ns : k->looked_ns + LOOK_NS;
}

/* ---- telling ---- */

static void tell_time(struct text *t, const char *name, uint64_t time)
{
	text_printf(t, ",\"%s\":", name);
	if (!time) {
		text_add(t, S("null"));
		return;
	}
	text_char(t, '"');
	stamp_rfc3339(t, guard_wall(time) * NS_PER_S);
	text_char(t, '"');
}

static void tell_route(const struct kept_route *r, uint64_t now, struct text *t)
{
	struct latch l = latch_of(r->shared, now);
	struct share s = share_now(r->shared, now);
	uint64_t released = atomic_load(&r->shared->released_s), elsewhere = atomic_load(&r->shared->elsewhere);

	text_add(t, S("{\"route\":\""));
	text_json(t, r->config->name);
	text_printf(t, "\",\"latched\":%s,\"cause\":%s%s%s", l.on ? "true" : "false", l.on ? "\"" : "",
	            l.on ? cause_names[cause_of(r)] : "null", l.on ? "\"" : "");
	tell_time(t, "since", l.on ? l.since : 0);
	tell_time(t, "until", l.on ? l.until : 0);
	tell_time(t, "released", released <= now ? released : 0);
	text_printf(t, ",\"flips\":%u,\"flips_elsewhere\":%u", flips_of(r->shared, l, now),
	            (unsigned)(elsewhere < FLIP_SLOTS ? elsewhere : FLIP_SLOTS));
	text_printf(t, ",\"answers\":%llu,\"absences\":%llu,\"principals\":%u,\"usual_ppm\":%llu}",
	            (unsigned long long)s.answers, (unsigned long long)s.absences, s.principals,
	            (unsigned long long)s.usual);
}

void guard_keeper_tell(const struct guard_keeper *k, uint64_t wall_s, const struct guard_page *page,
                       struct text *t)
{
	size_t absent, used;

	if (page) {
		ledger_tell(&k->ledger, page->since_s, page->from, t);
		return;
	}
	used = keys_used(k->table, &absent);

	text_add(t, S("{\"routes\":["));
	for (size_t i = 0; i < k->routes_len; i++) {
		if (i)
			text_char(t, ',');
		tell_route(&k->routes[i], guard_time(wall_s), t);
	}
	text_printf(t, "],\"keys\":%zu,\"absent\":%zu,\"ledger\":%zu,\"places\":%zu}", used, absent,
	            k->ledger.len, k->ledger.most);
}

/* ---- opening and closing ---- */

static bool open_route(struct guard_keeper *k, const struct config_route *route)
{
	struct kept_route *r = &k->routes[k->routes_len];

	*r = (struct kept_route){ .config = route, .name = siphash(k->key, route->name) | 1 };
	r->shared = route_find(k->table, r->name, true);
	if (!r->shared) {
		log_error(
		    "guard: route %.*s: there is no place for it in shared memory: each worker counts alone, and "
		    "operators cannot release it. A restart makes room",
		    SLICE(route->name));
		return false;
	}
	r->latched = metrics_series(METRIC_guard_latched, route->name, S(""), S(""), S(""));
	for (int i = 0; i < CAUSES; i++)
		r->latches[i] =
		    metrics_series(METRIC_guard_latches_total, route->name, slice_of(cause_names[i]), S(""), S(""));
	k->routes_len++;
	return true;
}

struct guard_keeper *guard_keeper_open(const struct config *c, struct guard_table *t, struct siphash_key key,
                                       const struct guard_env *w, uint64_t wall_s)
{
	struct guard_keeper *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	*k = (struct guard_keeper){ .config = c, .table = t, .key = key, .world = *w, .wall_s = wall_s };
	k->routes = calloc(c->root.routes_len + 1, sizeof *k->routes);
	if (!k->routes || !ledger_open(&k->ledger, (size_t)c->root.guard.places)) {
		free(k->routes);
		free(k);
		return NULL;
	}
	for (size_t i = 0; i < c->root.routes_len; i++)
		if (c->root.routes[i].reconcile)
			(void)open_route(k, &c->root.routes[i]);
	keep_take(k);
	fleet_open(k);
	return k;
}

void guard_keeper_close(struct guard_keeper *k, uint64_t wall_s)
{
	if (!k)
		return;
	k->wall_s = wall_s;
	if (k->routes_len)
		keep_keys(k);
	if (k->ledger.moved)
		keep_ledger(k);
	ledger_close(&k->ledger);
	fleet_close(k);
	free(k->routes);
	free(k);
}
