/* settle.c -- what was admitted without Redis and is owed to it. Told as soon as the key's server answers
 * again, also before questions are asked there: its breaker lets settlements through first. What was in
 * flight when a connection died may have arrived or not; it is told again, so that at worst a key owes it
 * twice and nobody is admitted twice.
 *
 * Told is what the time that passed has not paid. Each machine's share is paid at rate / N, its part of the
 * rate; so what all of them tell is together what one bucket would owe, at most one burst, and as it counts
 * from the present no order of telling, and no token between, makes more of it. The share's level says how
 * much that is for all workers of the machine, and up to where it was told stands beside it: who tells moves
 * that on, by what he admitted himself at most.
 *
 * That is all where the whole fleet was without Redis. Where others were not, they had the rate of this
 * machine as well, and it has paid for nothing: then all that was admitted is told, at most one burst of it
 * more. The bucket says which: where it is full in spite of the cut, others filled it. They may also have
 * come back from the same outage a moment ago, and filled it since; so who comes back and finds room writes
 * into Redis when that was. Where that is later than the cut began, only what came after it is told. */
#include "limit/fleet.h"
#include "base/check.h"
#include "base/log.h"
#include "metrics/metrics.h"

#define SWEEP_NS (20 * NS_PER_MS)
#define TOUCH_NS (60 * NS_PER_S)
#define APART_SAID_NS (60 * NS_PER_S)
#define OWED_MAX_NS (UINT64_C(1) << 60)

static bool is_paid(const struct owed *o, uint64_t now_ns)
{
	return o->keep_ns <= now_ns && o->paid_ns <= now_ns && o->extra_since_ns + o->extra_ns <= now_ns;
}

static void drop(struct fleet *f, struct owed *o)
{
	metrics_count_n(METRIC_limit_settled_tokens_total, o->tokens + o->extra_tokens);
	o->tag = 0;
	f->owed_used--;
}

/* Where there is no room, one that time may have paid for makes way. */
static struct owed *find(struct fleet *f, uint64_t tag, uint64_t now_ns)
{
	struct owed *near = f->owed + tag % (OWED / OWED_NEAR) * OWED_NEAR, *free = NULL;

	for (size_t i = 0; i < OWED_NEAR; i++) {
		if (near[i].tag == tag)
			return &near[i];
		if (!free && near[i].tag == 0)
			free = &near[i];
	}
	for (size_t i = 0; i < OWED_NEAR && !free; i++) {
		if (near[i].flying || !is_paid(&near[i], now_ns))
			continue;
		free = &near[i];
		drop(f, free);
	}
	if (free) {
		*free = (struct owed){ .tag = tag };
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

static uint64_t machines_of(const struct owed *o)
{
	const struct limit_remote *remote = &o->home->fleet->remote;
	uint64_t machines = remote->size(remote->with);

	return machines ? machines : 1;
}

static void owe_whole(struct owed *o, uint64_t ns, uint64_t since_ns)
{
	if (machines_of(o) < 2)
		return; /* nobody else has the rate */
	if (o->whole_ns == 0 || since_ns < o->cut_ns)
		o->cut_ns = since_ns;
	o->whole_ns = least(o->whole_ns + ns, OWED_MAX_NS);
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
	struct owed *o = entry(l, plan, tag, name, now_ns);

	metrics_count_n(METRIC_limit_owed_tokens_total, tokens);
	if (!o) {
		metrics_count_n(METRIC_limit_owed_lost_total, tokens);
		return;
	}
	owe_whole(o, product(tokens, plan->gcra.period_ns), now_ns);
	if (anew) {
		metrics_count_n(METRIC_limit_settled_tokens_total, o->tokens);
		o->tokens = o->paid_ns = 0;
	}
	owe(o, tokens, product(tokens, plan->gcra.period_ns), now_ns);
}

void settle_charge(struct limits *l, const struct plan *plan, uint64_t tag, const struct name *name,
                   uint64_t tokens, uint64_t now_ns)
{
	struct owed *o = entry(l, plan, tag, name, now_ns);

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
	struct owed *o = entry(l, e->plan, e->tag, &e->name, now_ns);

	if (o)
		o->keep_ns = now_ns + TOUCH_NS;
}

/* As of questions: what nobody could have reached is left behind by a clock that was set back. */
static bool is_astray(const struct owed *o, uint64_t tat, uint64_t now_ns)
{
	uint64_t most = 4 * o->gcra.tolerance_ns + ASTRAY_NS;

	return tat <= o->base_ns || tat - o->base_ns > now_ns + most;
}

/* What its part of the rate would have paid, and has not where others had that too. */
static uint64_t rest_of(const struct owed *o)
{
	uint64_t paid_ns = o->told.whole_ns > o->told.owed_ns ? o->told.whole_ns - o->told.owed_ns : 0;

	return least(paid_ns, o->gcra.tolerance_ns);
}

/* Full, less what leases and holds leave of it; the shares of all but one machine make less. */
static bool was_full(const struct owed *o, uint64_t tat)
{
	uint64_t tolerance = o->gcra.tolerance_ns,
	         full = o->told.at_ns + tolerance - tolerance / (2 * machines_of(o));

	return tat - o->base_ns >= full + o->told.owed_ns + o->told.extra_ns;
}

/* To be told as well; 0: nothing. */
static uint64_t claim_rest(struct owed *o, uint64_t tat, uint64_t room_ns, uint64_t now_ns)
{
	uint64_t at_ns = o->base_ns + o->told.at_ns, most = at_ns + 2 * o->gcra.tolerance_ns, rest = rest_of(o);

	if (rest < o->gcra.period_ns)
		return 0;
	o->keep_ns = now_ns + TOUCH_NS;
	o->home->fleet->sweep_ns = now_ns;
	if (!was_full(o, tat)) {
		o->room_ns = at_ns;
		return 0;
	}
	if (room_ns >= o->base_ns + o->told.cut_ns) /* since then alone */
		rest = least(rest, at_ns > room_ns ? (at_ns - room_ns) / machines_of(o) : 0);
	rest = least(rest, tat < most ? most - tat : 0);
	if (o->extra_ns == 0)
		o->extra_since_ns = base_of(o->home, o->tag, now_ns);
	o->extra_ns = least(o->extra_ns + rest, o->gcra.tolerance_ns);
	return rest;
}

/* On top of what others were given meanwhile, ours is too much: they were not cut off. */
static void note_apart(const struct owed *o, uint64_t tat, uint64_t rest_ns)
{
	struct fleet *f = o->home->fleet;
	uint64_t full = o->base_ns + o->told.at_ns + o->gcra.tolerance_ns;
	uint64_t over_ns = tat > full ? least(tat - full, o->told.owed_ns) : 0;
	uint64_t tokens = (over_ns + rest_ns) / o->gcra.period_ns;

	if (tokens < 2 || over_ns + rest_ns < o->gcra.tolerance_ns / 32 || o->told.extra_ns ||
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

static void on_told(struct owed *o, uint64_t tat, uint64_t room_ns, uint64_t now_ns)
{
	metrics_count_n(METRIC_limit_settled_tokens_total, o->told.tokens + o->told.extra_tokens);
	o->keep_ns = o->room_ns = 0;
	if (reset_is_on(o->home, o->tag, o->told.at_ns))
		return; /* it tells of the bucket before */
	if (is_astray(o, tat, now_ns)) {
		metrics_count(METRIC_limit_astray_total);
		return;
	}
	buckets_raise(o->home->table, o->tag, tat - o->base_ns, now_ns, o->name.owner);
	note_apart(o, tat, claim_rest(o, tat, room_ns, now_ns));
}

/* It is owed again. */
static void on_lost(struct owed *o, uint64_t now_ns)
{
	o->keep_ns = now_ns + TOUCH_NS;
	if (reset_is_on(o->home, o->tag, o->told.at_ns))
		return;
	owe(o, o->told.tokens, o->told.owed_ns, o->told.at_ns);
	if (o->told.whole_ns)
		owe_whole(o, o->told.whole_ns, o->told.cut_ns);
	if (o->extra_ns == 0)
		o->extra_since_ns = base_of(o->home, o->tag, o->told.at_ns);
	o->extra_ns = least(o->extra_ns + o->told.extra_ns, o->gcra.tolerance_ns);
	o->extra_tokens += o->told.extra_tokens;
	buckets_retreat(o->home->table, told_tag(o->home, o->tag), o->told.share_ns);
}

static void on_reply(struct limit_asked *asked, const struct limit_reply *reply, uint64_t now_ns)
{
	struct owed *o = list_entry(asked, struct owed, asked);
	uint64_t tat, room_ns;

	o->flying = false;
	if (reply->answered && settlement_read(reply, &tat, &room_ns))
		on_told(o, tat, room_ns, now_ns);
	else
		on_lost(o, now_ns);
	if (o->tokens == 0 && o->extra_tokens == 0 && o->keep_ns == 0)
		drop(o->home->fleet, o);
}

/* What of the share's level nobody has told yet, where the table has room for both. */
static uint64_t take_owed(struct owed *o, uint64_t now_ns)
{
	struct buckets *t = o->home->table;
	uint64_t machines = machines_of(o), from_ns = later(now_ns, o->since_ns), own, level_ns;
	uint64_t told = told_tag(o->home, o->tag), told_ns, period_ns = o->gcra.period_ns;

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

static void tell(struct fleet *f, struct owed *o, uint64_t now_ns)
{
	const struct limit_remote *remote = &f->remote;
	uint64_t error, stamp, owed_ns;
	struct words words;
	char room[NAME_TEXT];

	if (is_paid(o, now_ns) && o->whole_ns == 0) {
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
	o->told.whole_ns = o->whole_ns;
	o->told.cut_ns = o->cut_ns;
	o->told.at_ns = now_ns;
	o->tokens = o->paid_ns = o->extra_ns = o->extra_tokens = o->whole_ns = 0;
	owed_ns += o->told.extra_ns;
	settlement_write(o->gcra, base_of(o->home, o->tag, now_ns) + o->base_ns, owed_ns, o->room_ns,
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
			near[i].tokens = near[i].paid_ns = near[i].extra_ns = near[i].extra_tokens = near[i].whole_ns = 0;
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
