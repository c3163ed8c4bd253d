/* What each route demands, made ready once: whose tokens, and which claims decide. */
#include "base/check.h"
#include "verify/worker.h"

struct issuer *gate_issuer(const struct verify *v, struct slice name)
{
	for (size_t i = 0; i < v->config->root.issuers_len; i++)
		if (slice_same(v->issuer[i].config->id, name))
			return &v->issuer[i];
	return NULL;
}

static void open_issuers(struct verify *v, struct gate *g, struct config_errors *errors)
{
	const struct config_route_verify *rule = g->rule;
	const struct slice *names = rule->issuers.len ? rule->issuers.at : &rule->issuer;
	size_t len = rule->issuers.len ? rule->issuers.len : 1;

	g->issuer = calloc(len, sizeof *g->issuer);
	g->names = calloc(len, sizeof *g->names);
	check(g->issuer && g->names);
	for (size_t i = 0; i < len; i++) {
		struct issuer *issuer = gate_issuer(v, names[i]);
		if (!issuer) {
			config_complain(errors, rule->place, "no issuer is named %.*s", SLICE(names[i]));
			continue;
		}
		const struct config_issuer *c = issuer->config;
		g->names[g->len] = (struct claims_names){ c->client_claim, c->tenant_claim, c->issuer };
		g->issuer[g->len++] = issuer;
	}
	g->plan = (struct claims_plan){ g->names, g->len, { v->wanted, 0 }, false };
}

/* A token that is no JWT does not say whose it is. */
static void choose_opaque(struct gate *g, struct config_errors *errors)
{
	g->opaque = g->len;
	for (size_t i = 0; i < g->len; i++) {
		if (!g->issuer[i]->config->opaque)
			continue;
		if (g->opaque < g->len)
			config_complain(errors, g->rule->place,
			                "both %.*s and %.*s can be asked for opaque tokens; of a route's issuers one may",
			                SLICE(g->issuer[g->opaque]->config->id), SLICE(g->issuer[i]->config->id));
		g->opaque = i;
	}
}

/* A route can only narrow. */
static void check_audiences(const struct gate *g, struct config_errors *errors)
{
	for (size_t i = 0; i < g->rule->audiences.len; i++) {
		bool found = false;
		for (size_t j = 0; j < g->len; j++)
			found |= texts_have(&g->issuer[j]->config->audiences, g->rule->audiences.at[i]);
		if (!found && g->len)
			config_complain(errors, g->rule->place,
			                "the audience %.*s is not among those of issuer %.*s; "
			                "a route can only narrow them",
			                SLICE(g->rule->audiences.at[i]), SLICE(g->issuer[0]->config->id));
	}
}

/* Its place among those that are read of every token. */
static size_t want(struct verify *v, struct slice name)
{
	size_t i = 0;

	while (i < v->wanted_len && !slice_same(v->wanted[i], name))
		i++;
	if (i == v->wanted_len && i < CLAIMS_WANTED_MAX)
		v->wanted[v->wanted_len++] = name;
	return i;
}

static void open_conditions(struct verify *v, struct gate *g, struct config_errors *errors)
{
	const struct config_choices *claims = &g->rule->claims;

	g->condition = calloc(claims->len + 1, sizeof *g->condition);
	check(g->condition);
	for (size_t i = 0; i < claims->len; i++) {
		size_t at = want(v, claims->at[i].name);
		if (at == CLAIMS_WANTED_MAX)
			config_complain(errors, g->rule->place,
			                "the routes have conditions for more than %d claims; %.*s is one too many",
			                CLAIMS_WANTED_MAX, SLICE(claims->at[i].name));
		else
			g->condition[i] = CLAIM_WANTED + (enum claim)at;
	}
}

static void open_carriers(struct gate *g, struct config_errors *errors)
{
	const struct config_texts *from = &g->rule->from;
	const char *why;

	if (from->len == 0 || from->len > CARRIERS_MAX)
		config_complain(errors, g->rule->place, "verify.from names one to %d places to take tokens from",
		                CARRIERS_MAX);
	for (size_t i = 0; i < from->len && i < CARRIERS_MAX; i++) {
		if (!carrier_read(from->at[i], &g->carrier[i], &why))
			config_complain(errors, g->rule->place, "tokens cannot be taken from \"%.*s\": %s",
			                SLICE(from->at[i]), why);
		g->carriers++;
	}
}

void gates_open(struct verify *v, struct config_errors *errors)
{
	const struct config_root *root = &v->config->root;

	for (size_t i = 0; i < root->routes_len; i++) {
		struct gate *g = &v->gate[i];
		g->rule = root->routes[i].verify;
		if (!g->rule)
			continue;
		open_issuers(v, g, errors);
		choose_opaque(g, errors);
		check_audiences(g, errors);
		open_conditions(v, g, errors);
		open_carriers(g, errors);
	}
	for (size_t i = 0; i < root->routes_len; i++)
		v->gate[i].plan.wanted.len = v->wanted_len;
}

void gates_close(struct verify *v)
{
	for (size_t i = 0; v->gate && i < v->config->root.routes_len; i++) {
		free(v->gate[i].issuer);
		free(v->gate[i].names);
		free(v->gate[i].condition);
	}
	free(v->gate);
}
