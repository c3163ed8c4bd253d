/* fixture.c -- what fixture.h promises. */
#include "fixture.h"

struct fixture fixture;

bool fixture_asked(void *with, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	(void)with;
	(void)issuer;
	fixture.asked++;
	fixture.asked_iat_s = iat_s;
	snprintf(fixture.asked_kid, sizeof fixture.asked_kid, "%.*s", SLICE(kid));
	return !fixture.keeper_is_deaf;
}

static void fixture_woken(struct request *r)
{
	(void)r;
	fixture.woken++;
}

static void fixture_configure(void)
{
	struct config_root *root = &fixture.config.root;

	memset(&fixture, 0, sizeof fixture);
	fixture.both[0] = S("api");
	fixture.both[1] = S("admin");
	fixture.one[0] = S("admin");
	fixture.read[0] = S("read");
	fixture.write[0] = S("write");
	root->verification = (struct config_verification){ .skew = 60 * NS_PER_S,
		                                               .token_max = 16384,
		                                               .cache_size = 256,
		                                               .keys_soft = 600 * NS_PER_S,
		                                               .keys_hard = 24 * 3600 * NS_PER_S,
		                                               .wait = 2 * NS_PER_S };
	fixture.issuers[0] = (struct config_issuer){ .id = S("auth0"),
		                                         .issuer = S("https://i/"),
		                                         .audiences = { fixture.both, 2 },
		                                         .tenant_claim = S("org_id"),
		                                         .client_claim = S("azp") };
	fixture.issuers[1] = (struct config_issuer){ .id = S("other"),
		                                         .issuer = S("https://i/"),
		                                         .jwks = S("https://o/"),
		                                         .audiences = { fixture.both, 2 },
		                                         .tenant_claim = S("org_id"),
		                                         .client_claim = S("azp") };
	fixture.bearer[0] = S("bearer");
	fixture.third[0] = S("api");
	fixture.third[1] = S("third-api");
	fixture.issuers[2] = (struct config_issuer){ .id = S("third"),
		                                         .issuer = S("https://third/"),
		                                         .audiences = { fixture.third, 2 },
		                                         .tenant_claim = S("ten"),
		                                         .client_claim = S("cid") };
	for (int i = 0; i < ROUTES; i++) {
		fixture.rules[i].issuer = i == ROUTE_OTHER ? S("other") : i == ROUTE_THIRD ? S("third") : S("auth0");
		fixture.rules[i].from = (struct config_texts){ fixture.bearer, 1 };
		fixture.rules[i].forward = true;
		fixture.routes[i].verify = i == ROUTE_OPEN ? NULL : &fixture.rules[i];
	}
	fixture.rules[ROUTE_READ].scopes = (struct config_texts){ fixture.read, 1 };
	fixture.rules[ROUTE_WRITE].scopes = (struct config_texts){ fixture.write, 1 };
	fixture.rules[ROUTE_NARROW].audiences = (struct config_texts){ fixture.one, 1 };
	fixture.pair[0] = S("auth0");
	fixture.pair[1] = S("third");
	fixture.rules[ROUTE_BOTH].issuer = (struct slice){ 0 };
	fixture.rules[ROUTE_BOTH].issuers = (struct config_texts){ fixture.pair, 2 };
	fixture.acme[0] = S("acme");
	fixture.yes[0] = S("true");
	fixture.choices[0] = (struct config_choice){ S("org_id"), { fixture.acme, 1 } };
	fixture.choices[1] = (struct config_choice){ S("email_verified"), { fixture.yes, 1 } };
	fixture.rules[ROUTE_ACME].claims = (struct config_choices){ fixture.choices, 2 };
	root->issuers = fixture.issuers;
	root->issuers_len = 3;
	root->routes = fixture.routes;
	root->routes_len = ROUTES;
}

void fixture_open(void)
{
	size_t size = (published_memory() + 63) / 64 * 64;
	void *memory = aligned_alloc(64, size);

	if (!memory)
		abort();
	fixture_configure();
	request_on_wake = fixture_woken;
	fixture.published = published_attach(memset(memory, 0, size));
	fixture.verify =
	    verify_open(&fixture.config, fixture.published, (struct verify_ask){ .key_unknown = fixture_asked });
}

void fixture_close(void)
{
	verify_close(fixture.verify);
	free(fixture.published);
}

int fixture_end(void **state)
{
	(void)state;
	fixture_close();
	return 0;
}

void fixture_publish(int issuer, struct slice jwks, uint64_t wall_s, uint64_t ns)
{
	struct published_keys head = { .fetched_wall_s = wall_s, .fetched_ns = ns, .hard_ns = fixture.hard_ns };

	if (!published_who(&fixture.issuers[issuer], head.who))
		abort();
	struct published_slot *slot = published_claim(fixture.published, head.who, NULL, 0);
	const struct published_keys *now = &slot->copy[atomic_load(&slot->version) & 1];
	bool same = now->generation && slice_same((struct slice){ now->jwks, now->len }, jwks);
	head.generation = same ? now->generation : atomic_fetch_add(&fixture.published->generations, 1) + 1;
	published_put(fixture.published, slot, &head, jwks);
}

struct published_slot *fixture_slot(int issuer)
{
	unsigned char who[SHA256_LEN];

	if (!published_who(&fixture.issuers[issuer], who))
		abort();
	return published_claim(fixture.published, who, NULL, 0);
}
