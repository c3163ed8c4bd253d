/* journey.c -- the life of one request, top to bottom. Rooms do not know each other; this file knows them
 * all. */
#include "journey/inside.h"
#include "base/check.h"
#include "metrics/metrics.h"
#include <malloc.h>

#define CROWD 1000 /* pieces of 16 KiB, about: fewer leave nothing worth giving back */

enum station {
	ROUTE, CLASSIFY, LIMIT, VERIFY, IDENTIFY, LOGIN, SCREEN, LIMIT_LATE, FORWARD, RESPOND, SETTLE, END
};

/* ---- the rooms' stations, given their room and the time ---- */

static enum pace classify_first(struct request *r)
{
	return classify_enter(r->journey->classify, r);
}

static enum pace limit_first(struct request *r)
{
	return limit_early(r->journey->limits, r, r->loop->now_ns);
}

/* What was read of the body stays with the request. */
static void limit_undo(struct request *r)
{
	limit_leave(r->journey->limits, r);
}

static enum pace verify_walk(struct request *r)
{
	return verify_enter(r->journey->verify, r, r->loop->now_ns, r->loop->wall_ns / NS_PER_S);
}

static void verify_undo(struct request *r)
{
	verify_leave(r->journey->verify, r);
}

static enum pace classify_second(struct request *r)
{
	return classify_identified(r->journey->classify, r);
}

static enum pace login_walk(struct request *r)
{
	struct journey *j = r->journey;

	return r->route->needs_issuer.len ? login_enter(j->verify, j->world.logins, r, r->loop->now_ns) : GO_ON;
}

static enum pace screen_walk(struct request *r)
{
	if (!r->route->exchange || r->asker)
		return GO_ON;
	struct journey *j = r->journey;
	enum pace pace = http_stash(r);
	if (pace == GO_ON)
		pace = exchange_enter(j->world.exchanges, r, r->loop->now_ns);
	return pace == GO_ON && r->exchange && j->claims ? claims_enter(j->claims, r) : pace;
}

/* What was read of the body stays with the request. */
static void screen_undo(struct request *r)
{
	claims_leave(r);
}

static enum pace limit_second(struct request *r)
{
	return limit_late(r->journey->limits, r, r->loop->now_ns);
}

static enum pace forward_walk(struct request *r)
{
	if (r->asker)
		return decision_allow(r);
	return forward_enter(r->journey->forward, r);
}

static void forward_undo(struct request *r)
{
	forward_leave(r->journey->forward, r);
}

/* The upstream's head, changed into what the client gets. */
static bool say_head(struct request *r)
{
	struct answer_head *h = forward_head(r);
	struct response a = { .status = h->status, .fields = &h->headers, .has_length = h->has_length,
		.length = h->length, .no_body = h->no_body };

	r->said = 1;
	respond_fields(r, &h->headers, h->version, r->loop->wall_ns);
	return r->ops->head(r, &a);
}

static enum pace respond_walk(struct request *r)
{
	if (r->fault || r->answer.status) {
		r->status = r->answer.status ? r->answer.status : fault_info[r->fault].status;
		return respond_own(r, r->loop->wall_ns) ? GO_ON : HANG_UP;
	}
	if (!r->said && !say_head(r))
		return HANG_UP;
	enum pace pace = forward_pump(r->journey->forward, r);
	if (pace == WAIT)
		r->ops->flush(r);
	return pace;
}

static void respond_undo(struct request *r)
{
	r->ops->abort(r); /* what was begun cannot be completed */
}

/* ---- the walk ---- */

static const struct {
	enum pace (*enter)(struct request *); /* again after each wake */
	void (*leave)(struct request *);      /* undoes a WAIT */
	enum mark mark;                       /* stamped when it is done */
} route[END] = {
	/* clang-format off */
	[ROUTE]      = { route_enter,     NULL,         MARK_ROUTED },   /* which route speaks for it? */
	[CLASSIFY]   = { classify_first,  NULL,         MARK_BEGAN },    /* who does it seem to be? */
	[LIMIT]      = { limit_first,     limit_undo,   MARK_LIMITED },  /* may this caller try? */
	[VERIFY]     = { verify_walk,     verify_undo,  MARK_VERIFIED }, /* is the credential real? */
	[IDENTIFY]   = { classify_second, NULL,         MARK_BEGAN },    /* who is it? */
	[LOGIN]      = { login_walk,      NULL,         MARK_BEGAN },    /* can it succeed now? */
	[SCREEN]     = { screen_walk,     screen_undo,  MARK_SCREENED }, /* is its credential in use already? */
	[LIMIT_LATE] = { limit_second,    limit_undo,   MARK_LIMITED_LATE }, /* may this subject try? */
	[FORWARD]    = { forward_walk,    forward_undo, MARK_HEAD },     /* the upstream's response head */
	[RESPOND]    = { respond_walk,    respond_undo, MARK_ENDED },    /* its body, or our own answer */
	[SETTLE]     = { settle_enter,    NULL,         MARK_BEGAN },    /* every end passes here once */
	/* clang-format on */
};

static void stamp(struct request *r)
{
	if (route[r->at].mark != MARK_BEGAN)
		r->marks_ns[route[r->at].mark] = r->loop->now_ns;
}

/* What waits for Redis waits for milliseconds: its patience lies in the brief wheel then. */
static void calm(struct request *r)
{
	if (list_is_empty(&r->patience.link))
		return;
	deadline_clear(r->in_haste ? &r->loop->brief : &r->loop->wheel, &r->patience);
	r->in_haste = false;
}

#define COARSE_NS (DEADLINE_BRIEF_NS + NS_PER_MS)

static void haste(struct request *r, uint64_t for_ns)
{
	if (r->in_haste)
		return; /* it runs from the first WAIT */
	calm(r);
	r->in_haste = true;
	/* a slot of the wheel and a millisecond of the system's timer may be added to it */
	for_ns -= for_ns / 4 < COARSE_NS ? for_ns / 4 : COARSE_NS;
	deadline_set(&r->loop->brief, &r->patience, r->loop->now_ns + for_ns);
}

static void go(struct request *r, enum station to)
{
	check(to > r->at); /* a request only ever goes forward */
	if (to >= RESPOND && r->at < RESPOND)
		r->was = r->at;
	calm(r); /* each station has a patience of its own */
	r->at = (uint8_t)to;
}

/* When the driver's patience with the station it waits in ends, and as what. */
static uint64_t patience(const struct request *r, enum fault *why)
{
	uint64_t now = r->loop->now_ns, due;

	switch ((enum station)r->at) {
	case LIMIT:
	case SCREEN:
	case LIMIT_LATE:
		*why = FAULT_BODY_TIMEOUT;
		due = http_body_due(r);
		return due == UINT64_MAX ? now + 3600 * NS_PER_S : due;
	case VERIFY:
		*why = FAULT_ISSUER_UNKNOWN;
		return now + r->config->root.verification.wait;
	case FORWARD:
	case RESPOND:
		return forward_deadline(r->journey->forward, r, why);
	default:
		*why = FAULT_SHUT_DOWN;
		return now + NS_PER_S;
	}
}

static void on_due(struct deadline *d)
{
	struct request *r = list_entry(d, struct request, patience);
	enum fault why = FAULT_NONE;

	if (r->in_haste) {
		r->in_haste = false;
		r->at == SCREEN ? claims_hurry(r) : limit_hurry(r);
		journey_walk(r);
		return;
	}
	if (r->at == VERIFY) { /* it knows what can be said without what it waited for */
		verify_hurry(r);
		journey_walk(r);
		return;
	}
	uint64_t due = patience(r, &why);
	if (due > r->loop->now_ns) /* it has moved meanwhile */
		deadline_set(&r->loop->wheel, d, due);
	else if (r->at == FORWARD && why == FAULT_UPSTREAM_TIMEOUT && forward_try_another(r->journey->forward, r))
		journey_walk(r);
	else
		journey_cut(r, why);
}

/* ns; 0: it does not wait for Redis. */
static uint64_t redis_patience(const struct request *r)
{
	if (r->at == SCREEN)
		return claims_patience(r);
	if (r->at == LIMIT || r->at == LIMIT_LATE)
		return limit_patience(r->journey->limits, r, r->loop->now_ns);
	return 0;
}

static void park(struct request *r)
{
	enum fault why;
	uint64_t haste_ns = redis_patience(r);

	check(route[r->at].leave);
	if (haste_ns) {
		haste(r, haste_ns);
		return;
	}
	if (r->at == VERIFY && !list_is_empty(&r->patience.link))
		return; /* its patience runs from the first WAIT */
	deadline_set(&r->loop->wheel, &r->patience, patience(r, &why));
}

/* SETTLE is done: nothing refers to the request any more but its connection, which frees it. */
static void end(struct request *r)
{
	r->over = true;
	list_remove(&r->since_link);
	share_rests((struct guest *)(void *)r->visitor);
	list_remove(&r->wake_link);
	calm(r);
	r->journey->in_flight--;
	r->ops->finish(r);
}

void journey_walk(struct request *r)
{
	while (r->at != END) {
		switch (route[r->at].enter(r)) {
		case GO_ON:
			stamp(r);
			go(r, (enum station)(r->at + 1));
			break;
		case ANSWER:
			check(r->at < RESPOND);
			stamp(r);
			go(r, RESPOND);
			break;
		case WAIT:
			park(r);
			return;
		case HANG_UP:
			check(r->at < SETTLE);
			r->ops->abort(r);
			go(r, SETTLE);
			break;
		}
	}
	end(r);
}

/* The client left, or the station's patience ran out. */
void journey_cut(struct request *r, enum fault why)
{
	if (route[r->at].leave)
		route[r->at].leave(r);
	stamp(r);
	r->fault = (uint8_t)why;
	if (fault_info[why].status && r->at < RESPOND) {
		go(r, RESPOND);
	} else {
		r->ops->abort(r);
		go(r, SETTLE);
	}
	journey_walk(r);
}

void journey_on_wake(struct request *r)
{
	if (list_is_empty(&r->wake_link))
		list_push(&r->journey->woken, &r->wake_link);
}

/* A trace that the client began goes on under its id (W3C Trace Context, version 00). */
static void adopt_trace(struct request *r)
{
	const struct header *h = headers_find(&r->headers, HEADER_TRACEPARENT);
	bool any = false;

	if (!h || h->value.len != 55 || !slice_starts(h->value, S("00-")) || h->value.at[35] != '-' ||
	    h->value.at[52] != '-')
		return;
	for (size_t i = 3; i < 55; i++) {
		char c = h->value.at[i];
		if (i != 35 && i != 52 && !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return;
		any |= i < 35 && c != '0';
	}
	if (any)
		memcpy(r->id, h->value.at + 3, 32);
}

void journey_on_request(void *with, struct request *r)
{
	struct journey *j = with;

	r->journey = j;
	j->in_flight++;
	list_push(&j->since, &r->since_link);
	share_works((struct guest *)(void *)r->visitor);
	adopt_trace(r);
	deadline_init(&r->patience, on_due);
	if (r->visitor->expected_tls)
		r->fault = FAULT_HTTPS_EXPECTED;
	if (r->fault) /* of a question too: ROUTE is not entered */
		request_asked(r, decision_asker(j, r->target));
	r->at = r->fault ? RESPOND : ROUTE;
	journey_on_wake(r);
}

static void walk_woken(struct journey *j)
{
	struct list batch, *node;

	list_init(&batch);
	while ((node = list_shift(&j->woken)))
		list_push(&batch, node);
	while ((node = list_shift(&batch))) {
		struct request *r = list_entry(node, struct request, wake_link);
		arrival_on_touch(j, r->visitor);
		if (r->at < SETTLE && r->ops->is_gone(r))
			journey_cut(r, FAULT_CLIENT_LEFT);
		else
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
	limits_turn(j->limits, j->world.loop->now_ns);
	uint64_t due_ns = limits_due_ns(j->limits);
	if (due_ns != UINT64_MAX)
		deadline_set(&j->world.loop->brief, &j->owing, due_ns);
}

/* Pieces of about 16 KiB: a connection is one, a request another, and what waits lies in blocks. */
static size_t pieces_held(const struct journey *j)
{
	return j->connections + j->in_flight + j->world.loop->blocks_used;
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

	return verify_is_revoked(j->verify, r, j->world.loop->wall_ns / NS_PER_S);
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

void journey_turn(struct journey *j)
{
	struct loop *l = j->world.loop;

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

bool journey_is_idle(const struct journey *j)
{
	return list_is_empty(&j->woken) && list_is_empty(&j->handshakes);
}
