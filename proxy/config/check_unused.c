/* check_unused.c -- what is written and does nothing: allowed, and hardly meant. */
#include "config/check.h"

static bool uses_upstream(const struct config_route *r, struct slice name)
{
	return slice_same(r->upstream, name);
}

static bool uses_limit(const struct config_route *r, struct slice name)
{
	return texts_have(&r->limits, name);
}

static bool uses_issuer(const struct config_route *r, struct slice name)
{
	const struct config_route_verify *v = r->verify;

	return (v && (slice_same(v->issuer, name) || texts_have(&v->issuers, name))) ||
	       slice_same(r->needs_issuer, name);
}

static void warn_unused(struct check *k, struct slice name, struct config_place place, const char *what,
                        bool (*uses)(const struct config_route *r, struct slice name))
{
	for (size_t i = 0; i < k->root->routes_len; i++)
		if (uses(&k->root->routes[i], name))
			return;
	config_warn(k->load->errors, place, "no route uses the %s \"%.*s\"", what, SLICE(name));
}

void check_unused(struct check *k)
{
	const struct config_root *c = k->root;

	if (c->routes_len == 0) {
		config_warn(k->load->errors, c->place, "there are no routes: every request is answered 503");
		return;
	}
	for (size_t i = 0; i < c->upstreams_len; i++)
		warn_unused(k, c->upstreams[i].id, c->upstreams[i].place, "upstream", uses_upstream);
	for (size_t i = 0; i < c->limits_len; i++)
		warn_unused(k, c->limits[i].id, c->limits[i].place, "limit", uses_limit);
	for (size_t i = 0; i < c->issuers_len; i++)
		warn_unused(k, c->issuers[i].id, c->issuers[i].place, "issuer", uses_issuer);
}
