/* What routes may demand of tokens, and how issuers are asked for opaque ones. */
#include "loaded.h"

#define TWO "issuers: {auth0: {issuer: \"https://auth0.example/\", audiences: [api, ui]}, " \
	"corp: {issuer: \"https://corp.example/\", audiences: [api, corp]}, "               \
	"twin: {issuer: \"https://corp.example/\", audiences: [api]}}\n"
#define TWO_ROUTE(inside) LEAST TWO UPSTREAM "routes:\n  - {path: /a, upstream: app, verify: {" inside "}}\n"

static void a_route_of_several_issuers_can_tell_their_tokens_apart(void **state)
{
	(void)state;
	welcome(TWO_ROUTE("issuers: [auth0, corp]"));
	welcome(TWO_ROUTE("issuers: [auth0, corp], audiences: [ui, corp]"));
	refuse(TWO_ROUTE("issuer: auth0, issuers: [corp]"), "verify has issuer or issuers, not both");
	refuse(TWO_ROUTE("scopes: [read]"), "verify needs an issuer: whose tokens does the route take?");
	refuse(TWO_ROUTE("issuers: [auth0, korp]"), "there is no issuer \"korp\"; did you mean \"corp\"?");
	refuse(TWO_ROUTE("issuers: [auth0, auth0]"), "issuer");
	refuse(TWO_ROUTE("issuers: [corp, twin]"), "have the same URL, so no token's iss can tell them apart");
	refuse(TWO_ROUTE("issuers: [auth0, corp], audiences: [else]"), "is not among the audiences of");
	refuse(TWO_ROUTE("issuers: [auth0, corp], audiences: [ui]"),
	       "none of these is an audience of issuer \"corp\", so none of its tokens could pass");
}

#define OPAQUE(inside) LEAST "issuers: {auth0: {issuer: \"https://auth0.example/\", audiences: [api], " \
	"audience_missing: accept, opaque: {" inside "}}}\n"
#define ASK "endpoint: \"https://auth0.example/introspect\""

static struct loaded with_secret(const char *text)
{
	struct bundle *b = bundle_empty();

	bundle_put(b, "/etc/s/secret", S("hush"));
	return load_from(b, text);
}

static void whoever_asks_for_introspection_has_a_name_and_a_secret(void **state)
{
	struct loaded l = with_secret(OPAQUE(ASK ", client_id: us, client_secret: \"${file:/etc/s/secret}\""));

	(void)state;
	expect_good(&l);
	assert_true(slice_same(l.config->root.issuers[0].opaque->client_secret, S("hush")));
	unload(&l);
	welcome(OPAQUE(ASK ", by: userinfo"));
	refuse(OPAQUE(ASK), "introspection needs client_id and client_secret");
	refuse(OPAQUE(ASK ", client_id: us, client_secret: hush"),
	       "client_secret must not stand in the configuration");
	refuse(OPAQUE(ASK ", by: userinfo, client_id: us"), "userinfo is asked with the token itself");
	refuse(OPAQUE("by: userinfo, endpoint: \"http://auth0.example/userinfo\""), "must begin with https://");
	refuse(OPAQUE("by: userinfo"), "endpoint");
	refuse(OPAQUE(ASK ", by: userinfo, fresh: 2m, stale: 1m"), "opaque.stale is shorter than opaque.fresh");
}

#define AUTH0(inside) LEAST \
	"issuers: {auth0: {issuer: \"https://auth0.example/\", audiences: [api]" inside "}}\n"
#define MAYBE(word, by) AUTH0(word ", opaque: {" ASK ", by: " by "}")

static void who_takes_opaque_tokens_says_what_a_missing_audience_means(void **state)
{
	struct loaded l = with_secret(AUTH0(", audience_missing: refuse, opaque: {" ASK
	                                   ", client_id: us, client_secret: \"${file:/etc/s/secret}\"}"));

	(void)state;
	expect_good(&l);
	unload(&l);
	welcome(MAYBE(", audience_missing: accept", "userinfo"));
	refuse(MAYBE("", "userinfo"), "say audience_missing: accept");
	refuse(MAYBE(", audience_missing: refuse", "userinfo"), "say audience_missing: accept");
	l = with_secret(AUTH0(", opaque: {" ASK ", client_id: us, client_secret: \"${file:/etc/s/secret}\"}"));
	expect_said(&l, "say audience_missing: accept, or refuse");
	unload(&l);
	welcome(AUTH0(""));
}

static void a_condition_on_a_claim_has_at_least_one_value(void **state)
{
	(void)state;
	welcome(TWO_ROUTE("issuer: auth0, claims: {org_id: [a, b], email_verified: true}"));
	welcome(TWO_ROUTE("issuer: auth0, claims: {\"https://x/roles\": admin}"));
	refuse(TWO_ROUTE("issuer: auth0, claims: {org_id: []}"), "\"org_id\" needs at least one value");
	refuse(TWO_ROUTE("issuer: auth0, claims: [org_id]"), "\"claims\" takes a mapping of names to values");
	refuse(TWO_ROUTE("issuer: auth0, claims: {org_id: {a: b}}"), "\"org_id\" takes a list of values");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_of_several_issuers_can_tell_their_tokens_apart),
		cmocka_unit_test(who_takes_opaque_tokens_says_what_a_missing_audience_means),
		cmocka_unit_test(whoever_asks_for_introspection_has_a_name_and_a_secret),
		cmocka_unit_test(a_condition_on_a_claim_has_at_least_one_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
