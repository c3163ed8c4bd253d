/* status.c -- what the verb status tells: facts only; what is wrong in them, the command says. */
#include "base/version.h"
#include "keeper/certificates.h"
#include "keeper/inside.h"
#include "redis/redis.h"
#include <stdlib.h>

#define STATUS_MAX ((size_t)512 * 1024)

static const char *const states[] = { "free", "starting", "loaded", "serving", "draining", "drained" };
static const char *const phases[] = { "starting", "serving", "leaving", "draining" };

static void print_seat(struct text *t, const struct shared *s, unsigned seat, uint64_t now_ns)
{
	const struct seat *at = &s->seats[seat];
	uint32_t state = shared_state(s, seat);
	uint64_t since_ns = atomic_load(&at->since_ns);

	text_printf(t, "{\"pid\":%d,\"generation\":%u,\"state\":\"%s\",\"up_s\":%llu", (int)atomic_load(&at->pid),
	            atomic_load(&at->generation), states[state <= SEAT_DRAINED ? state : SEAT_FREE],
	            (unsigned long long)(now_ns > since_ns ? (now_ns - since_ns) / NS_PER_S : 0));
	if (seat >= SEAT_WORKERS)
		text_printf(t, ",\"slot\":%u,\"turns\":%llu", atomic_load(&at->slot),
		            (unsigned long long)(atomic_load(&shared_reported(s, seat)->beats) & INT64_MAX));
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
		print_seat(t, s, i, now_ns);
	}
	text_char(t, ']');
}

static void print_blocked(struct text *t, const struct shared *s, uint64_t now_ns)
{
	const struct blocked *b = &s->head->barred;
	bool first = true;

	text_add(t, S("\"barred\":["));
	for (uint32_t i = 0; i < atomic_load(&b->len) && i < BLOCKED_MAX; i++) {
		uint64_t until_ns = atomic_load(&b->at[i].until_ns);
		uint64_t half[2] = { atomic_load(&b->at[i].high), atomic_load(&b->at[i].low) };
		struct in6_addr address;
		char name[46];
		if (until_ns <= now_ns)
			continue;
		memcpy(&address, half, sizeof address);
		text_printf(t, "%s{\"address\":\"%.*s\",\"for_s\":%llu}", first ? "" : ",",
		            SLICE(address_text(&address, name)),
		            (unsigned long long)((until_ns - now_ns) / NS_PER_S));
		first = false;
	}
	text_char(t, ']');
}

static void write_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

/* ---- what is in force, and what it stands on ---- */

static void print_in_force(struct text *t, const struct shared_head *h)
{
	static const char *const causes[] = { "start", "command", "signal" };
	uint64_t by = atomic_load(&h->in_force_by), cause = by >> 32;

	text_printf(t, "\"in_force\":{\"since\":%llu,\"cause\":\"%s\",\"uid\":%u},\"workers_wanted\":%u",
	            (unsigned long long)(atomic_load(&h->in_force_ns) / NS_PER_S),
	            causes[cause < sizeof causes / sizeof *causes ? cause : 0], (unsigned)(by & UINT32_MAX),
	            atomic_load(&h->workers));
}

struct certificate_list {
	struct text *to;
	bool any;
};

static void print_certificate(void *with, const struct certificate *c)
{
	struct certificate_list *told = with;
	struct text *t = told->to;

	text_add(t, told->any ? S(",{") : S("{"));
	told->any = true;
	keeper_print_text(t, "of", slice_of(c->of));
	text_char(t, ',');
	keeper_print_text(t, "name", c->whose);
	text_char(t, ',');
	keeper_print_text(t, "file", c->file);
	text_printf(t, ",\"not_after\":%lld,\"days\":%lld}", (long long)c->end_s,
	            ((long long)c->end_s - (long long)(clock_wall_ns() / NS_PER_S)) / (24 * 3600));
}

static void tell_limits(struct keeper *k, struct text *t, uint64_t now_ns)
{
	const struct limit_hot *hot[SEATS_MAX];
	size_t len = 0;

	for (unsigned i = SEAT_WORKERS; i < k->shared->seats_len; i++)
		if (atomic_load(&k->shared->seats[i].pid))
			hot[len++] = shared_hot(k->shared, i);
	text_add(t, S(",\"limits\":"));
	if (!limits_print_refusing(k->limits, hot, len, now_ns, t))
		text_add(t, S("[]"));
}

static void tell_env(struct keeper *k, struct text *t, uint64_t now_ns)
{
	struct certificate_list told = { .to = t };

	print_in_force(t, k->shared->head);
	text_add(t, S(",\"upstreams\":"));
	if (k->forward)
		forward_keeper_print(k->forward, t);
	else
		text_add(t, S("[]"));
	text_add(t, S(",\"certificates\":["));
	certificates_each(k->config, k->post->generation->bundle, print_certificate, &told);
	text_char(t, ']');
	tell_limits(k, t, now_ns);
	text_add(t, S(",\"guard\":"));
	keeper_tell_guard(k, t);
}

static void tell_status(struct keeper *k, struct text *t)
{
	struct shared_head *h = k->shared->head;
	uint32_t phase = atomic_load(&h->phase);
	uint64_t wall_s = clock_wall_ns() / NS_PER_S, started_s = atomic_load(&h->started_wall_ns) / NS_PER_S;
	uint64_t now_ns = clock_ns();
	static struct outcome outcome; /* too large for the stack of a turn */

	text_char(t, '{');
	keeper_print_text(t, "version", S(SALLYPORT_VERSION));
	text_char(t, ',');
	keeper_print_text(t, "environment", k->config->root.environment);
	text_char(t, ',');
	keeper_print_text(t, "config", slice_of(k->post->config_path));
	text_printf(t, ",\"pid\":%d,\"state\":\"%s\",\"generation\":%u,", (int)k->post->supervisor,
	            phases[phase <= PHASE_DRAINING ? phase : PHASE_STARTING], atomic_load(&h->generation));
	text_printf(t, "\"up_s\":%llu,\"restarts\":%llu,\"reloading\":%s,",
	            (unsigned long long)(wall_s > started_s ? wall_s - started_s : 0),
	            (unsigned long long)atomic_load(&h->restarts),
	            atomic_load(&h->reload_running) ? "true" : "false");
	tell_workers(t, k->shared, now_ns);
	text_add(t, S(",\"keeper\":"));
	print_seat(t, k->shared, k->post->seat, now_ns);
	text_add(t, S(",\"writer\":"));
	print_seat(t, k->shared, SEAT_WRITER, now_ns);
	text_char(t, ',');
	print_blocked(t, k->shared, now_ns);
	text_add(t, S(",\"issuers\":["));
	if (k->verify)
		issuer_keeper_print(k->verify, write_piece, t);
	text_add(t, S("],\"redis\":"));
	if (k->redis)
		redis_keeper_describe(k->redis, t);
	else
		text_add(t, S("null"));
	text_char(t, ',');
	tell_env(k, t, now_ns);
	text_add(t, S(",\"last_reload\":"));
	if (keeper_read_outcome(k->shared, &outcome))
		keeper_print_outcome(t, &outcome);
	else
		text_add(t, S("null"));
	text_char(t, '}');
}

void keeper_answer_status(struct keeper *k, struct admin_ask *ask)
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
