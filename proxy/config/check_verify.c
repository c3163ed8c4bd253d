/* check_verify.c -- what a route demands of tokens. */
#include "config/check.h"
#include "base/header.h"

/* The names a route gives its issuers by. */
static struct config_texts names_of(const struct config_route_verify *v)
{
	if (v->issuers.len)
		return v->issuers;
	return (struct config_texts){ (struct slice *)(uintptr_t)&v->issuer, v->issuer.at ? 1 : 0 };
}

static const struct config_issuer *issuer_named(struct check *k, struct slice name)
{
	const struct config_issuer *i = index_find(&k->issuers, name);

	return i && !load_is_broken(k->load, &i->place) ? i : NULL;
}

/* A token's iss must say whose it is. */
static void check_apart(struct check *k, const struct config_route_verify *v)
{
	for (size_t i = 1; i < v->issuers.len; i++)
		for (size_t j = 0; j < i; j++) {
			const struct config_issuer *a = issuer_named(k, v->issuers.at[j]);
			const struct config_issuer *b = issuer_named(k, v->issuers.at[i]);
			if (a && b && a != b && slice_same(a->issuer, b->issuer))
				COMPLAIN(k, &v->issuers.at[i], v,
				         "the issuers \"%.*s\" and \"%.*s\" have the same URL, so no token's iss can "
				         "tell them apart",
				         SLICE(a->id), SLICE(b->id));
		}
}

/* Is the audience one of some issuer's? */
static bool is_of_some(struct check *k, const struct config_texts *names, struct slice audience)
{
	for (size_t i = 0; i < names->len; i++) {
		const struct config_issuer *issuer = issuer_named(k, names->at[i]);
		if (!issuer || texts_have(&issuer->audiences, audience))
			return true;
	}
	return false;
}

/* Does the issuer have one of the audiences? */
static bool keeps_one(const struct config_texts *audiences, const struct config_issuer *issuer)
{
	for (size_t i = 0; i < audiences->len; i++)
		if (texts_have(&issuer->audiences, audiences->at[i]))
			return true;
	return false;
}

static void check_audiences(struct check *k, const struct config_route_verify *v)
{
	struct config_texts names = names_of(v);
	unsigned before = k->load->errors->count;

	for (size_t i = 0; i < v->audiences.len; i++)
		if (!is_of_some(k, &names, v->audiences.at[i]))
			COMPLAIN(k, &v->audiences.at[i], v,
			         "audiences: \"%.*s\" is not among the audiences of issuer \"%.*s\", which "
			         "these narrow",
			         SHOWN(k, &v->audiences.at[i]), SLICE(names.at[0]));
	if (!v->audiences.len || k->load->errors->count != before)
		return;
	for (size_t i = 0; i < names.len; i++) {
		const struct config_issuer *issuer = issuer_named(k, names.at[i]);
		if (issuer && !keeps_one(&v->audiences, issuer))
			COMPLAIN(k, &v->audiences, v,
			         "audiences: none of these is an audience of issuer \"%.*s\", so none of its tokens "
			         "could pass",
			         SLICE(issuer->id));
	}
}

/* A token that is no JWT does not say whose it is. */
static void check_opaque_issuers(struct check *k, const struct config_route_verify *v)
{
	const struct config_issuer *first = NULL;

	for (size_t i = 0; i < v->issuers.len; i++) {
		const struct config_issuer *issuer = issuer_named(k, v->issuers.at[i]);
		if (!issuer || !issuer->opaque)
			continue;
		if (first && first != issuer)
			COMPLAIN(k, &v->issuers.at[i], v,
			         "both \"%.*s\" and \"%.*s\" can be asked for opaque tokens; of a route's "
			         "issuers one may",
			         SLICE(first->id), SLICE(issuer->id));
		first = issuer;
	}
}

/* A field that is nobody else's, in any spelling. */
static bool is_free(struct slice name)
{
	for (unsigned id = 1; id < HEADER_IDS; id++)
		if (slice_reads_as(name, header_names[id]))
			return false;
	return !slice_reads_as(slice_head(name, 10), S("sallyport-")) &&
	       (!slice_reads_as(slice_head(name, 12), S("x-forwarded-")) ||
	        slice_same_nocase(slice_head(name, 12), S("x-forwarded-")));
}

/* What is wrong with a word of verify.from; NULL: nothing. */
static const char *carrier_fault(struct slice word)
{
	struct slice cookie = S("cookie:"), field = S("header:");
	bool is_cookie = slice_starts(word, cookie), is_field = slice_starts(word, field);
	struct slice name = slice_from(word, is_cookie ? cookie.len : field.len);

	if (slice_same(word, S("bearer")))
		return NULL;
	if (!is_cookie && !is_field)
		return "write bearer, cookie:NAME or header:NAME";
	if (!check_is_token(name))
		return "that is no name of a field or a cookie";
	return is_field && !is_free(name) ? "that field has a meaning of its own" : NULL;
}

static void check_carriers(struct check *k, const struct config_route_verify *v)
{
	for (size_t i = 0; i < v->from.len; i++) {
		const char *fault = carrier_fault(v->from.at[i]);
		if (fault)
			COMPLAIN(k, &v->from.at[i], v, "tokens cannot be taken from \"%.*s\": %s",
			         SHOWN(k, &v->from.at[i]), fault);
	}
	if (v->from.len == 0 || v->from.len > CARRIERS_MAX)
		COMPLAIN(k, &v->from, v, "verify.from names one to %d places to take tokens from", CARRIERS_MAX);
	check_distinct(k, &v->from, v->place, "place");
}

void check_claims(struct check *k)
{
	struct index seen = index_of(&k->load->scratch);
	size_t len = 0;

	for (size_t i = 0; i < k->root->routes_len; i++) {
		const struct config_route_verify *v = k->root->routes[i].verify;
		for (size_t j = 0; v && j < v->claims.len; j++) {
			const struct config_choice *claim = &v->claims.at[j];
			if (!index_add(&seen, claim->name, (void *)(uintptr_t)claim) && ++len > CLAIMS_WANTED_MAX)
				COMPLAIN(k, &v->claims, v,
				         "the routes have conditions for more than %d claims; %.*s is one too many",
				         CLAIMS_WANTED_MAX, SLICE(complain_shown(claim->name)));
		}
	}
}

void check_verify(struct check *k, const struct config_route_verify *v)
{
	struct config_texts names = names_of(v);

	if (v->issuer.at && v->issuers.len)
		COMPLAIN(k, &v->issuers, v, "verify has issuer or issuers, not both");
	else if (!names.len)
		config_complain(k->load->errors, v->place,
		                "verify needs an issuer: whose tokens does the route take?");
	for (size_t i = 0; i < names.len; i++)
		check_name(k, &k->issuers, &names.at[i], v->place, "issuer");
	check_distinct(k, &v->issuers, v->place, "issuer");
	check_carriers(k, v);
	check_apart(k, v);
	check_opaque_issuers(k, v);
	if (names.len)
		check_audiences(k, v);
}

/* How the issuer is asked for tokens that are no JWT. */
void check_opaque(struct check *k, const struct config_opaque *o)
{
	bool userinfo = o->by == OPAQUE_BY_USERINFO;

	if (userinfo && (o->client_id.at || o->client_secret.at))
		COMPLAIN(k, &o->client_id, o,
		         "userinfo is asked with the token itself; client_id and client_secret are not for it");
	else if (!userinfo && (!o->client_id.at || !o->client_secret.at))
		config_complain(k->load->errors, o->place,
		                "introspection needs client_id and client_secret: issuers tell nobody else");
	else if (!userinfo && !slice_starts(load_shown(k->load, &o->client_secret, o->client_secret), S("${")))
		COMPLAIN(k, &o->client_secret, o,
		         "client_secret must not stand in the configuration; write ${file:PATH} or ${env:NAME}");
	if (o->stale < o->fresh)
		COMPLAIN(k, &o->stale, o, "opaque.stale is shorter than opaque.fresh");
}
