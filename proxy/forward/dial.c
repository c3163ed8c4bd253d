/* dial.c -- the keeper's side: endpoints that were ejected since they refused connections are tried in the
 * background until they accept one. Those with health checks are not: the checks decide about them. */
#include "forward/keeper.h"
#include "base/log.h"
#include "base/random.h"
#include <stdlib.h>

#define FIRST_NS (250 * NS_PER_MS) /* from try to try, growing by a quarter ... */
#define LAST_NS (2 * NS_PER_S)     /* ... to this */
#define TIMEOUT_NS NS_PER_S
#define SLACK_NS NS_PER_S /* a try that is not answered by this after its timeout has failed */

static void not_yet(struct watched *e)
{
	uint64_t longer = e->dial_wait_ns + e->dial_wait_ns / 4;

	e->state.refused_ns = watched_now(e);
	record_publish(e);
	e->dial_wait_ns = longer < LAST_NS ? longer : LAST_NS;
	e->dial_due_ns = e->state.refused_ns + random_jitter(e->dial_wait_ns, 10);
}

static void on_dialled(void *for_whom, bool accepted)
{
	struct watch_call *q = for_whom;
	struct watched *e = q->endpoint;

	free(q);
	if (!e)
		return;
	e->dial = NULL;
	if (!accepted) {
		not_yet(e);
		return;
	}
	log_info("upstream %.*s: endpoint %.*s accepts connections again", SLICE(e->upstream->id),
	         SLICE(e->text));
	e->dial_due_ns = UINT64_MAX;
	e->state.accepted_ns = watched_now(e);
	record_publish(e);
}

/* Where a name has several addresses they take turns. */
static bool address(struct watched *e, struct sockaddr_storage *to, socklen_t *len)
{
	const struct endpoint_state *s = &e->state;

	if (endpoint_address(&e->url, to, len))
		return true;
	if (s->addresses_len == 0)
		return false;
	*to = s->addresses[e->dials++ % s->addresses_len];
	*len = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	return true;
}

void dial_endpoint(struct watched *e, uint64_t now_ns)
{
	struct forward_env *w = &e->keeper->env;
	struct sockaddr_storage to;
	socklen_t len;

	if (e->dial) {
		e->dial->endpoint = NULL;
		e->dial = NULL;
		not_yet(e);
		return;
	}
	if (!address(e, &to, &len)) {
		not_yet(e);
		return;
	}
	e->dial_due_ns = now_ns + TIMEOUT_NS + SLACK_NS;
	struct watch_call *q = e->dial = inquire(e);
	w->dial(w->with, &to, len, TIMEOUT_NS, on_dialled, q);
}

void forward_keeper_refused(struct forward_keeper *k, struct slice upstream, struct slice endpoint)
{
	for (size_t i = 0; i < k->len; i++) {
		struct watched *e = &k->watched[i];
		if (!slice_same(e->upstream->id, upstream) || !slice_same(e->text, endpoint))
			continue;
		if (e->upstream->health || e->record == RECORDS || e->dial_due_ns != UINT64_MAX)
			return; /* another worker has said so before */
		e->dial_wait_ns = FIRST_NS;
		e->dial_due_ns = watched_now(e) + random_jitter(FIRST_NS, 20);
		return;
	}
}
