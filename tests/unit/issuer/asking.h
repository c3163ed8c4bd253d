/* asking.h -- a worker and its keeper, wired as by the ring, with an issuer that is asked for opaque tokens
 * and answers when the test says so. */
#pragma once
#include "issuer/inside.h"
#include "issuer/introspect_reply.h"
#include "verify/inside.h"
#include <stdio.h>
#include <stdlib.h>

#define WALL_S UINT64_C(1800000000)
#define NOW_NS (UINT64_C(5000) * NS_PER_S)

#define CALLS 128
#define GUESTS 1000

static struct asking {
	struct config config;
	struct config_issuer issuer;
	struct config_opaque opaque;
	struct config_route route[2];
	struct config_route_verify rule[2];
	struct slice audience, bearer, scope;
	struct published_issuers *published;
	struct verify *verify;
	struct issuer_keeper *keeper;
	uint64_t now_ns, wall_s;
	bool keeper_is_deaf;
	unsigned moved, woken;

	struct call { /* to the endpoint, not yet answered where done */
		void (*done)(void *, int, struct slice, uint64_t, const char *);
		void *for_whom;
		char form[400], user[64], password[64], bearer[200], accept[120];
	} call[CALLS];
	size_t calls, answered;

	/* the fleet's Redis: one value */
	bool fleet_is_away;
	char fleet_key[128], fleet_value[4096];
	size_t fleet_key_len, fleet_value_len;
	uint64_t fleet_ttl_ms;
	unsigned fleet_gets;
	void (*fleet_done)(void *, struct slice);
	void *fleet_for_whom;
} asking;

static struct asking_guest {
	_Alignas(max_align_t) char store[1024];
	char value[200];
	struct header field[1];
	struct visitor visitor;
	struct request r;
} askers[GUESTS];

static void copy_slice(char *to, size_t cap, struct slice from)
{
	snprintf(to, cap, "%.*s", SLICE(from));
}

static void asking_fetch(void *with, const struct issuer_request *what,
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

/* The oldest call that is not answered yet is, and the workers look. */
static inline void asking_answer(int status, const char *body)
{
	struct call *c = &asking.call[asking.answered++];

	if (asking.answered > asking.calls)
		abort();
	c->done(c->for_whom, status, slice_of(body), UINT64_MAX, status ? NULL : "connection refused");
	verify_turn(asking.verify);
}

/* Of that answer the body is too long to be fetched. */
static inline void asking_answer_without_end(int status)
{
	struct call *c = &asking.call[asking.answered++];

	if (asking.answered > asking.calls)
		abort();
	c->done(c->for_whom, status, S(""), UINT64_MAX, "the body is too long");
	verify_turn(asking.verify);
}

static uint64_t asking_now(void *with)
{
	(void)with;
	return asking.now_ns;
}

static uint64_t asking_wall(void *with)
{
	(void)with;
	return asking.wall_s;
}

static void asking_moved(void *with)
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

static inline void asking_configure(bool userinfo)
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

static inline void asking_hire(void)
{
	const struct issuer_env world = {
		.fetch = asking_fetch, .now_ns = asking_now, .wall_s = asking_wall, .moved = asking_moved
	};

	asking.keeper = issuer_keeper_open(&asking.config, NULL, asking.published, world, S("secret"));
	issuer_keeper_tick(asking.keeper);
}

static inline void asking_open(bool userinfo)
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

static inline void asking_close(void)
{
	issuer_keeper_close(asking.keeper);
	for (; asking.answered < asking.calls; asking.answered++)
		asking.call[asking.answered].done(asking.call[asking.answered].for_whom, 0, S(""), 0, "closed");
	verify_close(asking.verify);
	free(asking.published);
}

/* Time passes; the keeper does what is due, the workers look. */
static inline void asking_pass(uint64_t ns)
{
	asking.now_ns += ns;
	asking.wall_s = WALL_S + (asking.now_ns - NOW_NS) / NS_PER_S;
	issuer_keeper_tick(asking.keeper);
	verify_turn(asking.verify);
}

/* Its fault; FAULT_NONE where it may go on; FAULTS where it waits. */
static inline int asking_enter(struct request *r)
{
	enum pace pace = verify_enter(asking.verify, r, asking.now_ns, asking.wall_s);

	return pace == GO_ON ? FAULT_NONE : pace == WAIT ? FAULTS : r->fault;
}

static inline struct request *asking_guest(int which, int route, const char *token)
{
	struct asking_guest *a = &askers[which];

	memset(&a->r, 0, sizeof a->r);
	arena_init(&a->r.arena, a->store, sizeof a->store);
	a->r.route = &asking.route[route];
	a->r.visitor = &a->visitor;
	a->r.config = &asking.config;
	a->r.headers = (struct headers){ .at = a->field, .cap = 1 };
	snprintf(a->value, sizeof a->value, "Bearer %s", token);
	if (!headers_add(&a->r.headers, S("Authorization"), slice_of(a->value)))
		abort();
	return &a->r;
}

static inline int asking_try(int route, const char *token)
{
	return asking_enter(asking_guest(0, route, token));
}
