#include "verify/worker.h"

/* exp, nbf, iat with the skew forgiven on each (RFC 7519 section 4.1). */
static enum fault judge_time(const struct claims *c, uint64_t wall_s, uint64_t skew_s)
{
	if (wall_s >= c->expires_s + skew_s)
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

static bool has_all(const struct config_texts *wanted, const struct claims *c, enum claim list)
{
	for (size_t i = 0; i < wanted->len; i++)
		if (!claims_have(c, list, wanted->at[i]))
			return false;
	return true;
}

enum fault judge_claims(const struct verify *v, const struct gate *g, const struct claims *c,
                        uint64_t wall_s)
{
	const struct config_issuer *issuer = g->issuer->config;

	if (!slice_same(claims_get(c, CLAIM_ISSUER), issuer->issuer))
		return FAULT_TOKEN_ISSUER;
	enum fault fault = judge_time(c, wall_s, v->config->root.verification.skew / NS_PER_S);
	if (fault)
		return fault;
	if (!meets(g->audiences, c, CLAIM_AUDIENCE))
		return FAULT_TOKEN_AUDIENCE;
	if (issuer->azp.len && !is_one_of(&issuer->azp, claims_get(c, CLAIM_PARTY)))
		return FAULT_TOKEN_AUDIENCE;
	return FAULT_NONE;
}

enum fault judge_rights(const struct gate *g, const struct claims *c)
{
	if (has_all(&g->rule->scopes, c, CLAIM_SCOPE) && has_all(&g->rule->permissions, c, CLAIM_PERMISSIONS))
		return FAULT_NONE;
	return FAULT_TOKEN_SCOPE;
}
