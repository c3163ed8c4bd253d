/* settle.c -- what was admitted without Redis and is owed to it. Told as soon as the key's server answers
 * again, also before questions are asked there: its breaker lets settlements through first. What was in
 * flight when a connection died may have arrived or not; it is told again, so that at worst a key owes it
 * twice and nobody is admitted twice.
 *
 * Told is what the time that passed has not paid. Each machine's share is paid at rate / N, its part of the
 * rate; so what all of them tell is together what one bucket would owe, at most one burst, and as it counts
 * from the present no order of telling, and no token between, makes more of it. The share's level says how
 * much that is for all workers of the machine, and up to where it was told stands beside it: who tells moves
 * that on, by what he admitted himself at most. */
#include "limit/fleet.h"
#include "base/check.h"
#include "base/log.h"
#include "metrics/metrics.h"

#define SWEEP_NS (20 * NS_PER_MS)
#define TOUCH_NS (60 * NS_PER_S)
#define APART_SAID_NS (60 * NS_PER_S)
#define OWED_MAX_NS (UINT64_C(1) << 60)

static struct owed *find(struct fleet *f, uint64_t tag)
{
	struct owed *near = f->owed + tag % (OWED / OWED_NEAR) * OWED_NEAR, *free = NULL;

	for (size_t i = 0; i < OWED_NEAR; i++) {
		if (near[i].tag == tag)
			return &near[i];
		if (!free && near[i].tag == 0)
			free = &near[i];
	}
	if (free) {
		*free = (struct owed){ .tag = tag };
		f->owed_used++;
	}
	return free;
}

static struct owed *entry(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name)
{
	struct owed *o = find(l->fleet, tag);

	if (!o)
		return NULL;
	o->name = *name;
	o->gcra = plan->gcra;
	o->home = l;
	return o;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t product(uint64_t a, uint64_t b)
{
	uint64_t p;

	return __builtin_mul_overflow(a, b, &p) || p > OWED_MAX_NS ? OWED_MAX_NS : p;
}

/* On top of what is known, for the server may come back empty. */
static uint64_t base_of(const struct limits *l, uint64_t tag, uint64_t now_ns)
{
	uint64_t known;

	return buckets_find(l->table, tag, &known) ? later(known, now_ns) : now_ns;
}

/* Of the fleet's rate each worker pays for one part. */
static uint64_t parts(const struct owed *o)
{
	return fleet_workers(o->home->fleet);
}

static void owe(struct owed *o, uint64_t tokens, uint64_t owed_ns, uint64_t now_ns)
{
	uint64_t base_ns = base_of(o->home, o->tag, now_ns);

	if (o->paid_ns <= base_ns)
		o->since_ns = o->paid_ns = base_ns;
	o->paid_ns += product(owed_ns, parts(o));
	o->tokens += tokens;
}

void settle_owe(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                uint64_t tokens, uint64_t now_ns, bool anew)
{
	struct owed *o = entry(l, plan, tag, name);

	metrics_count_n(METRIC_limit_owed_tokens_total, tokens);
	if (!o) {
		metrics_count_n(METRIC_limit_owed_lost_total, tokens);
		return;
	}
	if (anew) {
		metrics_count_n(METRIC_limit_settled_tokens_total, o->tokens);
		o->tokens = o->paid_ns = 0;
	}
	owe(o, tokens, product(tokens, plan->gcra.period_ns), now_ns);
}

void settle_charge(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                   uint64_t tokens, uint64_t now_ns)
{
	struct owed *o = entry(l, plan, tag, name);

	metrics_count_n(METRIC_limit_owed_tokens_total, tokens);
	if (!o) {
		metrics_count_n(METRIC_limit_owed_lost_total, tokens);
		return;
	}
	if (o->extra_ns == 0)
		o->extra_since_ns = base_of(l, tag, now_ns);
	o->extra_ns = least(o->extra_ns + product(tokens, plan->gcra.period_ns), plan->gcra.tolerance_ns);
	o->extra_tokens += tokens;
}

void settle_touch(struct limits *l, const struct lease *e, uint64_t now_ns)
{
	struct owed *o = entry(l, e->plan, e->tag, &e->name);

	if (o)
		o->keep_ns = now_ns + TOUCH_NS;
}

static void drop(struct fleet *f, struct owed *o)
{
	o->tag = 0;
	f->owed_used--;
}

/* As of questions: what nobody could have reached is left behind by a clock that was set back. */
static bool is_astray(const struct owed *o, uint64_t tat, uint64_t now_ns)
{
	uint64_t most = 4 * o->gcra.tolerance_ns + ASTRAY_NS;

	return tat <= o->base_ns || tat - o->base_ns > now_ns + most;
}

/* On top of what others were given meanwhile, ours is too much: they were not cut off. */
static void note_apart(const struct owed *o, uint64_t tat)
{
	struct fleet *f = o->home->fleet;
	uint64_t full = o->base_ns + o->told.at_ns + o->gcra.tolerance_ns;
	uint64_t over_ns = tat > full ? least(tat - full, o->told.owed_ns) : 0;
	uint64_t tokens = over_ns / o->gcra.period_ns;

	if (tokens < 2 || over_ns < o->gcra.tolerance_ns / 32 || o->told.extra_ns ||
	    f->remote.size(f->remote.with) < 2)
		return; /* or it is what was under way as Redis came back */
	metrics_count_n(METRIC_limit_apart_tokens_total, tokens);
	if (f->apart_said_ns && o->told.at_ns < f->apart_said_ns + APART_SAID_NS)
		return;
	f->apart_said_ns = o->told.at_ns;
	log_warn("limits: this machine was cut off from Redis while others were not, and admitted its share "
	         "beside theirs: of one key %llu tokens more than its limit",
	         (unsigned long long)tokens);
}

static void on_told(struct owed *o, uint64_t tat, uint64_t now_ns)
{
	metrics_count_n(METRIC_limit_settled_tokens_total, o->told.tokens + o->told.extra_tokens);
	o->keep_ns = 0;
	if (reset_is_on(o->home, o->tag, o->told.at_ns))
		return; /* it tells of the bucket before */
	if (is_astray(o, tat, now_ns))
		metrics_count(METRIC_limit_astray_total);
	else
		buckets_raise(o->home->table, o->tag, tat - o->base_ns, now_ns, o->name.owner);
	if (!is_astray(o, tat, now_ns))
		note_apart(o, tat);
}

/* It is owed again. */
static void on_lost(struct owed *o, uint64_t now_ns)
{
	o->keep_ns = now_ns + TOUCH_NS;
	if (reset_is_on(o->home, o->tag, o->told.at_ns))
		return;
	owe(o, o->told.tokens, o->told.owed_ns, o->told.at_ns);
	if (o->extra_ns == 0)
		o->extra_since_ns = base_of(o->home, o->tag, o->told.at_ns);
	o->extra_ns = least(o->extra_ns + o->told.extra_ns, o->gcra.tolerance_ns);
	o->extra_tokens += o->told.extra_tokens;
	buckets_retreat(o->home->table, told_tag(o->home, o->tag), o->told.share_ns);
}

static void on_reply(struct limit_asked *asked, const struct limit_reply *reply, uint64_t now_ns)
{
	struct owed *o = list_entry(asked, struct owed, asked);
	uint64_t tat;

	o->flying = false;
	if (reply->answered && settlement_read(reply, &tat))
		on_told(o, tat, now_ns);
	else
		on_lost(o, now_ns);
	if (o->tokens == 0 && o->extra_tokens == 0 && o->keep_ns == 0)
		drop(o->home->fleet, o);
}

/* What of the share's level nobody has told yet, where the table has room for both. */
static uint64_t take_owed(struct owed *o, uint64_t now_ns)
{
	const struct fleet *f = o->home->fleet;
	struct buckets *t = o->home->table;
	uint64_t machines = f->remote.size(f->remote.with), from_ns = later(now_ns, o->since_ns), own, level_ns;
	uint64_t told = told_tag(o->home, o->tag), told_ns, period_ns = o->gcra.period_ns;

	machines = machines ? machines : 1;
	own = o->paid_ns > from_ns ? (o->paid_ns - from_ns) / parts(o) : 0;
	own = least(own, o->gcra.tolerance_ns);
	o->told.share_ns = 0;
	if (!buckets_find(t, share_tag(o->home, o->tag), &level_ns) || own == 0)
		return own;
	/* the share began with what was owed before, which is not ours to tell */
	if ((!buckets_find(t, told, &told_ns) || told_ns <= now_ns) &&
	    !buckets_raise(t, told, from_ns, now_ns, o->name.owner))
		return own;
	o->told.share_ns = buckets_advance(t, told, now_ns, level_ns, product(own, machines));
	own = least(o->told.share_ns / machines, own);
	/* among several machines in whole tokens: what each is short of one, all of them would gain */
	return machines > 1 ? own + (period_ns - own % period_ns) % period_ns : own;
}

static uint64_t take_extra(const struct owed *o, uint64_t now_ns)
{
	uint64_t passed = now_ns > o->extra_since_ns ? now_ns - o->extra_since_ns : 0;

	return o->extra_ns > passed ? o->extra_ns - passed : 0;
}

static bool is_paid(const struct owed *o, uint64_t now_ns)
{
	return o->keep_ns <= now_ns && o->paid_ns <= now_ns && o->extra_since_ns + o->extra_ns <= now_ns;
}

static void tell(struct fleet *f, struct owed *o, uint64_t now_ns)
{
	const struct limit_remote *remote = &f->remote;
	uint64_t error, stamp, owed_ns;
	struct words words;
	char room[NAME_TEXT];

	if (is_paid(o, now_ns)) {
		metrics_count_n(METRIC_limit_settled_tokens_total, o->tokens + o->extra_tokens);
		drop(f, o);
		return;
	}
	if (remote->state(remote->with, o->name.slot) == LIMIT_REMOTE_DOWN)
		return;
	stamp = remote->stamp(remote->with, o->name.slot, now_ns, &error);
	if (stamp < now_ns)
		return;
	o->base_ns = stamp - now_ns;
	owed_ns = o->told.owed_ns = take_owed(o, now_ns);
	o->told.tokens = o->tokens;
	o->told.extra_ns = take_extra(o, now_ns);
	o->told.extra_tokens = o->extra_tokens;
	o->told.at_ns = now_ns;
	o->tokens = o->paid_ns = o->extra_ns = o->extra_tokens = 0;
	owed_ns += o->told.extra_ns;
	settlement_write(o->gcra, base_of(o->home, o->tag, now_ns) + o->base_ns, owed_ns,
	                 name_text(f, &o->name, room), &words);
	o->asked.on_reply = on_reply;
	o->flying = redis_query_send(f, &o->name, &words, true, &o->asked);
	if (!o->flying)
		on_lost(o, now_ns);
}

void settle_forget(struct limits *l, uint64_t tag)
{
	struct owed *near = l->fleet->owed + tag % (OWED / OWED_NEAR) * OWED_NEAR;

	for (size_t i = 0; i < OWED_NEAR; i++)
		if (near[i].tag == tag)
			near[i].tokens = near[i].paid_ns = near[i].extra_ns = near[i].extra_tokens = 0;
}

void settle_turn(struct limits *l, uint64_t now_ns)
{
	struct fleet *f = l->fleet;

	if (f->owed_used == 0 || now_ns < f->sweep_ns)
		return;
	f->sweep_ns = now_ns + SWEEP_NS;
	for (size_t i = 0; i < OWED && f->owed_used; i++) {
		struct owed *o = &f->owed[i];
		if (o->tag && !o->flying)
			tell(f, o, now_ns);
	}
}
