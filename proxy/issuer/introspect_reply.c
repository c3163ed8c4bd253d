/* Reads what an issuer says of an opaque token. */
#include "issuer/introspect_reply.h"
#include "base/strict.h"

struct reply_plan reply_plan_of(const struct config *c, const struct config_issuer *issuer,
                                struct slice room[CLAIMS_WANTED_MAX])
{
	struct reply_plan p = { .issuer = issuer,
		                    .wanted = { room, 0 },
		                    .names = { issuer->client_claim, issuer->tenant_claim, issuer->issuer },
		                    .config = c };

	for (size_t i = 0; i < c->root.routes_len; i++) {
		const struct config_route_verify *rule = c->root.routes[i].verify;
		for (size_t j = 0; rule && j < rule->claims.len; j++)
			if (p.wanted.len < CLAIMS_WANTED_MAX && !texts_have(&p.wanted, rule->claims.at[j].name))
				room[p.wanted.len++] = rule->claims.at[j].name;
	}
	return p;
}

static bool keep(json_t *to, const json_t *from, struct slice name)
{
	json_t *member = (json_t *)(uintptr_t)claims_member(from, name);

	return !member || json_object_set(to, name.at, member) == 0;
}

/* Of a list, what can be compared as text. */
static bool keep_items(json_t *to, const json_t *from, const char *name)
{
	json_t *list = json_object_get(from, name), *kept = json_is_array(list) ? json_array() : NULL, *item;
	size_t i;

	if (!list || !json_is_array(list))
		return !list || json_object_set(to, name, list) == 0;
	json_array_foreach(list, i, item)
		if (json_is_string(item) || json_is_boolean(item) || json_is_integer(item))
			json_array_append(kept, item);
	return json_object_set_new(to, name, kept) == 0;
}

static bool is_named(const struct reply_plan *plan, bool permission, struct slice word)
{
	const struct config_root *root = plan->config ? &plan->config->root : NULL;

	for (size_t i = 0; root && i < root->routes_len; i++) {
		const struct config_route_verify *rule = root->routes[i].verify;
		if (rule && texts_have(permission ? &rule->permissions : &rule->scopes, word))
			return true;
	}
	return false;
}

/* Of the words of a string those that some route names, into a new string of them. */
static void narrow_words(const struct reply_plan *plan, const json_t *from, json_t *to)
{
	struct slice rest = { json_string_value(from), json_string_length(from) };

	while (rest.len) {
		struct slice word = slice_cut(&rest, ' ');
		if (word.len && is_named(plan, false, word))
			json_array_append_new(to, json_stringn(word.at, word.len));
	}
}

static const json_t *present(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);

	return json_is_null(member) ? NULL : member;
}

/* What is too long is mostly rights that nobody asks for. */
static void narrow(const struct reply_plan *plan, json_t *claims)
{
	const json_t *scope = present(claims, "scope"), *had = json_object_get(claims, "permissions");
	json_t *scopes = json_array(), *permissions = json_array();

	if (!scope)
		scope = present(claims, "scp");
	narrow_words(plan, scope, scopes);
	for (size_t i = 0; i < json_array_size(scope); i++)
		narrow_words(plan, json_array_get(scope, i), scopes);
	for (size_t i = 0; i < json_array_size(had); i++) {
		json_t *item = json_array_get(had, i);
		if (is_named(plan, true, (struct slice){ json_string_value(item), json_string_length(item) }))
			json_array_append(permissions, item);
	}
	json_object_del(claims, "scp");
	json_object_set_new(claims, "scope", scopes);
	json_object_set_new(claims, "permissions", permissions);
}

/* What of the answer is wanted, a new object; NULL: out of memory. */
static json_t *reduce(const struct reply_plan *plan, const json_t *from)
{
	static const char *const kept[] = { "iss",       "sub",   "aud", "exp", "nbf", "iat", "azp",
		                                "client_id", "scope", "scp", "jti", "sid", "cnf" };
	json_t *to = json_object();
	bool whole = to;

	for (size_t i = 0; whole && i < sizeof kept / sizeof *kept; i++)
		whole = keep(to, from, slice_of(kept[i]));
	whole = whole && keep_items(to, from, "permissions");
	for (size_t i = 0; whole && i < plan->wanted.len; i++)
		whole = keep(to, from, plan->wanted.at[i]);
	if (whole && plan->names.client.len)
		whole = keep(to, from, plan->names.client);
	if (whole && plan->names.tenant.len)
		whole = keep(to, from, plan->names.tenant);
	struct slice issuer = plan->issuer->issuer;
	if (whole && !present(to, "iss"))
		whole = json_object_set_new(to, "iss", json_stringn(issuer.at, issuer.len)) == 0;
	if (whole && !present(to, "azp") && present(to, "client_id"))
		whole = json_object_set(to, "azp", json_object_get(to, "client_id")) == 0;
	if (whole)
		return to;
	json_decref(to);
	return NULL;
}

/* NULL, or why they cannot be judged. */
static const char *claims_fault(const struct reply_plan *plan, struct slice text)
{
	const struct claims_plan reader = { &plan->names, 1, plan->wanted, true };
	char room[2 * OPAQUE_TEXT_MAX];
	struct claims claims;
	size_t whose;

	return claims_read(text, &reader, room, sizeof room, &claims, &whose) ? NULL : claims.why;
}

bool reply_is_readable(const struct reply_plan *plan, struct slice text)
{
	return !claims_fault(plan, text);
}

static char *text_of(const json_t *claims)
{
	return json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
}

static enum reply write_out(const struct reply_plan *plan, const json_t *root, char to[OPAQUE_TEXT_MAX],
                            size_t *len, const char **why)
{
	json_t *small = reduce(plan, root);
	char *text = small ? text_of(small) : NULL;

	if (text && strlen(text) > OPAQUE_TEXT_MAX) {
		free(text);
		narrow(plan, small);
		text = text_of(small);
	}
	json_decref(small);
	if (!text) {
		*why = "out of memory";
		return REPLY_MALFORMED;
	}
	*len = strlen(text);
	*why = *len > OPAQUE_TEXT_MAX ? "its claims are over 1976 bytes"
	                              : claims_fault(plan, (struct slice){ text, *len });
	if (!*why)
		memcpy(to, text, *len);
	free(text);
	return *why ? REPLY_UNUSABLE : REPLY_GOOD;
}

/* It cannot be read strictly. Is it all the same of a token that is valid? */
static bool is_of_a_token(struct slice body, bool userinfo)
{
	struct slice name = userinfo ? S("\"sub\"") : S("\"active\"");
	json_t *root = strict_read_loosely(body);
	bool is = userinfo ? strict_text(root, "sub").len > 0 : json_is_true(json_object_get(root, "active"));
	const char *once = memmem(body.at, body.len, name.at, name.len);

	json_decref(root);
	return is && once && !memmem(once + 1, body.len - (size_t)(once + 1 - body.at), name.at, name.len);
}

enum reply reply_read(const struct reply_plan *plan, int status, struct slice body, char to[OPAQUE_TEXT_MAX],
                      size_t *len, const char **why)
{
	bool userinfo = plan->issuer->opaque->by == OPAQUE_BY_USERINFO;
	enum reply reply = REPLY_MALFORMED;

	*why = "its status is not 200";
	if (userinfo && status == 401)
		return REPLY_REFUSED; /* RFC 6750 section 3.1 */
	if (status != 200)
		return REPLY_MALFORMED;
	*why = "it is over 64 KiB";
	if (body.len > REPLY_BYTES_MAX)
		return REPLY_MALFORMED;
	json_t *root = strict_read(body), *active = json_object_get(root, "active");
	*why = userinfo ? "it is no JSON object with a sub"
	                : "it is no JSON object that says whether the token is active";
	if (!root && slice_starts(body, S("ey")))
		*why = "it is a signed answer, and JSON was asked for";
	if (!root && is_of_a_token(body, userinfo)) {
		*why = "a member stands in it twice";
		return REPLY_UNUSABLE;
	}
	if (userinfo ? strict_text(root, "sub").len > 0 : json_is_true(active))
		reply = write_out(plan, root, to, len, why);
	else if (!userinfo && json_is_false(active))
		reply = REPLY_REFUSED;
	json_decref(root);
	return reply;
}
