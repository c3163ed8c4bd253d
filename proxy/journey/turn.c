/* turn.c -- the turn of the loop: what a worker's data plane does each time, which journey_turn names. */
#include "journey/inside.h"
#include "metrics/metrics.h"
#include <malloc.h>

#define CROWD 1000 /* pieces of 16 KiB, about: fewer leave nothing worth giving back */

static void walk_woken(struct journey *j)
{
	struct list batch, *node;

	list_init(&batch);
	while ((node = list_shift(&j->woken)))
		list_push(&batch, node);
	while ((node = list_shift(&batch))) {
		struct request *r = list_entry(node, struct request, wake_link);
		arrival_on_touch(j, r->client_facts);
		if (!journey_cut_if_gone(r))
			journey_walk(r);
	}
}

static void tell(const struct journey *j)
{
	static const struct slice no = { "", 0 };

	size_t tunnels = forward_tunnels(j->forward);

	metrics_set(metrics_series(METRIC_requests_in_flight, no, no, no, no), (int64_t)(j->in_flight - tunnels));
	metrics_set(metrics_series(METRIC_connections_open, no, no, no, no), (int64_t)j->connections);
	metrics_set(metrics_series(METRIC_tunnels_open, no, no, no, no), (int64_t)tunnels);
}

static void ask_redis(struct journey *j)
{
	if (j->claims)
		claims_turn(j->claims);
	limits_turn(j->limits, j->env.loop->now_ns);
	uint64_t due_ns = limits_due_ns(j->limits);
	if (due_ns != UINT64_MAX)
		deadline_set(&j->env.loop->brief, &j->owing, due_ns);
}

/* Pieces of about 16 KiB: a connection is one, a request another, and what waits lies in blocks. */
static size_t pieces_held(const struct journey *j)
{
	return j->connections + j->in_flight + j->env.loop->blocks_used;
}

/* The C library keeps what a crowd took long after it has left. Giving it back takes milliseconds, so it is
 * done once a crowd, when most of it is gone. */
static void give_back(struct journey *j)
{
	size_t held = pieces_held(j);

	if (held > j->crowd) {
		j->crowd = held;
		return;
	}
	if (j->crowd < CROWD || held > j->crowd / 4)
		return;
	malloc_trim(0);
	j->crowd = held;
}

static bool is_revoked(void *with, const struct request *r)
{
	const struct journey *j = with;

	return verify_is_revoked(j->verify, r, j->env.loop->wall_ns / NS_PER_S);
}

/* A tunnel's token was judged before its upstream answered; it is judged again where something has been
 * revoked, and once a second for what was revoked in between. */
static void judge_tunnels(struct journey *j, bool now)
{
	uint64_t moved = verify_revocations_moved(j->verify);

	if (moved == j->revocations_moved && !now)
		return;
	j->revocations_moved = moved;
	forward_revoke(j->forward, is_revoked, j);
}

bool journey_is_idle(const struct journey *j)
{
	return list_is_empty(&j->woken) && list_is_empty(&j->handshakes);
}

void journey_turn(struct journey *j)
{
	struct loop *l = j->env.loop;

	verify_turn(j->verify);
	judge_tunnels(j, false);
	arrival_turn(j);
	walk_woken(j);
	ask_redis(j);
	http_flush(&j->http);
	if (l->now_ns - j->ticked_ns >= NS_PER_S) {
		j->ticked_ns = l->now_ns;
		forward_tick(j->forward);
		judge_tunnels(j, true);
		tell(j);
		give_back(j);
		held_tick(j);
	}
	arrival_let_go(j);
}
