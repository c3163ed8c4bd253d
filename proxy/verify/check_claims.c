/* Checks the claims of a token: times, audience, party, scopes. */
#include "base/text.h"
#include "verify/auth.h"

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

/* One audience that the token names, the issuer has and the route takes. */
static bool is_for_us(const struct config_texts *routes, const struct config_texts *issuers,
                      const struct claims *c)
{
	if (!routes->len)
		return meets(issuers, c, CLAIM_AUDIENCE);
	for (size_t i = 0; i < routes->len; i++)
		if (texts_have(issuers, routes->at[i]) && claims_have(c, CLAIM_AUDIENCE, routes->at[i]))
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

/* A token that names no audience was made for the client that it names, where the issuer's tokens are like
 * that; one that the issuer vouches for when asked is for whoever may ask. */
static bool is_meant_for_us(const struct auth *t, const struct claims *c, bool is_said)
{
	const struct config_texts *routes = &t->policy->rule->audiences;
	const struct config_issuer *issuer = t->issuer->config;
	struct slice client = claims_get(c, CLAIM_CLIENT);

	if (claims_get(c, CLAIM_AUDIENCE).len)
		return is_for_us(routes, &issuer->audiences, c);
	if (issuer->audience_missing == AUDIENCE_MISSING_REFUSE)
		return false;
	if (client.len && texts_have(&issuer->audiences, client) && (!routes->len || texts_have(routes, client)))
		return true;
	return is_said && !routes->len;
}

/* Is the token that of a key whose owner is on the line? (RFC 8705 section 3) Whoever is asked about came
 * over another proxy's connection. */
static bool is_proven(const struct request *r, const struct claims *c)
{
	char room[64];
	struct text t = TEXT(room);
	struct slice binding = claims_get(c, CLAIM_BINDING), thumbprint = r->client_facts->thumbprint;

	if (!binding.len)
		return true;
	if (r->ext_auth || !thumbprint.len)
		return false;
	text_base64url(&t, thumbprint.at, thumbprint.len);
	return slice_same(text_slice(&t), binding); /* neither is a secret */
}

enum fault check_token_claims(const struct auth *t, const struct claims *c, bool is_said)
{
	const struct config_issuer *issuer = t->issuer->config;

	if (!slice_same(claims_get(c, CLAIM_ISSUER), issuer->issuer))
		return FAULT_TOKEN_ISSUER;
	enum fault fault = judge_time(c, t->wall_s, t->verify->config->root.verification.skew / NS_PER_S);
	if (fault)
		return fault;
	if (!is_meant_for_us(t, c, is_said))
		return FAULT_TOKEN_AUDIENCE;
	if (issuer->azp.len && !texts_have(&issuer->azp, claims_get(c, CLAIM_PARTY)))
		return FAULT_TOKEN_AUDIENCE;
	return is_proven(t->request, c) ? FAULT_NONE : FAULT_TOKEN_BOUND;
}

enum fault check_token_rights(const struct route_policy *g, const struct claims *c)
{
	const struct config_route_verify *rule = g->rule;

	if (!has_all(&rule->scopes, c, CLAIM_SCOPE) || !has_all(&rule->permissions, c, CLAIM_PERMISSIONS))
		return FAULT_TOKEN_SCOPE;
	for (size_t i = 0; i < rule->claims.len; i++)
		if (!meets(&rule->claims.at[i].values, c, g->condition[i]))
			return FAULT_TOKEN_CLAIM;
	return FAULT_NONE;
}
