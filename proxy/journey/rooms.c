/* rooms.c -- the stations of the other rooms, each given its room and the time: what to do there (at_), what
 * undoes a WAIT (leave_), how long it may last (wait_, due_) and what becomes of it then (late_). */
#include "journey/inside.h"
#include "base/check.h"

enum step_result at_classify(struct request *r)
{
	return classify_enter(r->journey->classify, r);
}

enum step_result at_identify(struct request *r)
{
	return classify_identified(r->journey->classify, r);
}

/* ---- LIMIT, LIMIT_LATE: wait for Redis, and for the first bytes of the body ---- */

enum step_result at_limit(struct request *r)
{
	return limit_early(r->journey->limits, r, r->loop->now_ns);
}

enum step_result at_limit_late(struct request *r)
{
	return limit_late(r->journey->limits, r, r->loop->now_ns);
}

/* What was read of the body stays with the request. */
void leave_limit(struct request *r)
{
	limit_leave(r->journey->limits, r);
}

uint64_t wait_limit(const struct request *r)
{
	return limit_wait_ns(r->journey->limits, r, r->loop->now_ns);
}

bool late_limit(struct request *r, enum fault why)
{
	if (why == FAULT_NONE)
		limit_stop_waiting(r);
	return why == FAULT_NONE;
}

uint64_t due_body(const struct request *r, enum fault *why)
{
	uint64_t due_ns = http_body_due(r);

	*why = FAULT_BODY_TIMEOUT;
	return due_ns == UINT64_MAX ? r->loop->now_ns + 3600 * NS_PER_S : due_ns;
}

/* ---- VERIFY: waits for the keeper ---- */

enum step_result at_verify(struct request *r)
{
	return verify_enter(r->journey->verify, r, r->loop->now_ns, r->loop->wall_ns / NS_PER_S);
}

void leave_verify(struct request *r)
{
	verify_leave(r->journey->verify, r);
}

uint64_t wait_verify(const struct request *r)
{
	uint64_t most_ns = r->config->root.verification.wait;

	return most_ns ? most_ns : 1; /* it does not wait for a peer */
}

/* It knows what can be said without what it waited for. */
bool late_verify(struct request *r, enum fault why)
{
	check(why == FAULT_NONE);
	verify_stop_waiting(r);
	return true;
}

/* ---- LOGIN ---- */

enum step_result at_login(struct request *r)
{
	struct journey *j = r->journey;

	return r->route->needs_issuer.len ? login_enter(j->verify, j->env.logins, r, r->loop->now_ns) : GO_ON;
}

/* ---- SCREEN: waits for the body, which has the credential, and for Redis ---- */

enum step_result at_screen(struct request *r)
{
	if (!r->route->exchange || r->ext_auth)
		return GO_ON;
	struct journey *j = r->journey;
	enum step_result result = http_stash(r);
	if (result == GO_ON)
		result = exchange_enter(j->env.exchanges, r, r->loop->now_ns);
	return result == GO_ON && r->exchange && j->claims ? claims_enter(j->claims, r) : result;
}

/* What was read of the body stays with the request. */
void leave_screen(struct request *r)
{
	claims_leave(r);
}

uint64_t wait_screen(const struct request *r)
{
	return claims_wait_ns(r);
}

bool late_screen(struct request *r, enum fault why)
{
	if (why == FAULT_NONE)
		claims_stop_waiting(r);
	return why == FAULT_NONE;
}

/* ---- FORWARD, RESPOND: wait for the upstream, and for the client to take or give ---- */

enum step_result at_forward(struct request *r)
{
	struct journey *j = r->journey;

	if (r->ext_auth)
		return decision_allow(r);
	if (r->route->reconcile && j->guard && !r->guarded)
		r->guarded = guard_is_latched(j->guard, r, r->loop->wall_ns / NS_PER_S) ? 2 : 1;
	return forward_enter(j->forward, r);
}

void leave_forward(struct request *r)
{
	forward_leave(r->journey->forward, r);
}

uint64_t due_answer(const struct request *r, enum fault *why)
{
	return forward_deadline(r->journey->forward, r, why);
}

bool late_forward(struct request *r, enum fault why)
{
	return why == FAULT_UPSTREAM_TIMEOUT && forward_try_another(r->journey->forward, r);
}

/* ---- GUARD: waits for a body that may be an empty list, as far as it is looked at ---- */

enum step_result at_guard(struct request *r)
{
	if (!r->guarded)
		return GO_ON;
	struct journey *j = r->journey;
	const struct answer_head *h = forward_head(r);
	struct guard_answer a = { .status = h->status, .fields = &h->headers };
	bool list = r->route->watch_empty && h->status == 200 && slice_same(r->method, S("GET"));
	enum step_result pace = list ? forward_hold(j->forward, r, GUARD_BODY, &a.body, &a.whole) : GO_ON;

	return pace == GO_ON ? guard_enter(j->guard, r, &a, r->loop->wall_ns / NS_PER_S) : pace;
}

/* The client has got nothing of the answer yet, so it is told. */
uint64_t due_guard(const struct request *r, enum fault *why)
{
	uint64_t due_ns = forward_deadline(r->journey->forward, r, why);

	if (*why == FAULT_UPSTREAM_CUT)
		*why = FAULT_UPSTREAM_TIMEOUT;
	return due_ns;
}

/* The upstream's head, changed into what the client gets. */
static bool say_head(struct request *r)
{
	struct answer_head *h = forward_head(r);
	struct response a = { .status = h->status,
		                  .fields = &h->headers,
		                  .has_length = h->has_length,
		                  .length = h->length,
		                  .no_body = h->no_body };

	r->said = 1;
	respond_fields(r, &h->headers, h->version, r->loop->wall_ns);
	return r->ops->head(r, &a);
}

enum step_result at_respond(struct request *r)
{
	if (r->fault || r->answer.status) {
		r->status = r->answer.status ? r->answer.status : fault_info[r->fault].status;
		return respond_own(r, r->loop->wall_ns) ? GO_ON : HANG_UP;
	}
	if (!r->said && !say_head(r))
		return HANG_UP;
	enum step_result result = forward_pump(r->journey->forward, r);
	if (result == WAIT)
		r->ops->flush(r);
	return result;
}

void leave_respond(struct request *r)
{
	r->ops->abort(r); /* what was begun cannot be completed */
}
