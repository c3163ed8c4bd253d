/* asking.c -- what asking.h promises. */
#include "asking.h"

struct asking asking;
struct asking_guest askers[GUESTS];

static void copy_slice(char *to, size_t cap, struct slice from)
{
	snprintf(to, cap, "%.*s", SLICE(from));
}

void asking_fetch(void *with, const struct issuer_request *what,
                  void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom)
{
	struct call *c = &asking.call[asking.calls];

	(void)with;
	if (!slice_same(what->url, asking.opaque.endpoint)) {
		done(for_whom, 500, S(""), UINT64_MAX, NULL); /* its keys: this test has none */
		return;
	}
	if (asking.calls++ == CALLS)
		abort();
	*c = (struct call){ .done = done, .for_whom = for_whom };
	copy_slice(c->form, sizeof c->form, what->form);
	copy_slice(c->user, sizeof c->user, what->user);
	copy_slice(c->password, sizeof c->password, what->password);
	copy_slice(c->bearer, sizeof c->bearer, what->bearer);
	copy_slice(c->accept, sizeof c->accept, what->accept);
}

void asking_answer(int status, const char *body)
{
	struct call *c = &asking.call[asking.answered++];

	if (asking.answered > asking.calls)
		abort();
	c->done(c->for_whom, status, slice_of(body), UINT64_MAX, status ? NULL : "connection refused");
	verify_turn(asking.verify);
}

void asking_answer_without_end(int status)
{
	struct call *c = &asking.call[asking.answered++];

	if (asking.answered > asking.calls)
		abort();
	c->done(c->for_whom, status, S(""), UINT64_MAX, "the body is too long");
	verify_turn(asking.verify);
}

uint64_t asking_now(void *with)
{
	(void)with;
	return asking.now_ns;
}

uint64_t asking_wall(void *with)
{
	(void)with;
	return asking.wall_s;
}

void asking_moved(void *with)
{
	(void)with;
	asking.moved++;
}

static void asking_woken(struct request *r)
{
	(void)r;
	asking.woken++;
}

static bool asking_key(void *with, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	(void)with;
	issuer_keeper_unknown(asking.keeper, issuer, kid, iat_s);
	return true;
}

static bool asking_token(void *with, struct slice issuer, struct slice token)
{
	(void)with;
	if (!asking.keeper_is_deaf)
		issuer_keeper_token(asking.keeper, issuer, token);
	return !asking.keeper_is_deaf;
}

static void asking_configure(bool userinfo)
{
	struct config_root *root = &asking.config.root;
	const struct rate all = { 80, NS_PER_S };

	memset(&asking, 0, sizeof asking);
	asking.now_ns = NOW_NS;
	asking.wall_s = WALL_S;
	asking.audience = S("api");
	asking.bearer = S("bearer");
	asking.scope = S("write");
	asking.opaque = (struct config_opaque){ .by = userinfo,
		                                    .endpoint = S("https://i/ask"),
		                                    .client_id = S("gate way"),
		                                    .client_secret = S("s:e%c"),
		                                    .fresh = 60 * NS_PER_S,
		                                    .stale = 3600 * NS_PER_S };
	asking.issuer = (struct config_issuer){ .id = S("i"),
		                                    .issuer = S("https://i/"),
		                                    .jwks = S("https://i/keys"),
		                                    .audience_missing = 1,
		                                    .audiences = { &asking.audience, 1 },
		                                    .tenant_claim = S("org_id"),
		                                    .client_claim = S("azp"),
		                                    .opaque = &asking.opaque,
		                                    .budget = { .all = all, .keys = all, .machines = 1 } };
	for (int i = 0; i < 2; i++) {
		asking.rule[i] =
		    (struct config_route_verify){ .issuer = S("i"), .from = { &asking.bearer, 1 }, .forward = true };
		asking.route[i].verify = &asking.rule[i];
	}
	asking.rule[1].scopes = (struct config_texts){ &asking.scope, 1 };
	root->verification = (struct config_verification){ .skew = 60 * NS_PER_S,
		                                               .token_max = 16384,
		                                               .cache_size = 256,
		                                               .keys_soft = 600 * NS_PER_S,
		                                               .keys_hard = 24 * 3600 * NS_PER_S,
		                                               .wait = 2 * NS_PER_S };
	root->issuers = &asking.issuer;
	root->issuers_len = 1;
	root->routes = asking.route;
	root->routes_len = 2;
}

void asking_hire(void)
{
	const struct issuer_env world = {
		.fetch = asking_fetch, .now_ns = asking_now, .wall_s = asking_wall, .moved = asking_moved
	};

	asking.keeper = issuer_keeper_open(&asking.config, NULL, asking.published, world, S("secret"));
	issuer_keeper_tick(asking.keeper);
}

void asking_open(bool userinfo)
{
	size_t size = (published_memory() + 63) / 64 * 64;
	void *memory = aligned_alloc(64, size);

	if (!memory)
		abort();
	asking_configure(userinfo);
	request_on_wake = asking_woken;
	asking.published = published_attach(memset(memory, 0, size));
	asking_hire();
	asking.verify =
	    verify_open(&asking.config, asking.published, (struct verify_ask){ asking_key, NULL, asking_token });
}

void asking_close(void)
{
	issuer_keeper_close(asking.keeper);
	for (; asking.answered < asking.calls; asking.answered++)
		asking.call[asking.answered].done(asking.call[asking.answered].for_whom, 0, S(""), 0, "closed");
	verify_close(asking.verify);
	free(asking.published);
}

void asking_pass(uint64_t ns)
{
	asking.now_ns += ns;
	asking.wall_s = WALL_S + (asking.now_ns - NOW_NS) / NS_PER_S;
	issuer_keeper_tick(asking.keeper);
	verify_turn(asking.verify);
}

int asking_enter(struct request *r)
{
	enum step_result result = verify_enter(asking.verify, r, asking.now_ns, asking.wall_s);

	return result == GO_ON ? FAULT_NONE : result == WAIT ? FAULTS : r->fault;
}

struct request *asking_guest(int which, int route, const char *token)
{
	struct asking_guest *a = &askers[which];

	memset(&a->r, 0, sizeof a->r);
	arena_init(&a->r.arena, a->store, sizeof a->store);
	a->r.route = &asking.route[route];
	a->r.client_facts = &a->client_facts;
	a->r.config = &asking.config;
	a->r.headers = (struct headers){ .at = a->field, .cap = 1 };
	snprintf(a->value, sizeof a->value, "Bearer %s", token);
	if (!headers_add(&a->r.headers, S("Authorization"), slice_of(a->value)))
		abort();
	return &a->r;
}

int asking_try(int route, const char *token)
{
	return asking_enter(asking_guest(0, route, token));
}

int asking_begin(void **state)
{
	(void)state;
	asking_open(false);
	return 0;
}

int asking_begin_userinfo(void **state)
{
	(void)state;
	asking_open(true);
	return 0;
}

int asking_end(void **state)
{
	(void)state;
	asking_close();
	return 0;
}

int asking_again(int which)
{
	return asking_enter(&askers[which].r);
}
