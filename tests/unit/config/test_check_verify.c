/* What routes may demand of tokens, and how issuers are asked for opaque ones. */
#include "loaded.h"

#define TWO \
	"issuers: {auth0: {issuer: \"https://auth0.example/\", audiences: [api, ui]}, " \
	"corp: {issuer: \"https://corp.example/\", audiences: [api, corp]}, " \
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

#define OPAQUE(inside) \
	LEAST "issuers: {auth0: {issuer: \"https://auth0.example/\", audiences: [api], " \
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

#define AUTH0(inside) \
	LEAST \
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

static void the_conditions_of_all_routes_name_so_many_claims_together(void **state)
{
	char text[4096], *at = text;
	struct loaded l;

	(void)state;
	for (unsigned most = CLAIMS_WANTED_MAX; most <= CLAIMS_WANTED_MAX + 1; most++) {
		at = text + snprintf(text, sizeof text, "%s", LEAST TWO UPSTREAM "routes:\n");
		for (unsigned i = 0; i < most; i++)
			at += snprintf(at, (size_t)(text + sizeof text - at),
			               "  - {path: /%u, upstream: app, verify: {issuer: auth0, claims: "
			               "{all: x, c%u: y}}}\n",
			               i, i ? i : 1);
		l = load_text(text);
		assert_int_equal(l.errors.count, most > CLAIMS_WANTED_MAX);
		if (l.errors.count)
			expect_said(&l, "conditions for more than 16 claims; c16 is one too many");
		unload(&l);
	}
}

static void tokens_are_taken_from_places_of_three_kinds(void **state)
{
	static const char *const bad[] = { "Bearer",
		                               "cookie",
		                               "\"cookie:\"",
		                               "\"cookie:a b\"",
		                               "\"header:\"",
		                               "\"header:a,b\"",
		                               "\"header:Authorization\"",
		                               "\"header:Cookie\"",
		                               "\"header:Host\"",
		                               "\"header:Sallyport-Subject\"",
		                               "\"header:x_forwarded.for\"",
		                               "\"header:X_Original_URL\"",
		                               "\"query:token\"" };
	char text[1024];

	(void)state;
	welcome(TWO_ROUTE("issuer: auth0, from: [bearer, \"cookie:a\", \"header:X-Token\", \"header:X-Other\"]"));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, TWO_ROUTE("issuer: auth0, from: [bearer, %s]"), bad[i]);
		refuse(text, "tokens cannot be taken from");
	}
	refuse(TWO_ROUTE("issuer: auth0, from: []"), "names one to 4 places");
	refuse(TWO_ROUTE("issuer: auth0, from: [bearer, \"cookie:a\", \"cookie:b\", \"cookie:c\", "
	                 "\"cookie:d\"]"),
	       "names one to 4 places");
}

static void of_a_routes_issuers_one_is_asked_for_opaque_tokens(void **state)
{
#define ASKED(name) \
	name ": {issuer: \"https://" name ".example/\", audiences: [api], " \
	     "audience_missing: accept, opaque: {by: userinfo, endpoint: \"https://" name \
	     ".example/userinfo\"}}"
#define BOTH \
	LEAST "issuers: {" ASKED("a") ", " ASKED("b") "}\n" UPSTREAM "routes:\n" \
	                                              "  - {path: /a, upstream: app, verify: {"

	(void)state;
	welcome(BOTH "issuer: a}}\n  - {path: /b, upstream: app, verify: {issuer: b}}\n");
	refuse(BOTH "issuers: [a, b]}}\n",
	       "both \"a\" and \"b\" can be asked for opaque tokens; of a route's issuers one may");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_of_several_issuers_can_tell_their_tokens_apart),
		cmocka_unit_test(who_takes_opaque_tokens_says_what_a_missing_audience_means),
		cmocka_unit_test(whoever_asks_for_introspection_has_a_name_and_a_secret),
		cmocka_unit_test(a_condition_on_a_claim_has_at_least_one_value),
		cmocka_unit_test(the_conditions_of_all_routes_name_so_many_claims_together),
		cmocka_unit_test(tokens_are_taken_from_places_of_three_kinds),
		cmocka_unit_test(of_a_routes_issuers_one_is_asked_for_opaque_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
