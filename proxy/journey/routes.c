/* routes.c -- which route speaks for a request: exact host before wildcard before none, then the longest
 * path, an exact path before a prefix that matches it. Routes for the same host and path share its methods;
 * one that none of them names is denied, whatever a wider route would say. */
#include "journey/inside.h"
#include "base/check.h"
#include "base/way.h"
#include "metrics/metrics.h"
#include <stdlib.h>

struct route_row {
	struct route_facts *facts;
	struct slice host;
	struct slice path; /* prefix: without its star, with the slash */
	uint8_t rank;      /* 0 exact host, 1 wildcard, 2 none */
	bool prefix;
};

struct routes {
	struct route_row *rows; /* first those that speak for requests, in order of precedence; */
	size_t len;
	struct route_row *doors; /* then check routes, in any */
	size_t doors_len;
	struct route_facts *facts; /* of all, as configured */
};

/* Of what it matches at least: a prefix also matches without its slash. */
static size_t reach(const struct route_row *row)
{
	return row->path.len - row->prefix;
}

static int compare(const void *a, const void *b)
{
	const struct route_row *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->rank == 1 && x->host.len != y->host.len) /* the narrower wildcard first */
		return x->host.len > y->host.len ? -1 : 1;
	if (reach(x) != reach(y))
		return reach(x) > reach(y) ? -1 : 1;
	if (x->prefix != y->prefix)
		return x->prefix ? 1 : -1;
	return x->facts < y->facts ? -1 : 1; /* as written */
}

static struct route_row row_of(const struct config_route *route, struct route_facts *facts)
{
	struct route_row row = { .facts = facts, .host = route->host, .path = route->path, .rank = 0 };

	if (!route->host.len)
		row.rank = 2;
	if (slice_starts(route->host, S("*.")))
		row.rank = 1;
	if (slice_ends(route->path, S("/*"))) {
		row.prefix = true;
		row.path.len--;
	}
	return row;
}

struct routes *routes_open(const struct config *c)
{
	struct routes *t = calloc(1, sizeof *t);
	size_t all = c->root.routes_len;

	check(t);
	t->rows = calloc(all + 1, sizeof *t->rows);
	t->facts = calloc(all + 1, sizeof *t->facts);
	check(t->rows && t->facts);
	t->doors = t->rows + all;
	for (size_t i = 0; i < all; i++) {
		struct route_facts *f = &t->facts[i];
		f->route = &c->root.routes[i];
		f->seconds = metrics_series(METRIC_request_seconds, f->route->name, S(""), S(""), S(""));
		memset(f->counts, 0xff, sizeof f->counts);
		if (f->route->check == EXT_AUTH_NONE)
			t->rows[t->len++] = row_of(f->route, f);
		else
			*--t->doors = row_of(f->route, f);
	}
	t->doors_len = all - t->len;
	qsort(t->rows, t->len, sizeof *t->rows, compare);
	return t;
}

/* Is the path the door's to the letter, or the slash at *rest the last one of its prefix? */
static bool leads_to(const struct route_row *door, struct slice path, size_t *rest)
{
	*rest = path.len;
	if (!door->prefix)
		return slice_same(path, door->path);
	if (slice_starts(path, door->path)) {
		*rest = door->path.len - 1;
		return true;
	}
	/* an asterisk: Envoy's way to ask about OPTIONS * */
	struct slice bare = slice_head(door->path, door->path.len - 1);
	return slice_same(path, bare) ||
	       (bare.len && slice_starts(path, bare) && slice_same(slice_from(path, bare.len), S("*")));
}

/* In whatever way the door's path is spelled. */
static bool leads_round_to(const struct route_row *door, struct slice path, char *to, size_t *rest)
{
	bool slashes;
	size_t len;

	if (door->prefix && path_passes(path, door->path, to, rest))
		return true;
	*rest = path.len;
	if (!path_normalise_open(path, to, &len, &slashes))
		return false;
	struct slice normal = { to, len };
	return way_is(normal, false, door->path, door->prefix) ||
	       (slashes && way_is(normal, true, door->path, door->prefix));
}

struct route_facts *routes_door(const struct routes *t, struct slice target, char *scratch,
                                struct slice *rest)
{
	struct slice path = t->doors_len ? target_path(target) : S("");
	size_t at;

	for (size_t i = 0; i < t->doors_len; i++) {
		const struct route_row *door = &t->doors[i];
		if (!leads_to(door, path, &at) && (path_is_normal(path) || !leads_round_to(door, path, scratch, &at)))
			continue;
		*rest = at < path.len ? slice_from(target, (size_t)(path.at - target.at) + at) : S("");
		return door->facts;
	}
	return NULL;
}

void routes_close(struct routes *t)
{
	if (!t)
		return;
	free(t->rows);
	free(t->facts);
	free(t);
}

static bool is_for(const struct route_row *row, struct slice host)
{
	return row->rank == 2 || host_fits(row->host, host);
}

static bool path_fits(const struct route_row *row, struct slice path)
{
	if (!row->prefix)
		return slice_same(row->path, path);
	return slice_starts(path, row->path) || slice_same(path, slice_head(row->path, row->path.len - 1));
}

static bool method_fits(const struct config_route *route, const struct request *r)
{
	if (!route->methods.len)
		return !slice_same(r->method, S("TRACE")); /* it shows fields that are not the client's to see */
	/* a preflight is answered, never passed on */
	return texts_have(&route->methods, r->method) || is_preflight(r, route->cors);
}

static bool same_place(const struct route_row *a, const struct route_row *b)
{
	return a->rank == b->rank && a->prefix == b->prefix && slice_same(a->host, b->host) &&
	       slice_same(a->path, b->path);
}

static struct route_facts *find(const struct routes *t, const struct request *r, struct slice path,
                                enum fault *why, struct route_facts **denied)
{
	const struct route_row *first = NULL;

	*why = FAULT_NO_ROUTE;
	*denied = NULL;
	for (size_t i = 0; i < t->len; i++) {
		const struct route_row *row = &t->rows[i];
		if (!is_for(row, r->host) || !path_fits(row, path))
			continue;
		if (first && !same_place(first, row))
			break;
		if (method_fits(row->facts->route, r))
			return row->facts;
		if (first)
			continue;
		first = row;
		*denied = row->facts;
		*why = FAULT_METHOD_DENIED;
	}
	return NULL;
}

/* A path with escaped slashes is read in two ways, and some upstream takes each: both must lead to one route,
 * which says that it wants them. */
struct route_facts *routes_find(struct routes *t, const struct request *r, enum fault *why,
                                struct route_facts **denied)
{
	struct route_facts *found = find(t, r, r->way.len ? r->way : r->path, why, denied), *also_denied;
	enum fault also_why;

	if (!r->open_way.len)
		return found;
	const struct route_facts *speaks = found ? found : *denied;
	if (find(t, r, r->open_way, &also_why, &also_denied) == found && also_denied == *denied && speaks &&
	    speaks->route->encoded_slash == ENCODED_SLASH_KEEP)
		return found;
	*why = FAULT_BAD_TARGET;
	*denied = NULL;
	return NULL;
}

bool routes_know_host(const struct routes *t, struct slice host)
{
	for (size_t i = 0; i < t->len; i++)
		if (is_for(&t->rows[i], host))
			return true;
	return false;
}
