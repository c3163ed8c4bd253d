#include "verify/worker.h"

/* exp, nbf, iat with the skew forgiven on each (RFC 7519 section 4.1). */
static enum fault judge_time(const struct claims *c, uint64_t wall_s, uint64_t skew_s)
{
	if (c->expires_s && wall_s >= c->expires_s + skew_s)
		return FAULT_TOKEN_EXPIRED;
	if (c->not_before_s > wall_s + skew_s || c->issued_s > wall_s + skew_s)
		return FAULT_TOKEN_EARLY;
	return FAULT_NONE;
}

static bool meets(const struct config_texts *allowed, const struct claims *c, enum claim list)
{
	for (size_t i = 0; i < allowed->len; i++)
		if (claims_have(c, list, allowed->at[i]))
			return true;
	return false;
}

static bool is_one_of(const struct config_texts *allowed, struct slice word)
{
	for (size_t i = 0; i < allowed->len; i++)
		if (slice_same(allowed->at[i], word))
			return true;
	return false;
}

/* One audience that the token names, the issuer has and the route takes. */
static bool is_for_us(const struct config_texts *routes, const struct config_texts *issuers,
                      const struct claims *c)
{
	if (!routes->len)
		return meets(issuers, c, CLAIM_AUDIENCE);
	for (size_t i = 0; i < routes->len; i++)
		if (is_one_of(issuers, routes->at[i]) && claims_have(c, CLAIM_AUDIENCE, routes->at[i]))
			return true;
	return false;
}

static bool has_all(const struct config_texts *wanted, const struct claims *c, enum claim list)
{
	for (size_t i = 0; i < wanted->len; i++)
		if (!claims_have(c, list, wanted->at[i]))
			return false;
	return true;
}

enum fault judge_claims(const struct verify *v, const struct gate *g, const struct issuer *i,
                        const struct claims *c, bool is_said, uint64_t wall_s)
{
	bool any_audience = is_said && !claims_get(c, CLAIM_AUDIENCE).len && !g->rule->audiences.len;
	const struct config_issuer *issuer = i->config;

	if (!slice_same(claims_get(c, CLAIM_ISSUER), issuer->issuer))
		return FAULT_TOKEN_ISSUER;
	enum fault fault = judge_time(c, wall_s, v->config->root.verification.skew / NS_PER_S);
	if (fault)
		return fault;
	if (!any_audience && !is_for_us(&g->rule->audiences, &issuer->audiences, c))
		return FAULT_TOKEN_AUDIENCE;
	if (issuer->azp.len && !is_one_of(&issuer->azp, claims_get(c, CLAIM_PARTY)))
		return FAULT_TOKEN_AUDIENCE;
	return FAULT_NONE;
}

enum fault judge_rights(const struct gate *g, const struct claims *c)
{
	const struct config_route_verify *rule = g->rule;

	if (!has_all(&rule->scopes, c, CLAIM_SCOPE) || !has_all(&rule->permissions, c, CLAIM_PERMISSIONS))
		return FAULT_TOKEN_SCOPE;
	for (size_t i = 0; i < rule->claims.len; i++)
		if (!meets(&rule->claims.at[i].values, c, g->condition[i]))
			return FAULT_TOKEN_CLAIM;
	return FAULT_NONE;
}
