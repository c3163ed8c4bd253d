/* redis_query.c -- the questions of a worker: one per key at a time, written at the end of the turn, when it
 * is known how many requests wait for it. Replies are delivered within the loop's turn and only wake. */
#include "limit/fleet.h"
#include "metrics/metrics.h"

#define HOLD_MAX_NS (20 * NS_PER_MS)

uint64_t fleet_workers(const struct fleet *f)
{
	uint64_t machines = f->remote.size(f->remote.with);

	return f->remote.workers * (machines ? machines : 1);
}

void redis_query_want(struct limits *l, struct lease *e)
{
	if (!e->flying && list_is_empty(&e->link))
		list_push(&l->fleet->queue, &e->link);
}

bool redis_query_may(const struct limits *l, const struct lease *e, uint64_t now_ns)
{
	const struct limit_remote *remote = &l->fleet->remote;

	if (e->flying)
		return now_ns - e->asked_ns < l->fleet->budget_ns;
	return now_ns >= e->astray_ns && remote->state(remote->with, e->name.slot) == LIMIT_REMOTE_UP;
}

void redis_query_join(struct limits *l, struct lease *e, struct limit_waiter *t)
{
	t->lease = e;
	list_push(&e->waiters, &t->link);
	e->waiters_len++;
	redis_query_want(l, e);
}

void redis_query_leave(struct limit_waiter *t)
{
	if (list_is_empty(&t->link))
		return;
	list_remove(&t->link);
	t->lease->waiters_len--;
}

static void wake_all(struct lease *e, bool by_themselves)
{
	struct list *node;

	while ((node = list_shift(&e->waiters))) {
		struct limit_waiter *t = list_entry(node, struct limit_waiter, link);
		t->by_itself |= by_themselves;
		request_wake(t->request);
	}
	e->waiters_len = 0;
}

bool redis_query_send(const struct fleet *f, const struct name *name, const struct words *w, bool settling,
                      struct limit_asked *asked)
{
	const struct limit_question q = {
		.slot = name->slot,
		.settling = settling,
		.bitfield = w->bitfield,
		.bitfield_len = w->bitfield_len,
		.expire = w->expire,
		.expire_len = sizeof w->expire / sizeof w->expire[0],
		.asked = asked,
	};

	return f->remote.ask(f->remote.with, &q);
}

/* Nothing will come of it: those who wait decide by themselves. */
static void fail(struct lease *e, uint64_t now_ns)
{
	e->again = 0;
	e->twice = e->anew = false;
	if (e->late_tokens)
		settle_owe(e->home, e->plan, e->tag, &e->name, e->late_tokens, now_ns, false);
	e->late_tokens = 0;
	wake_all(e, true);
}

/* Those who were admitted without the answer own its first slots. */
static void pay(struct lease *e, struct span *granted, uint64_t now_ns)
{
	uint64_t period = e->plan->gcra.period_ns, slots = (granted->to_ns - granted->from_ns) / period;
	uint64_t paid = e->late_tokens < slots ? e->late_tokens : slots;

	granted->from_ns += paid * period;
	if (e->late_tokens > paid)
		settle_charge(e->home, e->plan, e->tag, &e->name, e->late_tokens - paid, now_ns);
	metrics_count_n(METRIC_limit_late_tokens_total, paid);
	e->late_tokens = 0;
}

static void granted(struct lease *e, const struct ruling *ruling, uint64_t now_ns)
{
	uint64_t to = ruling->tat_ns - e->base_ns;
	struct span span = { to - e->question.tokens * e->plan->gcra.period_ns, to };

	pay(e, &span, now_ns);
	lease_grant(e, e->asked_ns, span);
}

static void hold(struct lease *e, uint64_t now_ns)
{
	uint64_t quarter = e->plan->gcra.tolerance_ns / 4;

	e->hold_ns = now_ns + (quarter < HOLD_MAX_NS ? quarter : HOLD_MAX_NS);
}

/* True: a smaller question goes out instead. */
static bool try_less(struct lease *e, const struct ruling *ruling)
{
	uint64_t cost = e->plan->limit->cost;
	uint64_t rest = question_rest(&e->question, ruling) / cost * cost;

	if (e->twice || rest == 0)
		return false;
	e->again = rest;
	e->twice = true;
	redis_query_want(e->home, e);
	return true;
}

/* The answer is lost, and somebody still waits for it: it is asked for again, once. If the first question was
 * executed all the same, the key pays for it and nobody has had it. */
static bool ask_anew(struct lease *e, uint64_t now_ns)
{
	if (e->anew || !e->waiters_len || now_ns - e->asked_ns >= e->home->fleet->budget_ns)
		return false;
	e->again = 0;
	e->twice = false;
	e->anew = true;
	redis_query_want(e->home, e);
	return true;
}

/* A server's clock that was set back leaves times behind that nobody could have reached. */
static bool is_astray(const struct lease *e, const struct ruling *ruling)
{
	return ruling->tat_ns > e->question.stamp_ns + 4 * e->plan->gcra.tolerance_ns + ASTRAY_NS ||
	       ruling->tat_ns <= e->base_ns;
}

static void on_reply(struct limit_asked *asked, const struct limit_reply *reply, uint64_t now_ns)
{
	struct lease *e = list_entry(asked, struct lease, asked);
	struct ruling ruling;
	bool twice = e->twice;

	e->flying = false;
	if (!reply->answered || !question_read(reply, &ruling)) {
		settle_touch(e->home, e, now_ns);
		if (!ask_anew(e, now_ns))
			fail(e, now_ns);
		return;
	}
	e->anew = false;
	if (is_astray(e, &ruling)) {
		e->astray_ns = now_ns + ASTRAY_NS;
		metrics_count(METRIC_limit_astray_total);
		fail(e, now_ns);
		return;
	}
	if (!reset_is_on(e->home, e->tag, e->asked_ns))
		buckets_raise(e->home->table, e->tag, ruling.tat_ns - e->base_ns, now_ns, e->name.owner);
	if (ruling.admitted)
		granted(e, &ruling, now_ns);
	else if (try_less(e, &ruling))
		return;
	if (!ruling.admitted || twice)
		hold(e, now_ns);
	if (e->late_tokens) /* refused: it is owed, on top of what the answer says */
		settle_charge(e->home, e->plan, e->tag, &e->name, e->late_tokens, now_ns);
	e->late_tokens = 0;
	e->twice = false;
	wake_all(e, false);
}

static uint64_t tokens_due(const struct fleet *f, struct lease *e)
{
	uint64_t cost = e->plan->limit->cost;
	uint64_t room = question_room(&e->question) / e->plan->gcra.period_ns / cost;
	uint64_t due = lease_due(e, fleet_workers(f));

	if (e->again)
		return e->again;
	if (due > room)
		due = room;
	return (due ? due : 1) * cost;
}

static bool ask(struct fleet *f, struct lease *e, uint64_t now_ns)
{
	const struct limit_remote *remote = &f->remote;
	uint64_t known, slack, stamp = remote->stamp(remote->with, e->name.slot, now_ns, &f->error_ns);
	struct words words;
	char room[NAME_TEXT];

	if (stamp < now_ns)
		return false;
	slack = 2 * f->error_ns;
	e->asked_ns = now_ns;
	e->base_ns = stamp - now_ns;
	known = buckets_find(e->home->table, e->tag, &known) && known > slack ? known - slack + e->base_ns : 0;
	if (reset_is_on(e->home, e->tag, now_ns))
		known = 0;
	e->question = (struct redis_query){ stamp, known, e->plan->gcra, 0 };
	e->question.tokens = tokens_due(f, e);
	e->again = 0;
	if (!question_write(&e->question, name_text(f, &e->name, room), &words)) {
		e->twice = false;
		wake_all(e, false); /* another worker learnt meanwhile that nothing fits */
		return true;
	}
	e->asked.on_reply = on_reply;
	e->flying = redis_query_send(f, &e->name, &words, false, &e->asked);
	return e->flying;
}

void redis_query_turn(struct limits *l, uint64_t now_ns)
{
	struct list batch, *node;

	list_init(&batch);
	while ((node = list_shift(&l->fleet->queue)))
		list_push(&batch, node);
	while ((node = list_shift(&batch))) {
		struct lease *e = list_entry(node, struct lease, link);
		if (!ask(l->fleet, e, now_ns))
			fail(e, now_ns);
	}
}
