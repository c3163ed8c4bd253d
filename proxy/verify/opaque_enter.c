/* Tokens that only their issuer can read: what it said of them, and who waits for it to say something. */
#include "metrics/metrics.h"
#include "verify/auth.h"

#define ASK_AGAIN_NS NS_PER_S /* a question may die with the keeper that had it */

static const struct config_opaque *terms(const struct auth *t)
{
	return t->issuer->config->opaque;
}

static uint64_t age_ns(const struct auth *t)
{
	if (!t->seen.head.len)
		return UINT64_MAX;
	return t->now_ns > t->seen.head.asked_ns ? t->now_ns - t->seen.head.asked_ns : 0;
}

uint64_t opaque_ends_s(const struct auth *t)
{
	uint64_t stale_ns = terms(t)->stale, age = age_ns(t);

	return t->wall_s + (age < stale_ns ? (stale_ns - age) / NS_PER_S : 0);
}

/* Asks the keeper, unless this worker has asked for the token lately. */
static bool ask(struct auth *t)
{
	const struct verify_ask *to = &t->verify->ask;
	uint64_t tag;

	memcpy(&tag, t->id, sizeof tag);
	struct asked_key *q = &t->verify->question[tag % QUESTIONS];
	if (q->tag == tag && t->now_ns - q->asked_ns < ASK_AGAIN_NS)
		return true;
	if (!to->token_unknown || !to->token_unknown(to->with, t->issuer->config->id, t->credential.token))
		return false;
	*q = (struct asked_key){ tag, t->now_ns };
	return true;
}

/* The claims, read from what was said unless that has been done already. */
static const struct claims *read_claims(struct auth *t)
{
	struct verify *v = t->verify;
	const struct claims_plan plan = { &t->policy->names[t->policy->opaque], 1, t->policy->plan.wanted, true };
	uint16_t key;
	size_t whose;

	t->name.generation = t->seen.head.generation;
	const struct claims *known = cache_find(v->cache, &t->name, &key);
	metrics_add(known ? v->hit : v->miss, 1);
	if (known)
		return known;
	struct slice text = { v->answer, t->seen.head.len };
	if (!opaque_text(&t->seen, v->answer) ||
	    !claims_read(text, &plan, v->answer_text, sizeof v->answer_text, &v->answer_claims, &whose))
		return NULL;
	cache_put(v->cache, &t->name, &v->answer_claims);
	return &v->answer_claims;
}

static enum fault judge(struct auth *t)
{
	const struct claims *claims = read_claims(t);

	if (!claims)
		return FAULT_TOKEN_UNASKED;
	enum fault fault = check_token_claims(t, claims, true);
	if (fault)
		return fault;
	t->claims = claims;
	return check_token_rights(t->policy, claims);
}

enum fault opaque_fall_back(struct auth *t)
{
	return age_ns(t) <= terms(t)->stale ? judge(t) : FAULT_TOKEN_UNASKED;
}

static enum fault unusable(struct auth *t, const char why[OPAQUE_WHY_MAX])
{
	struct slice said = { why, strnlen(why, OPAQUE_WHY_MAX - 1) };

	metrics_add(t->verify->negative, 1);
	t->request->detail = arena_copy(&t->request->arena, said);
	return FAULT_TOKEN_UNUSABLE;
}

enum fault opaque_examine(struct auth *t)
{
	struct verify *v = t->verify;
	const struct opaque_table *table = &v->published->opaque;

	auth_take_issuer(t, t->policy->issuer[t->policy->opaque]);
	uint64_t fresh_ns = terms(t)->fresh;
	if (t->credential.token.len > OPAQUE_TOKEN_MAX)
		return FAULT_TOKEN_MALFORMED;
	if (worker_is_blinded(t->issuer, t->now_ns)) /* a drill */
		return FAULT_TOKEN_UNASKED;
	if (!opaque_id(&v->crypt, t->issuer->opaque_who, t->name.token, t->id))
		return FAULT_TOKEN_UNASKED;
	char why[OPAQUE_WHY_MAX];
	enum opaque_word word = opaque_heard_why(table, t->id, t->now_ns, why);
	if (word == OPAQUE_REFUSED) {
		metrics_add(v->negative, 1);
		return FAULT_TOKEN_INACTIVE;
	}
	if (word == OPAQUE_UNUSABLE)
		return unusable(t, why);
	if (!opaque_find(table, t->id, &t->seen))
		t->seen.head.len = 0;
	if (age_ns(t) <= fresh_ns) {
		if (age_ns(t) > fresh_ns / 5 * 4 && word != OPAQUE_FAILED)
			(void)ask(t); /* again, before somebody has to wait for it */
		return judge(t);
	}
	if (word == OPAQUE_FAILED)
		return opaque_fall_back(t);
	t->wants_answer = true;
	return FAULT_TOKEN_UNASKED;
}

bool opaque_wait(struct auth *t)
{
	struct verify *v = t->verify;

	if (auth_is_late(t) || !ask(t) || v->config->root.verification.wait == 0 || !auth_waiter(t))
		return false;
	memcpy(t->waiter->id, t->id, sizeof t->waiter->id);
	list_push(&v->opaque_waiters, &t->waiter->link);
	t->request->waits = t->waiter;
	t->request->identity.verdict = VERDICT_UNKNOWN;
	return true;
}

/* Has anything been said of its token since it came? */
static bool has_news(const struct verify *v, const struct waiter *w)
{
	const struct opaque_table *table = &v->published->opaque;
	struct opaque_seen seen;

	if (opaque_find(table, w->id, &seen) &&
	    seen.head.asked_ns + w->issuer->config->opaque->fresh >= w->arrived_ns)
		return true;
	return opaque_heard(table, w->id, w->arrived_ns) != OPAQUE_NOTHING;
}

void opaque_catch_up(struct verify *v)
{
	uint64_t moved = atomic_load_explicit(&v->published->opaque.moved, memory_order_acquire);
	struct list *next;

	if (moved == v->opaque_moved)
		return;
	v->opaque_moved = moved;
	uint64_t keepers = atomic_load(&v->published->opaque.keepers);
	bool anew = keepers != v->opaque_keepers;
	v->opaque_keepers = keepers;
	if (anew)
		memset(v->question, 0, sizeof v->question);
	for (struct list *node = v->opaque_waiters.next; node != &v->opaque_waiters; node = next) {
		struct waiter *w = list_entry(node, struct waiter, link);
		next = node->next;
		if (!anew && !has_news(v, w))
			continue;
		list_remove(node);
		request_wake(w->request);
	}
}
