/* The verbs of the admin socket: status, reload, version. Answers are JSON. */
#include "process/keeper.h"
#include "process/version.h"
#include "redis/redis.h"
#include <stdio.h>
#include <stdlib.h>

#define STATUS_MAX ((size_t)256 * 1024)

static const char *const states[] = { "free", "starting", "loaded", "serving", "draining", "drained" };
static const char *const phases[] = { "starting", "serving", "leaving", "draining" };

static void tell_text(struct text *t, const char *name, struct slice value)
{
	text_printf(t, "\"%s\":\"", name);
	text_json(t, value);
	text_char(t, '"');
}

static void tell_seat(struct text *t, const struct shared *s, unsigned seat, uint64_t now_ns)
{
	const struct seat *at = &s->seats[seat];
	uint32_t state = atomic_load(&at->state);
	uint64_t since_ns = atomic_load(&at->since_ns);

	text_printf(t, "{\"pid\":%d,\"generation\":%u,\"state\":\"%s\",\"up_s\":%llu", (int)atomic_load(&at->pid),
		atomic_load(&at->generation), states[state <= SEAT_DRAINED ? state : SEAT_FREE],
		(unsigned long long)(now_ns > since_ns ? (now_ns - since_ns) / NS_PER_S : 0));
	if (seat >= SEAT_WORKERS)
		text_printf(t, ",\"slot\":%u,\"turns\":%llu", atomic_load(&at->slot),
			(unsigned long long)atomic_load(&at->beats));
	text_char(t, '}');
}

static void tell_workers(struct text *t, const struct shared *s, uint64_t now_ns)
{
	bool first = true;

	text_add(t, S("\"workers\":["));
	for (unsigned i = SEAT_WORKERS; i < s->seats_len; i++) {
		if (!atomic_load(&s->seats[i].pid))
			continue;
		if (!first)
			text_char(t, ',');
		first = false;
		tell_seat(t, s, i, now_ns);
	}
	text_char(t, ']');
}

static bool read_outcome(const struct shared *s, struct outcome *to)
{
	uint64_t done = atomic_load_explicit(&s->head->reloads_done, memory_order_acquire);

	if (!done)
		return false;
	*to = s->head->outcomes[done % 2];
	if (to->len > sizeof to->text)
		to->len = 0;
	return to->number == done;
}

static void tell_outcome(struct text *t, const struct outcome *o)
{
	text_printf(t, "{\"applied\":%s,\"exit\":%u,\"generation\":%u,\"at\":%llu,", 
		o->status ? "false" : "true", o->status, o->generation,
		(unsigned long long)(o->wall_ns / NS_PER_S));
	tell_text(t, "text", (struct slice){ o->text, o->len });
	text_char(t, '}');
}

static void tell_barred(struct text *t, const struct shared *s, uint64_t now_ns)
{
	const struct barred *b = &s->head->barred;
	bool first = true;

	text_add(t, S("\"barred\":["));
	for (uint32_t i = 0; i < atomic_load(&b->len) && i < BARRED_MAX; i++) {
		uint64_t until_ns = atomic_load(&b->at[i].until_ns);
		uint64_t half[2] = { atomic_load(&b->at[i].high), atomic_load(&b->at[i].low) };
		struct in6_addr address;
		char name[46];
		if (until_ns <= now_ns)
			continue;
		memcpy(&address, half, sizeof address);
		text_printf(t, "%s{\"address\":\"%.*s\",\"for_s\":%llu}", first ? "" : ",",
			SLICE(address_text(&address, name)), (unsigned long long)((until_ns - now_ns) / NS_PER_S));
		first = false;
	}
	text_char(t, ']');
}

static void write_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

static void tell_status(struct keeper *k, struct text *t)
{
	struct shared_head *h = k->shared->head;
	uint32_t phase = atomic_load(&h->phase);
	uint64_t wall_s = clock_wall_ns() / NS_PER_S, started_s = atomic_load(&h->started_wall_ns) / NS_PER_S;
	uint64_t now_ns = clock_ns();
	static struct outcome outcome; /* too large for the stack of a turn */

	text_char(t, '{');
	tell_text(t, "version", S(SALLYPORT_VERSION));
	text_char(t, ',');
	tell_text(t, "environment", k->config->root.environment);
	text_char(t, ',');
	tell_text(t, "config", slice_of(k->post->config_path));
	text_printf(t, ",\"pid\":%d,\"state\":\"%s\",\"generation\":%u,", (int)k->post->supervisor,
		phases[phase <= PHASE_DRAINING ? phase : PHASE_STARTING], atomic_load(&h->generation));
	text_printf(t, "\"up_s\":%llu,\"restarts\":%llu,\"reloading\":%s,",
		(unsigned long long)(wall_s > started_s ? wall_s - started_s : 0),
		(unsigned long long)atomic_load(&h->restarts), atomic_load(&h->reload_running) ? "true" : "false");
	tell_workers(t, k->shared, now_ns);
	text_add(t, S(",\"keeper\":"));
	tell_seat(t, k->shared, k->post->seat, now_ns);
	text_add(t, S(",\"writer\":"));
	tell_seat(t, k->shared, SEAT_WRITER, now_ns);
	text_char(t, ',');
	tell_barred(t, k->shared, now_ns);
	text_add(t, S(",\"issuers\":["));
	if (k->verify)
		verify_keeper_tell(k->verify, write_piece, t);
	text_add(t, S("],\"redis\":"));
	if (k->redis)
		redis_keeper_describe(k->redis, t);
	else
		text_add(t, S("null"));
	text_add(t, S(",\"last_reload\":"));
	if (read_outcome(k->shared, &outcome))
		tell_outcome(t, &outcome);
	else
		text_add(t, S("null"));
	text_char(t, '}');
}

static void answer_status(struct keeper *k, struct admin_ask *ask)
{
	char *store = malloc(STATUS_MAX);
	struct text t = { .at = store, .cap = STATUS_MAX };

	if (store)
		tell_status(k, &t);
	if (!store || t.cut)
		admin_answer(ask, S("{\"error\":\"the status does not fit into memory\"}"));
	else
		admin_answer(ask, text_slice(&t));
	free(store);
}

/* ---- reload ---- */

static void answer_outcome(struct admin_ask *ask, const struct outcome *o)
{
	size_t cap = 6 * sizeof o->text + 256;
	char *store = malloc(cap);
	struct text t = { .at = store, .cap = cap };

	if (store)
		tell_outcome(&t, o);
	admin_answer(ask, store && !t.cut ? text_slice(&t) : S("{\"error\":\"out of memory\"}"));
	free(store);
}

void keeper_answer_waiting(struct keeper *k, bool ending)
{
	static struct outcome outcome;
	uint64_t done = atomic_load_explicit(&k->shared->head->reloads_done, memory_order_acquire);
	unsigned kept = 0, len = k->waiting_len;

	if (len == 0 || (!ending && k->waiting[0].number > done))
		return;
	bool known = read_outcome(k->shared, &outcome);
	k->waiting_len = 0;
	for (unsigned i = 0; i < len; i++) {
		struct waiting w = k->waiting[i];
		if (known && w.number <= done)
			answer_outcome(w.ask, &outcome);
		else if (ending)
			admin_answer(w.ask, S("{\"error\":\"this Sallyport is being stopped\"}"));
		else
			k->waiting[kept++] = w;
	}
	k->waiting_len = kept;
}

void keeper_on_gone(void *with, struct admin_ask *ask)
{
	struct keeper *k = with;
	unsigned kept = 0;

	keeper_unconfirm(k, ask);
	keeper_resets_gone(k, ask);
	for (unsigned i = 0; i < k->waiting_len; i++)
		if (k->waiting[i].ask != ask)
			k->waiting[kept++] = k->waiting[i];
	k->waiting_len = kept;
}

static void begin_reload(struct keeper *k, struct admin_ask *ask)
{
	if (k->waiting_len == RELOADS_MAX) {
		admin_answer(ask, S("{\"error\":\"too many reloads are being waited for\"}"));
		return;
	}
	uint64_t number = atomic_fetch_add(&k->shared->head->reloads_asked, 1) + 1;
	k->waiting[k->waiting_len++] = (struct waiting){ ask, number };
	shared_ring(k->shared->bell);
}

void keeper_on_ask(void *with, struct admin_ask *ask, struct slice verb)
{
	struct keeper *k = with;

	if (slice_same(verb, S("status")))
		answer_status(k, ask);
	else if (slice_same(verb, S("reload")))
		begin_reload(k, ask);
	else if (slice_same(verb, S("version")))
		admin_answer(ask, S("{\"version\":\"" SALLYPORT_VERSION "\"}"));
	else if (!keeper_on_issuer_ask(k, ask, verb) && !keeper_on_revoke_ask(k, ask, verb) &&
		!keeper_on_limits_ask(k, ask, verb))
		admin_answer(ask, S("{\"error\":\"no such verb; there are status, reload, version, issuers, drill, "
			"revoke, unrevoke, revocations, limits and limits-reset\"}"));
}
