/* journey.c -- the life of one request, top to bottom: a table, and the few lines that walk it. The stations'
 * functions are in rooms.c and stations.c. */
#include "journey/inside.h"
#include "base/check.h"

enum station {
	ROUTE,      /* which route speaks for it? */
	CLASSIFY,   /* who does it seem to be? */
	LIMIT,      /* may this caller try? */
	VERIFY,     /* is the credential real? */
	IDENTIFY,   /* who is it? */
	LOGIN,      /* can it succeed now? */
	SCREEN,     /* is its credential in use already? */
	LIMIT_LATE, /* may this subject try? */
	FORWARD,    /* the upstream's response head */
	GUARD,      /* may "it is not there" pass? */
	RESPOND,    /* its body, or our own answer */
	SETTLE,     /* every end passes here once */
	END
};

static const struct {
	enum step_result (*at)(struct request *); /* again after each wake */
	void (*leave)(struct request *);          /* undoes a WAIT */
	/* ns that it may WAIT in all, for Redis or the keeper; 0: it waits for a peer */
	uint64_t (*wait)(const struct request *);
	/* of a peer: until when, and what it is called then; asked again as that comes */
	uint64_t (*due)(const struct request *, enum fault *why);
	/* That time is over (of the first kind: as FAULT_NONE). True: it is entered again; false: it is cut. */
	bool (*late)(struct request *, enum fault why);
	enum mark mark; /* stamped when it is done */
} stations[END] = {
	/* clang-format off */
	[ROUTE]      = { at_route,      NULL,          NULL,        NULL,       NULL,         MARK_ROUTED },
	[CLASSIFY]   = { at_classify,   NULL,          NULL,        NULL,       NULL,         MARK_BEGAN },
	[LIMIT]      = { at_limit,      leave_limit,   wait_limit,  due_body,   late_limit,   MARK_LIMITED },
	[VERIFY]     = { at_verify,     leave_verify,  wait_verify, NULL,       late_verify,  MARK_VERIFIED },
	[IDENTIFY]   = { at_identify,   NULL,          NULL,        NULL,       NULL,         MARK_BEGAN },
	[LOGIN]      = { at_login,      NULL,          NULL,        NULL,       NULL,         MARK_BEGAN },
	[SCREEN]     = { at_screen,     leave_screen,  wait_screen, due_body,   late_screen,  MARK_SCREENED },
	[LIMIT_LATE] = { at_limit_late, leave_limit,   wait_limit,  due_body,   late_limit,   MARK_LIMITED_LATE },
	[FORWARD]    = { at_forward,    leave_forward, NULL,        due_answer, late_forward, MARK_HEAD },
	[GUARD]      = { at_guard,      leave_forward, NULL,        due_guard,  NULL,         MARK_BEGAN },
	[RESPOND]    = { at_respond,    leave_respond, NULL,        due_answer, NULL,         MARK_ENDED },
	[SETTLE]     = { at_settle,     NULL,          NULL,        NULL,       NULL,         MARK_BEGAN },
	/* clang-format on */
};

static void stamp(struct request *r)
{
	if (stations[r->at].mark != MARK_BEGAN)
		r->marks_ns[stations[r->at].mark] = r->loop->now_ns;
}

/* ---- how long it may wait ---- */

static void clear_timeout(struct request *r)
{
	if (list_is_empty(&r->timeout.link))
		return;
	deadline_clear(r->on_short_timeout ? &r->loop->brief : &r->loop->wheel, &r->timeout);
	r->on_short_timeout = false;
}

#define COARSE_NS (DEADLINE_BRIEF_NS + NS_PER_MS)

/* From the first WAIT on. */
static void wait_briefly(struct request *r, uint64_t for_ns)
{
	if (r->on_short_timeout)
		return;
	clear_timeout(r);
	r->on_short_timeout = true;
	/* a slot of the wheel and a millisecond of the system's timer may be added to it */
	for_ns -= for_ns / 4 < COARSE_NS ? for_ns / 4 : COARSE_NS;
	deadline_set(&r->loop->brief, &r->timeout, r->loop->now_ns + for_ns);
}

static void park(struct request *r)
{
	enum fault why;
	uint64_t wait_ns = stations[r->at].wait ? stations[r->at].wait(r) : 0;

	check(stations[r->at].leave);
	if (wait_ns)
		wait_briefly(r, wait_ns);
	else
		deadline_set(&r->loop->wheel, &r->timeout, stations[r->at].due(r, &why));
}

static void on_due(struct deadline *d)
{
	struct request *r = list_entry(d, struct request, timeout);
	enum fault why = FAULT_NONE;

	if (!r->on_short_timeout) {
		uint64_t due_ns = stations[r->at].due(r, &why);
		if (due_ns > r->loop->now_ns) { /* it has moved meanwhile */
			deadline_set(&r->loop->wheel, d, due_ns);
			return;
		}
	}
	r->on_short_timeout = false;
	if (stations[r->at].late && stations[r->at].late(r, why))
		journey_walk(r);
	else
		journey_cut(r, why);
}

/* ---- the walk ---- */

static void go(struct request *r, enum station to)
{
	check(to > r->at); /* a request only ever goes forward */
	if (to >= RESPOND && r->at < RESPOND)
		r->was = r->at;
	clear_timeout(r); /* each station has a time of its own */
	r->at = (uint8_t)to;
}

/* SETTLE is done: nothing refers to the request any more but its connection, which frees it. */
static void end(struct request *r)
{
	r->over = true;
	list_remove(&r->since_link);
	share_rests((struct client_connection *)(void *)r->client_facts);
	list_remove(&r->wake_link);
	clear_timeout(r);
	r->journey->in_flight--;
	r->ops->finish(r);
}

void journey_walk(struct request *r)
{
	while (r->at != END) {
		switch (stations[r->at].at(r)) {
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

/* The client left, or the station's time is over. */
void journey_cut(struct request *r, enum fault why)
{
	if (stations[r->at].leave)
		stations[r->at].leave(r);
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

void journey_on_request(void *with, struct request *r)
{
	struct journey *j = with;

	r->journey = j;
	j->in_flight++;
	list_push(&j->since, &r->since_link);
	share_works((struct client_connection *)(void *)r->client_facts);
	request_adopt_trace(r);
	deadline_init(&r->timeout, on_due);
	if (r->client_facts->expected_tls)
		r->fault = FAULT_HTTPS_EXPECTED;
	if (r->fault) /* of a question too: ROUTE is not entered */
		request_asked(r, decision_ext_auth(j, r->target));
	r->at = r->fault ? RESPOND : ROUTE;
	journey_on_wake(r);
}

bool journey_cut_if_gone(struct request *r)
{
	bool gone = r->at < SETTLE && r->ops->is_gone(r);

	if (gone)
		journey_cut(r, FAULT_CLIENT_LEFT);
	return gone;
}
