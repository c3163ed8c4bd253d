#include "verify/reply.h"
#include "verify/strict.h"

static bool has(const struct config_texts *list, struct slice word)
{
	for (size_t i = 0; i < list->len; i++)
		if (slice_same(list->at[i], word))
			return true;
	return false;
}

struct reply_plan reply_plan_of(const struct config *c, const struct config_issuer *issuer,
                                  struct slice room[CLAIMS_WANTED_MAX])
{
	struct reply_plan p = { .issuer = issuer, .wanted = { room, 0 },
		                .names = { issuer->client_claim, issuer->tenant_claim, issuer->issuer } };

	for (size_t i = 0; i < c->root.routes_len; i++) {
		const struct config_route_verify *rule = c->root.routes[i].verify;
		for (size_t j = 0; rule && j < rule->claims.len; j++)
			if (p.wanted.len < CLAIMS_WANTED_MAX && !has(&p.wanted, rule->claims.at[j].name))
				room[p.wanted.len++] = rule->claims.at[j].name;
	}
	return p;
}

static bool keep(json_t *to, const json_t *from, struct slice name)
{
	json_t *member = (json_t *)(uintptr_t)claims_member(from, name);

	return !member || json_object_set(to, name.at, member) == 0;
}

/* What of the answer is wanted, a new object; NULL: out of memory. */
static json_t *reduce(const struct reply_plan *plan, const json_t *from)
{
	static const char *const kept[] = { "iss", "sub", "aud", "exp", "nbf", "iat", "azp", "client_id", "scope",
		"scp", "permissions", "jti", "sid", "cnf" };
	json_t *to = json_object();
	bool whole = to;

	for (size_t i = 0; whole && i < sizeof kept / sizeof *kept; i++)
		whole = keep(to, from, slice_of(kept[i]));
	for (size_t i = 0; whole && i < plan->wanted.len; i++)
		whole = keep(to, from, plan->wanted.at[i]);
	if (whole && plan->names.client.len)
		whole = keep(to, from, plan->names.client);
	if (whole && plan->names.tenant.len)
		whole = keep(to, from, plan->names.tenant);
	struct slice issuer = plan->issuer->issuer;
	if (whole && !json_object_get(to, "iss"))
		whole = json_object_set_new(to, "iss", json_stringn(issuer.at, issuer.len)) == 0;
	if (whole && !json_object_get(to, "azp") && json_object_get(to, "client_id"))
		whole = json_object_set(to, "azp", json_object_get(to, "client_id")) == 0;
	if (whole)
		return to;
	json_decref(to);
	return NULL;
}

bool reply_is_readable(const struct reply_plan *plan, struct slice text)
{
	const struct claims_plan reader = { &plan->names, 1, plan->wanted, true };
	char room[2 * OPAQUE_TEXT_MAX];
	struct claims claims;
	size_t whose;

	return claims_read(text, &reader, room, sizeof room, &claims, &whose);
}

static enum reply write_out(const struct reply_plan *plan, const json_t *root, char to[OPAQUE_TEXT_MAX],
                             size_t *len, const char **why)
{
	json_t *small = reduce(plan, root);
	char *text = small ? json_dumps(small, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	enum reply reply = REPLY_NONSENSE;

	*why = "out of memory";
	*len = text ? strlen(text) : 0;
	if (text && *len > OPAQUE_TEXT_MAX)
		*why = "its claims are over 1976 bytes";
	else if (text && !reply_is_readable(plan, (struct slice){ text, *len }))
		*why = "its claims cannot be judged";
	else if (text)
		reply = REPLY_GOOD;
	if (reply == REPLY_GOOD)
		memcpy(to, text, *len);
	free(text);
	json_decref(small);
	return reply;
}

enum reply reply_read(const struct reply_plan *plan, int status, struct slice body,
                        char to[OPAQUE_TEXT_MAX], size_t *len, const char **why)
{
	bool userinfo = plan->issuer->opaque->by; /* WORDS: introspection|userinfo */
	enum reply reply = REPLY_NONSENSE;

	*why = "its status is not 200";
	if (userinfo && status == 401)
		return REPLY_REFUSED; /* RFC 6750 section 3.1 */
	if (status != 200)
		return REPLY_NONSENSE;
	*why = "it is over 64 KiB";
	if (body.len > REPLY_BYTES_MAX)
		return REPLY_NONSENSE;
	json_t *root = strict_read(body), *active = json_object_get(root, "active");
	*why = userinfo ? "it is no JSON object with a sub" :
	                  "it is no JSON object that says whether the token is active";
	if (userinfo ? strict_text(root, "sub").len > 0 : json_is_true(active))
		reply = write_out(plan, root, to, len, why);
	else if (!userinfo && json_is_false(active))
		reply = REPLY_REFUSED;
	json_decref(root);
	return reply;
}
