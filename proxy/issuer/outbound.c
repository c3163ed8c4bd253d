/* Sends what the budget of an issuer allows, the first rank first. */
#include "issuer/outbound.h"
#include "base/check.h"
#include "metrics/metrics.h"
#include <stdio.h>
#include <stdlib.h>

struct
try {                           /* lies with the env until it has answered, whoever still waits for that */
	struct issuer_fetch *fetch; /* NULL: nobody */
	struct egress_way *way;
};

static void start_one(struct outbound *o, struct issuer_fetch *e);

/* ---- the budget ---- */

#define AT_ONCE 4 /* however low the rate: a key set is two documents, and may have to be asked for again */

/* At most a tenth of a second's worth at once, so that no second sees much more than the rate. */
static struct allowance allow(const struct config_issuer_budget *b, struct rate rate)
{
	uint64_t interval_ns = published_interval_ns(b, rate), tenth = NS_PER_S / 10;
	uint64_t least_ns = AT_ONCE * interval_ns;

	return (struct allowance){ { interval_ns, least_ns > tenth ? least_ns : tenth }, 0 };
}

/* 0: one may go now; else when. */
static uint64_t opens_ns(const struct allowance *a, uint64_t now_ns)
{
	uint64_t tat = a->tat, wait_ns;

	return gcra_take(a->gcra, &tat, now_ns, 1, &wait_ns) ? 0 : now_ns + wait_ns;
}

/* Where it is open. */
static void spend(struct allowance *a, uint64_t now_ns)
{
	uint64_t wait_ns;

	check(gcra_take(a->gcra, &a->tat, now_ns, 1, &wait_ns));
}

static enum budget_of endpoint_of(const struct issuer_fetch *e)
{
	return e->rank == RANK_TOKENS ? ENDPOINT_TOKENS : ENDPOINT_KEYS;
}

static uint64_t opens_for(const struct outbound *o, const struct issuer_fetch *e, uint64_t now_ns)
{
	uint64_t all = opens_ns(&o->all, now_ns), its = opens_ns(&o->of[endpoint_of(e)], now_ns);

	return all > its ? all : its;
}

/* ---- an fetch ---- */

static uint64_t now_of(const struct outbound *o)
{
	return o->env->now_ns(o->env->with);
}

static uint64_t timeout_ns(const struct outbound *o)
{
	return o->ways > 1 ? TRY_ONE_OF_NS : TRY_NS;
}

static void rest(struct issuer_fetch *e)
{
	if (e->try)
		e->try->fetch = NULL;
	else
		e->outbound->waiting_len--;
	e->try = NULL;
	list_remove(&e->link);
	e->outbound = NULL;
}

static void fail(struct issuer_fetch *e, const char *why)
{
	rest(e);
	e->done(e->for_whom, 0, (struct slice){ 0 }, UINT64_MAX, why);
}

void outbound_forget(struct issuer_fetch *e)
{
	if (e->outbound)
		rest(e);
}

/* On to the next way, or to the end. */
static void go_on(struct outbound *o, struct issuer_fetch *e, const char *why)
{
	uint64_t now = now_of(o);

	snprintf(e->why, sizeof e->why, "%s", why);
	if (e->try)
		e->try->fetch = NULL;
	e->try = NULL;
	list_remove(&e->link);
	o->waiting_len++;
	list_push(&o->waiting[e->rank], &e->link);
	if (!egress_choose(o, e, now))
		fail(e, e->why);
	else if (opens_for(o, e, now) == 0)
		start_one(o, e);
	else
		e->until_ns = now + FETCH_WAIT_NS;
}

static bool is_of_a_proxy(const struct egress_way *w, int status)
{
	return w->config && w->config->proxy.at && (status == 407 || (status >= 502 && status <= 504));
}

static void on_answer(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure)
{
	struct try *t = for_whom;
	struct issuer_fetch *e = t->fetch;
	struct egress_way *w = t->way;
	char why[64];

	free(t);
	if (!e)
		return; /* given up or forgotten */
	struct outbound *o = e->outbound;
	e->try = NULL;
	snprintf(why, sizeof why, "its proxy answered with status %d", status);
	if (!status || is_of_a_proxy(w, status)) {
		const char *said = status ? why : failure ? failure : "no answer";
		egress_failed(o, w, said, now_of(o));
		go_on(o, e, said);
		return;
	}
	egress_worked(o, w);
	list_remove(&e->link);
	e->outbound = NULL;
	e->done(e->for_whom, status, body, max_age_s, failure);
}

static void start_one(struct outbound *o, struct issuer_fetch *e)
{
	uint64_t now = now_of(o);
	struct egress_way *w = egress_choose(o, e, now);
	struct try *t = malloc(sizeof *t);

	if (!t || !w) {
		free(t);
		fail(e, "out of memory");
		return;
	}
	*t = (struct try){ e, w };
	e->try = t;
	e->tried |= 1u << (w - o->way);
	e->until_ns = now + timeout_ns(o);
	list_remove(&e->link);
	o->waiting_len--;
	list_push(&o->flying, &e->link);
	spend(&o->all, now);
	spend(&o->of[endpoint_of(e)], now);
	if (o->sent)
		atomic_fetch_add(o->sent, 1);
	const struct config_issuer_egress *c = w->config;
	const struct issuer_request ask = { .url = e->url,
		                                .ca = o->config->ca,
		                                .proxy = c ? c->proxy : S(""),
		                                .address = c ? c->address : S(""),
		                                .alone = o->ways > 1,
		                                .timeout_ns = timeout_ns(o),
		                                .form = e->form,
		                                .user = e->user,
		                                .password = e->password,
		                                .bearer = e->bearer,
		                                .accept = e->accept };
	o->env->fetch(o->env->with, &ask, on_answer, t);
}

/* The one that came last of the lowest rank gives way. */
static struct issuer_fetch *least(struct outbound *o)
{
	for (int rank = RANKS - 1; rank >= 0; rank--)
		if (!list_is_empty(&o->waiting[rank]))
			return list_entry(o->waiting[rank].prev, struct issuer_fetch, link);
	return NULL;
}

void outbound_send(struct outbound *o, struct issuer_fetch *e)
{
	uint64_t now = now_of(o);

	e->outbound = o;
	e->tried = 0;
	e->try = NULL;
	e->until_ns = now + FETCH_WAIT_NS;
	list_init(&e->link);
	list_push(&o->waiting[e->rank], &e->link);
	o->waiting_len++;
	outbound_tick(o);
	if (e->outbound == o && !e->try)
		metrics_add(o->held, 1);
	if (o->waiting_len > FETCHES_MAX) {
		metrics_add(o->refused, 1);
		fail(least(o), "too much is asked of this issuer");
	}
}

/* ---- its turn ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Starts what may go of a rank; returns when the next one may. */
static uint64_t start_rank(struct outbound *o, struct list *waiting, uint64_t now)
{
	while (!list_is_empty(waiting)) {
		struct issuer_fetch *e = list_entry(waiting->next, struct issuer_fetch, link);
		uint64_t opens = opens_for(o, e, now);
		if (opens)
			return opens;
		start_one(o, e);
	}
	return UINT64_MAX;
}

static void give_up_waiting(struct outbound *o, struct list *waiting, uint64_t now)
{
	while (!list_is_empty(waiting)) {
		struct issuer_fetch *e = list_entry(waiting->next, struct issuer_fetch, link);
		if (now < e->until_ns)
			return;
		metrics_add(o->refused, 1);
		fail(e, e->tried ? e->why : "its budget is spent");
	}
}

static void give_up_flying(struct outbound *o, uint64_t now)
{
	while (!list_is_empty(&o->flying)) {
		struct issuer_fetch *e = list_entry(o->flying.next, struct issuer_fetch, link);
		char why[64];
		if (now < e->until_ns)
			return;
		snprintf(why, sizeof why, "no answer within %d s", (int)(timeout_ns(o) / NS_PER_S));
		egress_failed(o, e->try->way, why, now);
		go_on(o, e, why);
	}
}

uint64_t outbound_tick(struct outbound *o)
{
	uint64_t now = now_of(o), next = UINT64_MAX;

	give_up_flying(o, now);
	for (int rank = 0; rank < RANKS; rank++)
		give_up_waiting(o, &o->waiting[rank], now);
	for (int rank = 0; rank < RANKS; rank++)
		next = sooner(next, start_rank(o, &o->waiting[rank], now));
	if (!list_is_empty(&o->flying))
		next = sooner(next, list_entry(o->flying.next, struct issuer_fetch, link)->until_ns);
	return next;
}

/* ---- opening and closing ---- */

void outbound_open(struct outbound *o, const struct config_issuer *config, const struct issuer_env *env)
{
	const struct config_issuer_budget *b = &config->budget;

	*o = (struct outbound){
		.config = config,
		.env = env,
		.all = allow(b, b->all),
		.of = { [ENDPOINT_KEYS] = allow(b, b->keys), [ENDPOINT_TOKENS] = allow(b, b->tokens) }
	};
	for (int rank = 0; rank < RANKS; rank++)
		list_init(&o->waiting[rank]);
	list_init(&o->flying);
	egress_open(o);
	o->held = metrics_series(METRIC_issuer_budget_total, config->id, S("held"), S(""), S(""));
	o->refused = metrics_series(METRIC_issuer_budget_total, config->id, S("refused"), S(""), S(""));
}

void outbound_close(struct outbound *o)
{
	for (int rank = 0; rank < RANKS; rank++)
		while (!list_is_empty(&o->waiting[rank]))
			rest(list_entry(o->waiting[rank].next, struct issuer_fetch, link));
	while (!list_is_empty(&o->flying))
		rest(list_entry(o->flying.next, struct issuer_fetch, link));
	for (size_t i = 0; i < o->ways; i++)
		metrics_set(o->way[i].healthy, 0);
}
