/* The station VERIFY: one request, one credential, one verdict. */
#include "base/check.h"
#include "metrics/metrics.h"
#include "verify/auth.h"

#define KEYS_TRIED_MAX 4
#define ASK_AGAIN_NS NS_PER_S /* a question may die with the keeper that had it */

static enum fault take_credential(struct auth *t)
{
	const struct route_policy *g = t->policy;
	struct slice *token = &t->credential.token;
	size_t len;

	enum fault fault = credential_find(g->carrier, g->carriers, &t->request->headers, &t->credential);
	if (fault)
		return fault;
	if (token->len > t->verify->scratch.size)
		return FAULT_TOKEN_MALFORMED;
	if (!crypt_digest(&t->verify->crypt, HASH_SHA256, *token, t->name.token, &len))
		return FAULT_ISSUER_UNKNOWN;
	return FAULT_NONE;
}

void auth_take_issuer(struct auth *t, struct issuer *issuer)
{
	t->issuer = issuer;
	t->name.generation = issuer->generation;
	t->name.issuer = (uint16_t)(issuer - t->verify->issuer);
}

/* Does the newest key set prove that the issuer has no such key? Only if it was fetched after the token was
 * issued (iat is rounded down, so not in the same second), or since the request came. */
static bool is_proven_absent(const struct auth *t, uint64_t issued_s)
{
	uint64_t arrived_ns = t->waiter ? t->waiter->arrived_ns : t->now_ns;

	if (issued_s && t->issuer->fetched_wall_s > issued_s)
		return true;
	return t->issuer->fetched_ns >= arrived_ns;
}

/* FAULT_NONE and name.key; TOKEN_KEY where no key is the one named; TOKEN_ALGORITHM, TOKEN_SIGNATURE;
 * ISSUER_UNKNOWN where there are more keys that suit than are tried for one token. */
static enum fault try_keys(struct auth *t, const struct jwt *jwt)
{
	struct keyset *keys = t->issuer->keys;
	enum fault fault = FAULT_TOKEN_KEY;
	unsigned tried = 0;

	for (size_t i = 0; i < keys->len; i++) {
		struct jwk *key = &keys->at[i];
		if (jwt->kid.len && !slice_same(key->kid, jwt->kid))
			continue;
		if (!key_suits(key, jwt->alg)) {
			if (fault == FAULT_TOKEN_KEY && jwt->kid.len)
				fault = FAULT_TOKEN_ALGORITHM;
			continue;
		}
		if (tried++ == KEYS_TRIED_MAX)
			return FAULT_ISSUER_UNKNOWN;
		fault = FAULT_TOKEN_SIGNATURE;
		if (key_verifies(key, &t->verify->crypt, jwt->alg, jwt->signed_part, jwt->signature)) {
			t->name.key = (uint16_t)i;
			return FAULT_NONE;
		}
	}
	return fault;
}

/* A kid may have been given to another key since the set was fetched, which was before the token's iat. That
 * is looked into once for a request, and only where a fetch is allowed now: after it the signature is right
 * or wrong. */
static bool may_be_used_again(const struct auth *t, const struct jwt *jwt)
{
	const struct issuer *i = t->issuer;
	uint64_t not_before_ns = i->slot ? atomic_load(&i->slot->not_before_ns) : UINT64_MAX;

	return jwt->kid.len && jwt->claims.issued_s && !t->waiter && not_before_ns <= t->now_ns &&
	       !is_proven_absent(t, jwt->claims.issued_s);
}

/* The signature of a token whose claims are in order. */
static enum fault check_signature(struct auth *t, const struct jwt *jwt)
{
	if (!worker_trusts(t->verify, t->issuer, t->now_ns, t->wall_s)) {
		t->wants_key = true;
		return FAULT_ISSUER_UNKNOWN;
	}
	enum fault fault = try_keys(t, jwt);
	if (!fault) {
		cache_put(t->verify->cache, &t->name, &jwt->claims);
		t->claims = &jwt->claims;
		t->signed_by_key = true;
		return check_token_rights(t->policy, t->claims);
	}
	/* without a kid a wrong signature may also be that of a key not yet seen */
	bool could_be_new = fault == FAULT_TOKEN_KEY || (fault == FAULT_TOKEN_SIGNATURE && !jwt->kid.len);
	if (could_be_new && !is_proven_absent(t, jwt->claims.issued_s)) {
		t->wants_key = true;
		return FAULT_ISSUER_UNKNOWN;
	}
	if (fault == FAULT_TOKEN_SIGNATURE && may_be_used_again(t, jwt)) {
		t->wants_key = true; /* where no fetch is to be had the signature is wrong */
		return fault;
	}
	if (fault == FAULT_TOKEN_SIGNATURE)
		cache_refuse(t->verify->cache, &t->name, t->now_ns);
	return fault;
}

/* Not in the cache: take the token apart, refuse what no signature could save, then check the signature. */
static enum fault examine_anew(struct auth *t)
{
	struct verify *v = t->verify;
	struct jwt *jwt = &v->jwt;

	enum fault fault = jwt_read(t->credential.token, &t->policy->plan, &v->scratch, jwt);
	if (fault && jwt->why)
		t->request->detail = slice_of(jwt->why);
	if (fault)
		return fault;
	if (jwt->whose == t->policy->len)
		return FAULT_TOKEN_ISSUER;
	auth_take_issuer(t, t->policy->issuer[jwt->whose]);
	fault = check_token_claims(t, &jwt->claims, false);
	return fault ? fault : check_signature(t, jwt);
}

/* NULL, or the claims of a token that this issuer signed, as remembered. */
static const struct claims *recall(struct auth *t, struct issuer *issuer)
{
	auth_take_issuer(t, issuer);
	const struct claims *known = cache_find(t->verify->cache, &t->name, &t->name.key);
	return known && worker_trusts(t->verify, issuer, t->now_ns, t->wall_s) ? known : NULL;
}

static enum fault examine_known(struct auth *t, const struct claims *known)
{
	metrics_add(t->verify->hit, 1);
	enum fault fault = check_token_claims(t, known, false);
	if (fault)
		return fault;
	t->claims = known;
	t->signed_by_key = true;
	return check_token_rights(t->policy, known);
}

static enum fault examine(struct auth *t)
{
	struct verify *v = t->verify;

	enum fault fault = take_credential(t);
	if (fault)
		return fault;
	struct slice token = t->credential.token;
	if (t->policy->opaque < t->policy->len && !jwt_is_shaped(token))
		return bearer_is_token(token) ? opaque_examine(t) : FAULT_TOKEN_MALFORMED;
	for (size_t i = 0; i < t->policy->len; i++) {
		const struct claims *known = recall(t, t->policy->issuer[i]);
		if (known)
			return examine_known(t, known);
		if (cache_is_refused(v->cache, &t->name, t->now_ns) &&
		    worker_trusts(v, t->issuer, t->now_ns, t->wall_s)) {
			metrics_add(v->negative, 1);
			return FAULT_TOKEN_SIGNATURE;
		}
	}
	t->issuer = NULL;
	if (!bearer_is_token(token)) { /* of what is remembered that is known */
		t->request->detail = S("it has characters that no token has");
		return FAULT_TOKEN_MALFORMED;
	}
	metrics_add(v->miss, 1);
	return examine_anew(t);
}

/* Asks the keeper, unless a question is under way already. */
static bool ask(struct auth *t)
{
	struct issuer *i = t->issuer;
	const struct verify_ask *to = &t->verify->ask;
	const struct jwt *jwt = &t->verify->jwt;

	if (i->asked_ns && t->now_ns - i->asked_ns < ASK_AGAIN_NS)
		return true;
	uint64_t issued_s =
	    jwt->claims.issued_s && jwt->claims.issued_s < t->wall_s ? jwt->claims.issued_s : t->wall_s;
	if (!to->key_unknown || !to->key_unknown(to->with, i->config->id, jwt->kid, issued_s))
		return false;
	i->asked_ns = t->now_ns;
	if (t->waiter)
		t->waiter->asker = true;
	return true;
}

bool auth_is_late(const struct auth *t)
{
	const struct waiter *w = t->waiter;

	return w && (w->late || t->now_ns - w->arrived_ns >= t->verify->config->root.verification.wait);
}

static bool is_worth_waiting(const struct auth *t)
{
	const struct issuer *i = t->issuer;
	uint64_t wait_ns = t->verify->config->root.verification.wait;
	uint64_t not_before_ns = i->slot ? atomic_load(&i->slot->not_before_ns) : 0;

	if (worker_is_blinded(i, t->now_ns) || auth_is_late(t))
		return false;
	if (t->waiter && t->waiter->failed != i->failed)
		return false;
	if (t->waiter && t->waiter->asker && t->waiter->declined != i->declined)
		return false;
	return not_before_ns <= t->now_ns + wait_ns;
}

struct waiter *auth_waiter(struct auth *t)
{
	const struct issuer *i = t->issuer;

	if (t->waiter)
		return t->waiter;
	t->waiter = arena_take(&t->request->arena, sizeof *t->waiter);
	if (!t->waiter)
		return NULL;
	*t->waiter = (struct waiter){ .request = t->request,
		                          .issuer = t->issuer,
		                          .arrived_ns = t->now_ns,
		                          .failed = i->failed,
		                          .declined = i->declined };
	list_init(&t->waiter->link);
	return t->waiter;
}

/* True: parked among the issuer's waiters. */
static bool wait_for_key(struct auth *t)
{
	struct issuer *i = t->issuer;

	if (!is_worth_waiting(t) || !auth_waiter(t))
		return false;
	if (!ask(t) || t->verify->config->root.verification.wait == 0)
		return false;
	list_push(&i->waiters, &t->waiter->link);
	t->request->waits = t->waiter;
	t->request->identity.verdict = VERDICT_UNKNOWN;
	return true;
}

/* Copies who it is into the request's arena. */
static bool introduce(struct auth *t)
{
	struct request *r = t->request;
	const struct claims *c = t->claims;

	r->identity = (struct identity){
		.verdict = VERDICT_VALID,
		.issuer = t->issuer->config->id,
		.subject = arena_copy(&r->arena, claims_get(c, CLAIM_SUBJECT)),
		.client = arena_copy(&r->arena, claims_get(c, CLAIM_CLIENT)),
		.tenant = arena_copy(&r->arena, claims_get(c, CLAIM_TENANT)),
		.scope = arena_copy(&r->arena, claims_get(c, CLAIM_SCOPE)),
		.expires_s = c->expires_s ? c->expires_s : opaque_ends_s(t),
	};
	return !r->arena.overflowed;
}

static uint64_t state_of(const struct issuer *i)
{
	uint64_t state = i->slot ? atomic_load_explicit(&i->slot->state, memory_order_relaxed) : ISSUER_BLIND;

	return state < ISSUER_STATES ? state : ISSUER_BLIND;
}

/* For proxies and monitors in front of us alone: a stranger need not know how well we see. Where it is not
 * known whose token it is, the worst of those that it may be of. */
static void show_state(const struct auth *t)
{
	struct request *r = t->request;
	uint64_t worst = ISSUER_NORMAL;

	if (!cidrs_have(&t->verify->config->root.trusted_proxies, &r->client_facts->peer))
		return;
	for (size_t i = 0; i < t->policy->len; i++)
		if ((!t->issuer || t->issuer == t->policy->issuer[i]) && state_of(t->policy->issuer[i]) > worst)
			worst = state_of(t->policy->issuer[i]);
	r->issuer_state = slice_of(issuer_state_names[worst]);
}

/* On with it: of the credentials, what the route lets through. */
static enum step_result go_on(struct auth *t)
{
	const struct route_policy *g = t->policy;

	if (!credential_pass(t->request, g->carrier, g->carriers, &t->credential, g->rule->forward))
		return request_fail(t->request, FAULT_HEAD_TOO_BIG);
	return GO_ON;
}

static bool is_revoked(const struct auth *t)
{
	struct slice kid = t->signed_by_key ? t->issuer->keys->at[t->name.key].kid : S("");

	return t->claims && check_token_revoked(t->verify, t->issuer, t->claims, kid, t->request, t->wall_s);
}

static enum step_result conclude(struct auth *t, enum fault fault)
{
	struct request *r = t->request;
	const struct issuer *whose = t->issuer ? t->issuer : t->policy->issuer[0];
	const uint32_t *series = whose->series;

	show_state(t);
	if (is_revoked(t)) {
		t->claims = NULL;
		fault = FAULT_TOKEN_REVOKED;
	}
	if (t->claims) {
		if (!introduce(t))
			return request_fail(r, FAULT_HEAD_TOO_BIG); /* never on with half a name */
		metrics_add(series[fault ? TOLD_FORBIDDEN : TOLD_VALID], 1);
		return fault ? request_fail(r, fault) : go_on(t);
	}
	bool unknown = fault == FAULT_ISSUER_UNKNOWN || fault == FAULT_TOKEN_UNASKED;
	bool absent = fault == FAULT_TOKEN_MISSING && !t->credential.carrier;
	r->identity = (struct identity){ .verdict = unknown ? VERDICT_UNKNOWN : VERDICT_INVALID,
		                             .issuer = t->issuer || t->policy->len == 1 ? whose->config->id : S("") };
	if (fault == FAULT_TOKEN_MISSING)
		r->identity.verdict = VERDICT_NONE;
	if (absent && t->policy->rule->optional) {
		r->identity.issuer = S("");
		return go_on(t);
	}
	metrics_add(series[unknown ? TOLD_UNKNOWN : TOLD_INVALID], 1);
	return request_fail(r, fault);
}

static struct waiter *stop_waiting(struct request *r)
{
	struct waiter *waiter = r->waits;

	if (waiter)
		list_remove(&waiter->link);
	r->waits = NULL;
	return waiter;
}

enum step_result verify_enter(struct verify *v, struct request *r, uint64_t now_ns, uint64_t wall_s)
{
	size_t route = (size_t)(r->route - v->config->root.routes);

	check(route < v->config->root.routes_len);
	const struct route_policy *policy = &v->policy[route];
	if (!policy->rule) {
		r->identity = (struct identity){ .verdict = VERDICT_NONE };
		return GO_ON;
	}
	struct waiter *waiter = stop_waiting(r);
	worker_catch_up(v);
	struct auth t = {
		.verify = v, .request = r, .policy = policy, .waiter = waiter, .now_ns = now_ns, .wall_s = wall_s
	};
	enum fault fault = examine(&t);
	if ((t.wants_key && wait_for_key(&t)) || (t.wants_answer && opaque_wait(&t)))
		return WAIT;
	if (t.wants_answer)
		fault = opaque_fall_back(&t);
	return conclude(&t, fault);
}

void verify_leave(struct verify *v, struct request *r)
{
	struct waiter *waiter = stop_waiting(r);

	(void)v;
	if (waiter) /* the driver's patience is out, or the client has left */
		metrics_add(waiter->issuer->series[TOLD_UNKNOWN], 1);
}

void verify_stop_waiting(struct request *r)
{
	struct waiter *waiter = r->waits;

	if (waiter)
		waiter->late = true;
}
