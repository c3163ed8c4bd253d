/* The verbs of the admin socket: reload, version, and who answers the others. Answers are JSON. */
#include "base/version.h"
#include "keeper/inside.h"
#include <stdlib.h>

void keeper_print_text(struct text *t, const char *name, struct slice value)
{
	text_printf(t, "\"%s\":\"", name);
	text_json(t, value);
	text_char(t, '"');
}

bool keeper_read_outcome(const struct shared *s, struct outcome *to)
{
	uint64_t done = flip_seen(&s->head->reloads_done);

	if (!done)
		return false;
	*to = s->head->outcomes[flip_at(done)];
	if (to->len > sizeof to->text)
		to->len = 0;
	return to->number == done;
}

void keeper_print_outcome(struct text *t, const struct outcome *o)
{
	text_printf(t, "{\"applied\":%s,\"exit\":%u,\"generation\":%u,\"at\":%llu,", o->status ? "false" : "true",
	            o->status, o->generation, (unsigned long long)(o->wall_ns / NS_PER_S));
	keeper_print_text(t, "text", (struct slice){ o->text, o->len });
	text_char(t, '}');
}

/* ---- reload ---- */

static void answer_outcome(struct admin_ask *ask, const struct outcome *o)
{
	size_t cap = 6 * sizeof o->text + 256;
	char *store = malloc(cap);
	struct text t = { .at = store, .cap = cap };

	if (store)
		keeper_print_outcome(&t, o);
	admin_answer(ask, store && !t.cut ? text_slice(&t) : S("{\"error\":\"out of memory\"}"));
	free(store);
}

void keeper_answer_waiting(struct keeper *k, bool ending)
{
	static struct outcome outcome;
	uint64_t done = flip_seen(&k->shared->head->reloads_done);
	unsigned kept = 0, len = k->waiting_len;

	if (len == 0 || (!ending && k->waiting[0].number > done))
		return;
	bool known = keeper_read_outcome(k->shared, &outcome);
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
	uint64_t by = (uint64_t)CAUSE_COMMAND << 32 | (uint32_t)admin_uid(ask);
	atomic_store(&k->shared->wishes->asked_by, by);
	uint64_t number = atomic_fetch_add(&k->shared->wishes->reloads_asked, 1) + 1;
	k->waiting[k->waiting_len++] = (struct waiting){ ask, number };
	shared_notify(k->shared->notify_fd);
}

void keeper_refuse(struct admin_ask *ask, const char *why)
{
	char line[512];
	struct text t = TEXT(line);

	text_add(&t, S("{\"error\":\""));
	text_json(&t, slice_of(why));
	text_add(&t, S("\"}"));
	admin_answer(ask, text_slice(&t));
}

void keeper_on_ask(void *with, struct admin_ask *ask, struct slice verb)
{
	struct keeper *k = with;

	if (slice_same(verb, S("status")))
		keeper_answer_status(k, ask);
	else if (slice_same(verb, S("reload")))
		begin_reload(k, ask);
	else if (slice_same(verb, S("version")))
		admin_answer(ask, S("{\"version\":\"" SALLYPORT_VERSION "\"}"));
	else if (!keeper_on_issuer_ask(k, ask, verb) && !keeper_on_revoke_ask(k, ask, verb) &&
	         !keeper_on_limits_ask(k, ask, verb) && !keeper_on_guard_ask(k, ask, verb))
		admin_answer(
		    ask,
		    S("{\"error\":\"no such verb; there are status, reload, version, issuers, drill, "
		      "revoke, unrevoke, revocations, limits, limits-reset, guard, guard-trip, guard-release and "
		      "ledger\"}"));
}
