/* settle.c -- what was admitted without Redis and is owed to it. Told as soon as the key's server answers
 * again, also before questions are asked there: its breaker lets settlements through first. What was in
 * flight when a connection died may have arrived or not; it is told again, so that at worst a key owes it
 * twice and nobody is admitted twice. A debt that would have been paid off meanwhile is forgotten. */
#include "limit/fleet.h"
#include "base/check.h"
#include "metrics/metrics.h"

#define SWEEP_NS (20 * NS_PER_MS)
#define TOUCH_NS (60 * NS_PER_S)

static struct owed *find(struct fleet *f, uint64_t tag, uint64_t now_ns)
{
	struct owed *near = f->owed + tag % (OWED / OWED_NEAR) * OWED_NEAR, *free = NULL;

	for (size_t i = 0; i < OWED_NEAR; i++) {
		if (near[i].tag == tag)
			return &near[i];
		if (!free && near[i].tag == 0)
			free = &near[i];
	}
	if (free) {
		*free = (struct owed){ .tag = tag, .since_ns = now_ns };
		f->owed_used++;
	}
	return free;
}

static struct owed *entry(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                          uint64_t now_ns)
{
	struct owed *o = find(l->fleet, tag, now_ns);

	if (!o)
		return NULL;
	o->name = *name;
	o->gcra = plan->gcra;
	o->home = l;
	return o;
}

void settle_owe(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                uint64_t tokens, uint64_t now_ns, bool anew)
{
	struct owed *o = entry(l, plan, tag, name, now_ns);
	uint64_t known;

	metrics_count_n(METRIC_limit_owed_tokens_total, tokens);
	if (!o) {
		metrics_count_n(METRIC_limit_owed_lost_total, tokens);
		return;
	}
	if (anew)
		o->tokens = 0;
	if (o->tokens == 0) /* on top of what is known, for the server may come back empty */
		o->since_ns = table_find(l->table, tag, &known) && known > now_ns ? known : now_ns;
	o->tokens += tokens;
}

void settle_touch(struct limits *l, const struct lease *e, uint64_t now_ns)
{
	struct owed *o = entry(l, e->plan, e->tag, &e->name, now_ns);

	if (o)
		o->keep_ns = now_ns + TOUCH_NS;
}

/* Everybody may have admitted as much, on top of a bucket that was empty. */
static bool is_moot(const struct fleet *f, const struct owed *o, uint64_t now_ns)
{
	uint64_t debt, all = f->remote.size(f->remote.with);

	if (o->keep_ns > now_ns || __builtin_mul_overflow(o->tokens * (all ? all : 1), o->gcra.period_ns, &debt))
		return false;
	return o->since_ns + o->gcra.tolerance_ns + debt <= now_ns;
}

static void drop(struct fleet *f, struct owed *o)
{
	o->tag = 0;
	f->owed_used--;
}

/* As of questions: what nobody could have reached is left behind by a clock that was set back. */
static bool is_astray(const struct owed *o, uint64_t tat, uint64_t now_ns)
{
	uint64_t most = 4 * o->gcra.tolerance_ns + ASTRAY_NS, owed;

	if (__builtin_mul_overflow(o->told, o->gcra.period_ns, &owed) || owed > most)
		owed = most;
	return tat <= o->base_ns || tat - o->base_ns > now_ns + most + owed;
}

static void on_reply(struct limit_asked *asked, const struct limit_reply *reply, uint64_t now_ns)
{
	struct owed *o = list_entry(asked, struct owed, asked);
	uint64_t tat;

	o->flying = false;
	if (reply->answered && settlement_read(reply, &tat)) {
		metrics_count_n(METRIC_limit_settled_tokens_total, o->told);
		if (reset_is_on(o->home, o->tag, o->told_ns))
			; /* it tells of the bucket before */
		else if (is_astray(o, tat, now_ns))
			metrics_count(METRIC_limit_astray_total);
		else
			table_raise(o->home->table, o->tag, tat - o->base_ns, now_ns, o->name.owner);
		o->keep_ns = 0;
	} else if (!reset_is_on(o->home, o->tag, o->told_ns)) {
		if (o->tokens == 0 || o->told_since_ns < o->since_ns)
			o->since_ns = o->told_since_ns;
		o->tokens += o->told;
		o->keep_ns = now_ns + TOUCH_NS;
	}
	o->told = 0;
	if (o->tokens == 0 && o->keep_ns == 0)
		drop(o->home->fleet, o);
}

static void tell(struct fleet *f, struct owed *o, uint64_t now_ns)
{
	const struct limit_remote *remote = &f->remote;
	uint64_t error, stamp;
	struct words words;
	char room[NAME_TEXT];

	if (remote->state(remote->with, o->name.slot) == LIMIT_REMOTE_DOWN)
		return;
	stamp = remote->stamp(remote->with, o->name.slot, now_ns, &error);
	if (stamp < now_ns)
		return;
	o->base_ns = stamp - now_ns;
	settlement_write(o->gcra, o->since_ns + o->base_ns, o->tokens, name_text(f, &o->name, room), &words);
	o->asked.on_reply = on_reply;
	if (!flight_send(f, &o->name, &words, true, &o->asked))
		return;
	o->flying = true;
	o->told = o->tokens;
	o->told_ns = now_ns;
	o->told_since_ns = o->since_ns;
	o->tokens = 0;
}

void settle_forget(struct limits *l, uint64_t tag)
{
	struct owed *near = l->fleet->owed + tag % (OWED / OWED_NEAR) * OWED_NEAR;

	for (size_t i = 0; i < OWED_NEAR; i++)
		if (near[i].tag == tag)
			near[i].tokens = 0;
}

void settle_turn(struct limits *l, uint64_t now_ns)
{
	struct fleet *f = l->fleet;

	if (f->owed_used == 0 || now_ns < f->sweep_ns)
		return;
	f->sweep_ns = now_ns + SWEEP_NS;
	for (size_t i = 0; i < OWED && f->owed_used; i++) {
		struct owed *o = &f->owed[i];
		if (o->tag == 0 || o->flying)
			continue;
		if (is_moot(f, o, now_ns))
			drop(f, o);
		else
			tell(f, o, now_ns);
	}
}
