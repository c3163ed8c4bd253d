/* Checks the routes. */
#include "config/check.h"
#include <inttypes.h>

static const uint64_t deny_statuses[] = { 400, 401, 403, 405, 429, 503 };

/* ---- what becomes of a request ---- */

static void check_end(struct check *k, const struct config_route *r)
{
	int ends = (r->upstream.at != NULL) + (r->deny != CONFIG_ABSENT) + (r->redirect != NULL) +
	           (r->check != EXT_AUTH_NONE) + r->decide;
	bool known = r->deny == CONFIG_ABSENT;

	if (ends != 1)
		config_complain(k->load->errors, r->place,
		                "a route has exactly one of upstream, deny, redirect, check and decide, and this "
		                "one has %s",
		                ends ? "several" : "none");
	for (size_t i = 0; i < sizeof deny_statuses / sizeof deny_statuses[0]; i++)
		known |= r->deny == deny_statuses[i];
	if (r->deny == 404 || r->deny == 410)
		COMPLAIN(k, &r->deny, r,
		         "deny: %" PRIu64 " would tell machine clients that something no longer exists; 403 says "
		         "that it is not theirs",
		         r->deny);
	else if (!known)
		COMPLAIN(k, &r->deny, r, "deny: %" PRIu64 " is none of 400, 401, 403, 405, 429 and 503", r->deny);
	if (r->redirect)
		check_redirect(k, r->redirect);
}

/* Nothing is open by omission. */
static void check_openness(struct check *k, const struct config_route *r)
{
	if (r->verify && r->anonymous)
		COMPLAIN(k, &r->anonymous, r, "a route has verify or anonymous: true, not both");
	else if ((r->upstream.at || r->decide) && !r->verify && !r->anonymous)
		config_complain(k->load->errors, r->place,
		                "a route with %s needs verify, or anonymous: true where it is meant "
		                "to be open to everyone",
		                r->decide ? "decide" : "an upstream");
}

/* A door for other proxies: what it asks is asked by the routes that it decides by. */
static void check_door(struct check *k, const struct config_route *r)
{
	if (r->check == EXT_AUTH_NONE)
		return;
	if (r->host.len)
		COMPLAIN(k, &r->host, r,
		         "a check route has no host: its path is kept for questions whatever their Host is, which "
		         "nginx and Caddy take from their client");
	if (r->methods.len)
		COMPLAIN(k, &r->methods, r,
		         "a check route has no methods: its path is kept for questions of every method");
	if (r->verify || r->anonymous || r->limits.len)
		COMPLAIN(k, &r->check, r,
		         "a check route has no verify, anonymous or limits: those of the described request's own "
		         "route count");
	if (r->certificate)
		COMPLAIN(k, &r->certificate, r,
		         "a check route has no certificate: who may ask is said by trusted_proxies");
	if (k->root->trusted_proxies.len == 0)
		COMPLAIN(k, &r->check, r,
		         "a check route answers trusted proxies alone, and trusted_proxies is empty");
	if (r->check == EXT_AUTH_ENVOY && !slice_ends(r->path, S("/*")))
		COMPLAIN(k, &r->check, r,
		         "Envoy appends the described path to its path_prefix, so the path of this route must "
		         "end in /*");
}

/* Does some listener ask for certificates under a host that the route is for? */
static bool is_asked_for(const struct check *k, struct slice host)
{
	for (size_t i = 0; i < k->root->listeners_len; i++) {
		const struct config_listener_tls *t = k->root->listeners[i].tls;
		if (!t || t->client_certificate == CLIENT_CERTIFICATE_NONE)
			continue;
		if (!t->client_hosts.len || !host.len)
			return true;
		for (size_t j = 0; j < t->client_hosts.len; j++)
			if (hosts_meet(t->client_hosts.at[j], host))
				return true;
	}
	return false;
}

static void check_route_certificate(struct check *k, const struct config_route *r)
{
	if (r->certificate == ROUTE_CERTIFICATE_REQUIRED && r->check == EXT_AUTH_NONE &&
	    !is_asked_for(k, r->host))
		COMPLAIN(k, &r->certificate, r,
		         "certificate: required would refuse everybody: no listener asks for client certificates "
		         "under this route's host (tls.client_certificate, tls.client_hosts)");
}

static bool needs_token(const struct config_limit *l)
{
	for (size_t i = 0; i < l->key.len; i++)
		if (slice_same(l->key.at[i], S("subject")) || slice_same(l->key.at[i], S("client")) ||
		    slice_same(l->key.at[i], S("tenant")))
			return true;
	return false;
}

static void check_route_limits(struct check *k, const struct config_route *r)
{
	unsigned owed = 0;

	for (size_t i = 0; i < r->limits.len; i++) {
		const struct slice *name = &r->limits.at[i];
		const struct config_limit *limit = check_name(k, &k->limits, name, r->place, "limit");
		owed += limit && limit->outcomes.len;
		if (limit && needs_token(limit) && !r->verify)
			COMPLAIN(k, name, r,
			         "the limit \"%.*s\" counts by what a token says, and this route has no verify",
			         SHOWN(k, name));
	}
	if (r->limits.len > ROUTE_LIMITS_MAX)
		COMPLAIN(k, &r->limits, r, "limits: more than %d on one route", ROUTE_LIMITS_MAX);
	if (owed > LIMIT_OWED_MAX)
		COMPLAIN(k, &r->limits, r, "more than %d of this route's limits have outcomes", LIMIT_OWED_MAX);
	check_distinct(k, &r->limits, r->place, "limit");
}

void check_methods(struct check *k, const struct config_texts *methods, struct config_place holder)
{
	for (size_t i = 0; i < methods->len; i++) {
		const struct slice *m = &methods->at[i];
		const struct config_place at = load_place(k->load, m, holder);
		bool lower = false;
		for (size_t j = 0; j < m->len; j++)
			lower |= m->at[j] >= 'a' && m->at[j] <= 'z';
		if (!check_is_token(*m))
			config_complain(k->load->errors, at, "methods: \"%.*s\" is not a valid method", SHOWN(k, m));
		else if (lower)
			config_complain(k->load->errors, at,
			                "methods: \"%.*s\" would match no request; methods are written in capitals",
			                SHOWN(k, m));
	}
	check_distinct(k, methods, holder, "method");
}

/* What the absence guard watches is an upstream's answer. */
static void check_guard(struct check *k, const struct config_route *r)
{
	if (r->watch_empty && !(r->reconcile && r->upstream.at))
		COMPLAIN(k, &r->watch_empty, r,
		         "watch_empty has the absence guard read what an upstream answers: it needs an upstream and "
		         "reconcile: true");
}

static void check_route(struct check *k, struct config_route *r)
{
	check_end(k, r);
	check_openness(k, r);
	check_door(k, r);
	check_route_certificate(k, r);
	if (r->upstream.at)
		check_name(k, &k->upstreams, &r->upstream, r->place, "upstream");
	if (r->needs_issuer.at)
		check_name(k, &k->issuers, &r->needs_issuer, r->place, "issuer");
	if (r->verify)
		check_verify(k, r->verify);
	check_route_limits(k, r);
	check_guard(k, r);
	check_methods(k, &r->methods, r->place);
	if (r->request_headers)
		check_headers(k, r->request_headers, true);
	if (r->response_headers)
		check_headers(k, r->response_headers, false);
	if (r->cors)
		check_cors(k, r->cors);
}

/* ---- routes among each other ---- */

struct place_in_table { /* the routes of one host and path */
	struct config_route *route;
	struct place_in_table *next;
};

static bool share_method(const struct config_route *a, const struct config_route *b)
{
	if (a->methods.len == 0 || b->methods.len == 0)
		return true;
	for (size_t i = 0; i < a->methods.len; i++)
		for (size_t j = 0; j < b->methods.len; j++)
			if (slice_same(a->methods.at[i], b->methods.at[j]))
				return true;
	return false;
}

static void check_overlap(struct check *k, struct index *table, struct config_route *r)
{
	struct place_in_table *here = store_take(&k->load->scratch, sizeof *here);
	struct slice key = store_printf(&k->load->scratch, "%.*s %.*s", SLICE(r->host), SLICE(r->path));

	here->route = r;
	struct place_in_table *first = index_add(table, key, here);
	if (!first)
		return;
	for (struct place_in_table *old = first; old; old = old->next)
		if (share_method(old->route, r)) {
			config_complain(k->load->errors, r->place,
			                "this route is for the same host, path and method as the one at %s:%u:%u",
			                old->route->place.file, old->route->place.line, old->route->place.column);
			return;
		}
	here->next = first->next;
	first->next = here;
}

static bool is_within(struct slice path, struct slice other)
{
	if (!slice_ends(other, S("/*")))
		return slice_same(path, other);
	size_t len = other.len - 1; /* a prefix also matches without its slash */
	return slice_starts(path, slice_head(other, len)) || slice_same(path, slice_head(other, len - 1));
}

/* The path says which kind of proxy asks, so no two of them may be meant by one. */
static void check_doors_apart(struct check *k, const struct config_route *r)
{
	for (const struct config_route *o = k->root->routes; r->check != EXT_AUTH_NONE && o < r; o++) {
		if (o->check == EXT_AUTH_NONE || load_is_broken(k->load, &o->place))
			continue;
		if (is_within(r->path, o->path) || is_within(o->path, r->path))
			COMPLAIN(k, &r->path, r,
			         "the path of this check route and that of the one at %s:%u:%u lie within each other, so "
			         "nobody could say which of them is asked",
			         o->place.file, o->place.line, o->place.column);
	}
}

/* What a route does not say is what its upstream, or http:, says. */
static void fill(struct check *k, struct config_route *r)
{
	const struct config_upstream *u = r->upstream.at ? index_find(&k->upstreams, r->upstream) : NULL;

	if (!load_is_written(k->load, &r->body_max))
		r->body_max = k->root->http.body_max;
	if (!u)
		return;
	if (!load_is_written(k->load, &r->header_timeout))
		r->header_timeout = u->header_timeout;
	if (!load_is_written(k->load, &r->idle_timeout))
		r->idle_timeout = u->idle_timeout;
	if (!load_is_written(k->load, &r->total_timeout))
		r->total_timeout = u->total_timeout;
}

void check_routes(struct check *k)
{
	struct index table = index_of(&k->load->scratch);

	check_route_names(k);
	for (size_t i = 0; i < k->root->routes_len; i++) {
		struct config_route *r = &k->root->routes[i];
		if (load_is_broken(k->load, &r->place))
			continue;
		check_route(k, r);
		check_overlap(k, &table, r);
		check_doors_apart(k, r);
		fill(k, r);
	}
}
