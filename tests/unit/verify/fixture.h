/* fixture.h -- a worker's verification with a configuration made by hand,
	published memory and a silent keeper. */
#pragma once
#include "../jose/tokens.h"
#include "verify/inside.h"

#define WALL_S UINT64_C(1800000000)
#define NOW_NS (UINT64_C(1000) * NS_PER_S)

enum {
	ROUTE_OPEN,
	ROUTE_READ,
	ROUTE_WRITE,
	ROUTE_NARROW,
	ROUTE_OTHER,
	ROUTE_PLAIN,
	ROUTE_BOTH,
	ROUTE_THIRD,
	ROUTE_ACME,
	ROUTES
};

static struct house {
	struct config config;
	struct config_issuer issuers[3];
	struct config_route routes[ROUTES];
	struct config_route_verify rules[ROUTES];
	struct slice both[2], one[1], read[1], write[1], third[2], pair[2], acme[1], yes[1], bearer[1];
	struct config_choice choices[2];
	struct published_issuers *published;
	struct verify *verify;
	unsigned asked, woken;
	bool keeper_is_deaf;
	char asked_kid[KID_MAX + 1];
	uint64_t asked_iat_s, hard_ns;
} house;

static bool house_asked(void *with, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	(void)with;
	(void)issuer;
	house.asked++;
	house.asked_iat_s = iat_s;
	snprintf(house.asked_kid, sizeof house.asked_kid, "%.*s", SLICE(kid));
	return !house.keeper_is_deaf;
}

static void house_woken(struct request *r)
{
	(void)r;
	house.woken++;
}

static inline void house_configure(void)
{
	struct config_root *root = &house.config.root;

	memset(&house, 0, sizeof house);
	house.both[0] = S("api");
	house.both[1] = S("admin");
	house.one[0] = S("admin");
	house.read[0] = S("read");
	house.write[0] = S("write");
	root->verification = (struct config_verification){ .skew = 60 * NS_PER_S,
		                                               .token_max = 16384,
		                                               .cache_size = 256,
		                                               .keys_soft = 600 * NS_PER_S,
		                                               .keys_hard = 24 * 3600 * NS_PER_S,
		                                               .wait = 2 * NS_PER_S };
	house.issuers[0] = (struct config_issuer){ .id = S("auth0"),
		                                       .issuer = S("https://i/"),
		                                       .audiences = { house.both, 2 },
		                                       .tenant_claim = S("org_id"),
		                                       .client_claim = S("azp") };
	house.issuers[1] = (struct config_issuer){ .id = S("other"),
		                                       .issuer = S("https://i/"),
		                                       .jwks = S("https://o/"),
		                                       .audiences = { house.both, 2 },
		                                       .tenant_claim = S("org_id"),
		                                       .client_claim = S("azp") };
	house.bearer[0] = S("bearer");
	house.third[0] = S("api");
	house.third[1] = S("third-api");
	house.issuers[2] = (struct config_issuer){ .id = S("third"),
		                                       .issuer = S("https://third/"),
		                                       .audiences = { house.third, 2 },
		                                       .tenant_claim = S("ten"),
		                                       .client_claim = S("cid") };
	for (int i = 0; i < ROUTES; i++) {
		house.rules[i].issuer = i == ROUTE_OTHER ? S("other") : i == ROUTE_THIRD ? S("third") : S("auth0");
		house.rules[i].from = (struct config_texts){ house.bearer, 1 };
		house.rules[i].forward = true;
		house.routes[i].verify = i == ROUTE_OPEN ? NULL : &house.rules[i];
	}
	house.rules[ROUTE_READ].scopes = (struct config_texts){ house.read, 1 };
	house.rules[ROUTE_WRITE].scopes = (struct config_texts){ house.write, 1 };
	house.rules[ROUTE_NARROW].audiences = (struct config_texts){ house.one, 1 };
	house.pair[0] = S("auth0");
	house.pair[1] = S("third");
	house.rules[ROUTE_BOTH].issuer = (struct slice){ 0 };
	house.rules[ROUTE_BOTH].issuers = (struct config_texts){ house.pair, 2 };
	house.acme[0] = S("acme");
	house.yes[0] = S("true");
	house.choices[0] = (struct config_choice){ S("org_id"), { house.acme, 1 } };
	house.choices[1] = (struct config_choice){ S("email_verified"), { house.yes, 1 } };
	house.rules[ROUTE_ACME].claims = (struct config_choices){ house.choices, 2 };
	root->issuers = house.issuers;
	root->issuers_len = 3;
	root->routes = house.routes;
	root->routes_len = ROUTES;
}

static inline void house_open(void)
{
	size_t size = (published_memory() + 63) / 64 * 64;
	void *memory = aligned_alloc(64, size);

	if (!memory)
		abort();
	house_configure();
	request_on_wake = house_woken;
	house.published = published_attach(memset(memory, 0, size));
	house.verify =
	    verify_open(&house.config, house.published, (struct verify_ask){ .key_unknown = house_asked });
}

static inline void house_close(void)
{
	verify_close(house.verify);
	free(house.published);
}

/* A fixture: after each test. */
static inline int house_end(void **state)
{
	(void)state;
	house_close();
	return 0;
}

/* As the keeper does: this issuer's keys, fetched at these times. */
static inline void house_publish(int issuer, struct slice jwks, uint64_t wall_s, uint64_t ns)
{
	struct published_keys head = { .fetched_wall_s = wall_s, .fetched_ns = ns, .hard_ns = house.hard_ns };

	if (!published_who(&house.issuers[issuer], head.who))
		abort();
	struct published_slot *slot = published_claim(house.published, head.who, NULL, 0);
	const struct published_keys *now = &slot->copy[atomic_load(&slot->version) & 1];
	bool same = now->generation && slice_same((struct slice){ now->jwks, now->len }, jwks);
	head.generation = same ? now->generation : atomic_fetch_add(&house.published->generations, 1) + 1;
	published_put(house.published, slot, &head, jwks);
}

static inline struct published_slot *house_slot(int issuer)
{
	unsigned char who[SHA256_LEN];

	if (!published_who(&house.issuers[issuer], who))
		abort();
	return published_claim(house.published, who, NULL, 0);
}
