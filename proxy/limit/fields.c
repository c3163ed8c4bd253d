/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10), counted in requests:
 *     RateLimit-Policy: "api";q=30;w=3     a full bucket admits 30, and takes 3 s to fill
 *     RateLimit: "api";r=12;t=2            12 are left; it is full in 2 s
 *     RateLimit: "api";r=0;t=7             the next is admitted in 7 s */
#include "base/text.h"
#include "limit/inside.h"

static uint64_t seconds_up(uint64_t ns)
{
	return ns / NS_PER_S + (ns % NS_PER_S != 0);
}

void fields_prepare(struct plan *plan, bool wanted)
{
	struct text t = TEXT(plan->policy_text);
	uint64_t window = seconds_up(plan->gcra.tolerance_ns);

	if (!wanted || plan->limit->headers == HEADERS_NEVER)
		return;
	text_char(&t, '"');
	text_add(&t, plan->limit->id);
	text_add(&t, S("\";q="));
	text_u64(&t, plan->limit->burst / plan->limit->cost);
	text_add(&t, S(";w="));
	text_u64(&t, window ? window : 1);
	if (!t.cut)
		plan->policy = text_slice(&t);
}

static void add_comma(struct text *t)
{
	if (t->len)
		text_add(t, S(", "));
}

static void add_state(struct text *t, const struct plan *plan, const struct bucket_answer *a, uint64_t now_ns)
{
	uint64_t left = gcra_remaining(plan->gcra, a->shown_tat, now_ns) / plan->limit->cost;
	uint64_t tat = a->shown_tat, wait_ns = 0;

	if (left)
		wait_ns = tat > now_ns ? tat - now_ns : 0;
	else
		gcra_take(plan->gcra, &tat, now_ns, plan->limit->cost, &wait_ns);
	text_char(t, '"');
	text_add(t, plan->limit->id);
	text_add(t, S("\";r="));
	text_u64(t, left);
	text_add(t, S(";t="));
	text_u64(t, seconds_up(wait_ns));
}

/* Is the client told of this limit? */
static bool is_told(const struct request *r, const struct round *round, size_t i)
{
	const struct plan *plan = round->plans[i];

	return plan->policy.len && !round->shadow[i] &&
	       (plan->limit->headers == HEADERS_ALWAYS || r->route->verify);
}

void fields_add(struct request *r, const struct round *round, uint64_t now_ns)
{
	struct text policy = { 0 }, state = { 0 };
	size_t room = r->rate_limit.len + r->rate_limit_policy.len, before = room;

	for (size_t i = 0; i < round->len; i++)
		if (is_told(r, round, i))
			room += sizeof round->plans[i]->policy_text;
	if (room == before)
		return;
	/* an arena that overflows would fail the request, and these fields are not worth that */
	if (r->arena.size - r->arena.used < 2 * room + 1024)
		return;
	policy.at = arena_room(&r->arena, room);
	state.at = arena_room(&r->arena, room);
	policy.cap = state.cap = room;
	text_add(&policy, r->rate_limit_policy);
	text_add(&state, r->rate_limit);
	for (size_t i = 0; i < round->len; i++) {
		if (!is_told(r, round, i))
			continue;
		add_comma(&policy);
		text_add(&policy, round->plans[i]->policy);
		add_comma(&state);
		add_state(&state, round->plans[i], &round->answered[i], now_ns);
	}
	if (policy.cut || state.cut)
		return;
	r->rate_limit_policy = text_slice(&policy);
	r->rate_limit = text_slice(&state);
}
