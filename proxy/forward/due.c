/* due.c -- until when the upstream or the client may take, and whose fault it is when they take longer. */
#include "forward/inside.h"

/* All that the upstream needs for its answer: of a tunnel that is the head. */
static bool is_sent(const struct request *r, const struct upstream_call *p)
{
	return p->up_done || (r->upgrade_websocket && p->state != CALL_START);
}

/* Too slow a request body, where we are not what holds it up. */
static uint64_t body_deadline(const struct request *r, const struct upstream_call *p)
{
	bool ours = is_sent(r, p) || (p->link && wire_backlog(p->link->wire) >= WIRE_HIGH);

	return ours ? UINT64_MAX : http_body_due(r);
}

/* When the token of a request ends; UINT64_MAX where there is none, or not in our lifetime. */
static uint64_t token_deadline(const struct request *r)
{
	uint64_t expires_s = r->identity.expires_s, wall = r->loop->wall_ns;

	if (!expires_s || expires_s > INT64_MAX / NS_PER_S)
		return UINT64_MAX;
	return r->loop->now_ns + (expires_s * NS_PER_S > wall ? expires_s * NS_PER_S - wall : 0);
}

static uint64_t tunnel_deadline(const struct request *r, const struct upstream_call *p, enum fault *why)
{
	const struct wire *up = p->link->wire;
	uint64_t moved = up->moved_ns > r->ops->taken_ns(r) ? up->moved_ns : r->ops->taken_ns(r);
	uint64_t due = moved + r->route->idle_timeout;

	*why = FAULT_TUNNEL_REVOKED;
	if (p->tunnel_revoked)
		return r->loop->now_ns;
	*why = FAULT_TUNNEL_IDLE;
	if (p->tunnel_end_ns && p->tunnel_end_ns < due) {
		*why = FAULT_SHUT_DOWN;
		due = p->tunnel_end_ns;
	}
	if (token_deadline(r) < due) {
		*why = FAULT_TUNNEL_EXPIRED;
		due = token_deadline(r);
	}
	return due;
}

/* Who holds the bodies up: the client that does not take, or the upstream that does not give. */
static uint64_t bodies_deadline(const struct request *r, const struct upstream_call *p, enum fault *why)
{
	uint64_t given = p->link->wire->moved_ns + r->route->idle_timeout;

	/* what is left unread of it is left for want of room */
	if (r->ops->room(r) == 0 || p->down_done || wire_is_readable(p->link->wire)) {
		*why = FAULT_CLIENT_STALLED;
		return r->ops->taken_ns(r) + r->config->root.timeouts.write_stall;
	}
	*why = FAULT_UPSTREAM_CUT;
	return given;
}

/* Who holds the answer up: the client that does not give its body, or the upstream, from the end of the
 * request on, or from when it last took any of it. The upstream is not to blame for a slow client. */
static uint64_t head_deadline(const struct request *r, const struct upstream_call *p, enum fault *why)
{
	bool backlog = wire_backlog(p->link->wire) > 0;
	uint64_t taken = backlog ? wire_taken_ns(p->link->wire) : 0;

	if (is_sent(r, p) || backlog)
		return (taken > p->sent_ns ? taken : p->sent_ns) + r->route->header_timeout;
	*why = FAULT_BODY_TIMEOUT;
	return r->ops->taken_ns(r) + r->route->idle_timeout;
}

uint64_t forward_deadline(struct forward *f, const struct request *r, enum fault *why)
{
	const struct upstream_call *p = r->call;
	uint64_t due, body = body_deadline(r, p);
	uint64_t total = r->route->total_timeout;

	(void)f;
	*why = FAULT_UPSTREAM_TIMEOUT;
	if (p->state == CALL_START)
		due = UINT64_MAX; /* the stash is being gathered: body_deadline alone counts */
	else if (p->state == CALL_CONNECT)
		due = p->tried_ns + p->upstream->config->connect_timeout;
	else if (p->state == CALL_WAIT_HEAD)
		due = head_deadline(r, p, why);
	else if (p->state == CALL_TUNNEL)
		due = tunnel_deadline(r, p, why);
	else
		due = bodies_deadline(r, p, why);
	if (body < due) {
		*why = FAULT_BODY_TIMEOUT;
		due = body;
	}
	if (total && p->state != CALL_TUNNEL && r->marks_ns[MARK_BEGAN] + total < due) {
		*why = p->state == CALL_BODIES ? FAULT_UPSTREAM_CUT : FAULT_UPSTREAM_TIMEOUT;
		due = r->marks_ns[MARK_BEGAN] + total;
	}
	return due == UINT64_MAX ? r->loop->now_ns + 3600 * NS_PER_S : due;
}
