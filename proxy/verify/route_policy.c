/* What each route demands, made ready once: whose tokens, and which claims decide. */
#include "base/check.h"
#include "verify/inside.h"

struct issuer *issuer_named(const struct verify *v, struct slice name)
{
	for (size_t i = 0; i < v->config->root.issuers_len; i++)
		if (slice_same(v->issuer[i].config->id, name))
			return &v->issuer[i];
	return NULL;
}

static void open_issuers(struct verify *v, struct route_policy *g)
{
	const struct config_route_verify *rule = g->rule;
	const struct slice *names = rule->issuers.len ? rule->issuers.at : &rule->issuer;
	size_t len = rule->issuers.len ? rule->issuers.len : 1;

	g->issuer = calloc(len, sizeof *g->issuer);
	g->names = calloc(len, sizeof *g->names);
	check(g->issuer && g->names);
	for (size_t i = 0; i < len; i++) {
		struct issuer *issuer = issuer_named(v, names[i]);
		check(issuer);
		const struct config_issuer *c = issuer->config;
		g->names[g->len] = (struct claims_names){ c->client_claim, c->tenant_claim, c->issuer };
		g->issuer[g->len++] = issuer;
	}
	g->plan = (struct claims_plan){ g->names, g->len, { v->wanted, 0 }, false };
}

/* A token that is no JWT does not say whose it is: of a route's issuers one at most is asked. */
static void choose_opaque(struct route_policy *g)
{
	g->opaque = 0;
	while (g->opaque < g->len && !g->issuer[g->opaque]->config->opaque)
		g->opaque++;
}

/* Its place among those that are read of every token. */
static size_t want(struct verify *v, struct slice name)
{
	size_t i = 0;

	while (i < v->wanted_len && !slice_same(v->wanted[i], name))
		i++;
	check(i < CLAIMS_WANTED_MAX);
	if (i == v->wanted_len)
		v->wanted[v->wanted_len++] = name;
	return i;
}

static void open_conditions(struct verify *v, struct route_policy *g)
{
	const struct config_choices *claims = &g->rule->claims;

	g->condition = calloc(claims->len + 1, sizeof *g->condition);
	check(g->condition);
	for (size_t i = 0; i < claims->len; i++)
		g->condition[i] = CLAIM_WANTED + (enum claim)want(v, claims->at[i].name);
}

static void open_carriers(struct route_policy *g)
{
	const struct config_texts *from = &g->rule->from;

	check(from->len && from->len <= CARRIERS_MAX);
	for (size_t i = 0; i < from->len; i++)
		g->carrier[g->carriers++] = carrier_read(from->at[i]);
}

/* config/ has checked what is written there. */
void route_policies_open(struct verify *v)
{
	const struct config_root *root = &v->config->root;

	for (size_t i = 0; i < root->routes_len; i++) {
		struct route_policy *g = &v->policy[i];
		g->rule = root->routes[i].verify;
		if (!g->rule)
			continue;
		open_issuers(v, g);
		choose_opaque(g);
		open_conditions(v, g);
		open_carriers(g);
	}
	for (size_t i = 0; i < root->routes_len; i++)
		v->policy[i].plan.wanted.len = v->wanted_len;
}

void route_policies_close(struct verify *v)
{
	for (size_t i = 0; v->policy && i < v->config->root.routes_len; i++) {
		free(v->policy[i].issuer);
		free(v->policy[i].names);
		free(v->policy[i].condition);
	}
	free(v->policy);
}
