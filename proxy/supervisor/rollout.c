/* A reload, stage by stage: the new generation loads, serves, and then the old one drains. */
#include "base/log.h"
#include "supervisor/dry_run.h"
#include "supervisor/inside.h"
#include "supervisor/notify.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define RETIRE_NS (5 * NS_PER_S) /* a keeper that does not let go in this time is killed */
#define SETTLE_NS (2 * NS_PER_S) /* names may take this long; then it goes on without */
#define ACCEPT_NS (10 * NS_PER_S)
#define WRITER_NS (10 * NS_PER_S) /* a disk may hold it up */
#define LOSSES_MAX 3              /* workers of the new configuration that may die while loading */

/* ---- the outcome ---- */

static void publish(struct supervisor *s, int status, const char *text)
{
	struct shared_head *h = s->shared.head;
	struct outcome *o = &h->outcomes[flip_at(s->asked)];
	struct slice none = { 0 };
	size_t len = strlen(text);

	o->number = s->asked;
	o->wall_ns = clock_wall_ns();
	o->status = (uint32_t)status;
	o->generation = s->children.now ? s->children.now->number : 0;
	o->len = (uint32_t)(len < sizeof o->text ? len : sizeof o->text);
	memcpy(o->text, text, o->len);
	atomic_store(&h->reload_running, 0);
	flip_show(&h->reloads_done, s->asked);
	struct slice how = status == 0 ? S("applied") : S("refused");
	metrics_add(metrics_series(METRIC_reloads_total, how, none, none, none), 1);
	shared_notify(s->shared.keeper_notify_fd);
	for (unsigned i = SEAT_KEEPERS; i < SEAT_WORKERS; i++)
		shared_notify(s->shared.notify_fds[i]);
}

static void say(const char *what, const char *why)
{
	for (struct slice rest = slice_of(why); rest.len;) {
		struct slice line = slice_cut(&rest, '\n');
		log_error("%s: %.*s", what, SLICE(line));
	}
}

/* What changed beside the text cannot be taken, or need not: what is in force stays. */
static void end_renewal(struct supervisor *s, enum rhythm_result result, const char *why)
{
	s->renewing = false;
	free(s->renewed);
	s->renewed = NULL;
	if (material_done(&s->material, result, clock_ns()))
		say("certificates or secrets have changed and cannot be taken, what is in force stays", why);
}

static void refuse(struct supervisor *s, int status, char *text)
{
	const char *why = text ? text : "out of memory\n";
	bool renewing = s->renewing;

	if (!renewing)
		say("reload refused", why);
	if (s->next) {
		s->next->draining = true;
		children_order_workers(&s->children, s->next, ORDER_STOP);
		children_end_by(&s->children, ROLE_WORKER, clock_ns() + 2 * NS_PER_S);
	}
	/* what never was in force has no number */
	s->last_number = s->children.now ? s->children.now->number : 0;
	s->next = NULL;
	s->stage = STAGE_IDLE;
	if (renewing) {
		end_renewal(s, RHYTHM_FAILED, why);
	} else {
		publish(s, status, why);
		notify_say(S("READY=1"));
	}
	free(text);
}

/* ---- what cannot change while running ---- */

static char *find_fixed(const struct config *a, const struct config *b)
{
	char store[64], *text;
	struct text key = TEXT(store);

	if (!config_needs_restart(a, b, &key) ||
	    asprintf(&text, "%.*s has changed, and that needs a restart; nothing was applied\n",
	             SLICE(text_slice(&key))) < 0)
		return NULL;
	return text;
}

/* ---- the stages ---- */

static void enter(struct supervisor *s, enum stage stage, uint64_t until_ns)
{
	s->stage = stage;
	s->stage_until_ns = until_ns;
}

/* The text in force with the files as they are now. */
static void begin_renewal(struct supervisor *s)
{
	struct dry_run *proof = s->plan.with;

	if (!proof || !s->children.now || !s->told_ready ||
	    !material_wants(&s->material, s->children.now, clock_ns()))
		return;
	if (generations_draining(s) >= GENERATIONS_MAX - 1) {
		rhythm_put_off(&s->material.rhythm, clock_ns());
		return;
	}
	s->renewing = true;
	s->plan.in_force = &s->children.now->sealed.keeper;
	proof->in_force = s->children.now->bundle;
	s->reading = reload_begin(&s->plan);
	s->plan.in_force = NULL;
	proof->in_force = NULL;
	enter(s, STAGE_READING, UINT64_MAX);
	if (!s->reading)
		refuse(s, 1, strdup("no child can be forked to read them\n"));
}

static void begin(struct supervisor *s)
{
	uint64_t asked = atomic_load(&s->shared.wishes->reloads_asked);

	if (asked == s->asked) {
		begin_renewal(s);
		return;
	}
	if (generations_draining(s) >= GENERATIONS_MAX - 1) {
		if (!s->waiting_said)
			log_info("reload waits: two earlier generations are still draining");
		s->waiting_said = true;
		return;
	}
	s->waiting_said = false;
	s->asked = asked;
	s->asked_by = atomic_load(&s->shared.wishes->asked_by);
	atomic_store(&s->shared.head->reload_running, 1);
	notify_reloading();
	s->reading = reload_begin(&s->plan);
	enter(s, STAGE_READING, UINT64_MAX);
	if (!s->reading)
		refuse(s, 1, strdup("no child can be forked to read the configuration\n"));
}

static bool start_workers(struct supervisor *s, struct generation *g)
{
	for (unsigned slot = 0; slot < g->workers; slot++)
		if (!children_start(&s->children, ROLE_WORKER, g, slot))
			return false;
	return true;
}

/* The sockets it needs beyond those that are there; bound, not yet listening. */
static char *prepare(struct supervisor *s, const struct generation *g)
{
	char why[256], *text;

	if (g->workers > s->shared.slots) {
		if (asprintf(&text, "workers: %u is more than the %u that this process made room for; restart it\n",
		             g->workers, s->shared.slots) < 0)
			return NULL;
		return text;
	}
	if (sockets_bind(&s->sockets, g->config->root.listeners, g->config->root.listeners_len, g->workers, why,
	                 sizeof why))
		return NULL;
	return asprintf(&text, "%s\n", why) < 0 ? NULL : text;
}

static void step_reading(struct supervisor *s, uint64_t now_ns)
{
	char *text = NULL;
	struct bundle_sealed sealed;

	if (!reload_step(s->reading, now_ns, &sealed, &text))
		return;
	int status = reload_was_hindered(s->reading) ? 1 : 78;
	bool same = reload_was_same(s->reading);
	reload_free(s->reading);
	s->reading = NULL;
	if (same) {
		free(text);
		s->stage = STAGE_IDLE;
		end_renewal(s, RHYTHM_SAME, "");
		return;
	}
	if (sealed.all < 0) {
		refuse(s, status, text);
		return;
	}
	if (s->renewing)
		s->renewed = text;
	else
		free(text);
	text = NULL;
	s->next = generation_open(s, sealed, &text);
	if (s->next)
		text = find_fixed(s->children.now->config, s->next->config);
	if (s->next && !text)
		text = prepare(s, s->next);
	if (text || !s->next)
		refuse(s, 78, text);
	else if (!start_workers(s, s->next))
		refuse(s, 1, strdup("its workers cannot be forked\n"));
	else
		enter(s, STAGE_LOADING, now_ns + LOAD_NS);
}

/* Replaces those that died while loading; false: too many did. */
static bool replace_lost(struct supervisor *s)
{
	unsigned losses = 0;

	for (unsigned slot = 0; slot < s->next->workers; slot++) {
		struct retry *r = &s->next->retry[slot];
		losses += r->failures;
		if (r->due && losses < LOSSES_MAX)
			r->due = !children_start(&s->children, ROLE_WORKER, s->next, slot);
	}
	return losses < LOSSES_MAX;
}

static void step_loading(struct supervisor *s, uint64_t now_ns)
{
	if (!replace_lost(s)) {
		refuse(s, 1, strdup("the workers of the new configuration died while loading; the log says how\n"));
	} else if (now_ns > s->stage_until_ns) {
		refuse(s, 1, strdup("the workers of the new configuration did not load within a minute\n"));
	} else if (children_all_at_least(&s->children, s->next, SEAT_LOADED)) {
		for (unsigned i = SEAT_KEEPERS; i < SEAT_WORKERS; i++)
			children_order(&s->children, i, ORDER_DRAIN);
		enter(s, STAGE_RETIRING, now_ns + RETIRE_NS);
	}
}

/* Has every keeper let go? Those that will not are killed: two may not publish at once. */
static bool keepers_let_go(struct supervisor *s, bool kill_them)
{
	bool gone = true;

	for (unsigned i = SEAT_KEEPERS; i < SEAT_WORKERS; i++) {
		if (!s->children.child[i].pid || shared_state(&s->shared, i) >= SEAT_DRAINING)
			continue;
		gone = false;
		if (kill_them)
			kill(s->children.child[i].pid, SIGKILL);
	}
	return gone;
}

static void step_retiring(struct supervisor *s, uint64_t now_ns)
{
	if (!keepers_let_go(s, now_ns > s->stage_until_ns))
		return;
	s->old = s->children.now;
	s->children.now = s->next;
	s->children.keeper = (struct retry){ 0 };
	if (!children_start(&s->children, ROLE_KEEPER, s->next, 0))
		s->children.keeper = (struct retry){ .due = true };
	enter(s, STAGE_KEEPING, now_ns + SETTLE_NS);
}

static bool is_keeper_serving(const struct supervisor *s)
{
	for (unsigned i = SEAT_KEEPERS; i < SEAT_WORKERS; i++)
		if (s->children.child[i].pid && shared_state(&s->shared, i) == SEAT_SERVING)
			return true;
	return false;
}

static void step_keeping(struct supervisor *s, uint64_t now_ns)
{
	char why[256];

	if (!is_keeper_serving(s) && now_ns < s->stage_until_ns)
		return;
	if (!children_all_at_least(&s->children, s->next, SEAT_LOADED) && now_ns < s->stage_until_ns + LOAD_NS)
		return;
	if (!sockets_listen(&s->sockets, why, sizeof why))
		log_error("%s", why);
	enter(s, STAGE_SERVING, now_ns + ACCEPT_NS);
}

static void tell_ready(struct supervisor *s)
{
	char status[96];

	snprintf(status, sizeof status, "READY=1\nSTATUS=generation %u, %u workers", s->children.now->number,
	         s->children.now->workers);
	notify_say(slice_of(status));
	if (s->told_ready)
		return;
	s->told_ready = true;
	if (s->options->on_ready)
		s->options->on_ready(s->options->with);
}

/* Which addresses nobody will accept from any more: its workers take what queues there before they close. */
static void tell_gone(struct supervisor *s)
{
	const struct config_root *old = &s->old->config->root, *now = &s->next->config->root;

	for (size_t i = 0; i < old->listeners_len && i < GONE_MAX; i++) {
		bool stays = false;
		for (size_t j = 0; j < now->listeners_len; j++)
			stays |= slice_same(old->listeners[i].address, now->listeners[j].address);
		atomic_store(&s->shared.head->gone[i], !stays);
	}
}

static void step_serving(struct supervisor *s, uint64_t now_ns)
{
	if (!children_all_at_least(&s->children, s->next, SEAT_SERVING) && now_ns < s->stage_until_ns)
		return;
	atomic_store(&s->shared.head->generation, s->next->number);
	atomic_store(&s->shared.head->workers, s->next->workers);
	atomic_store(&s->shared.head->phase, PHASE_SERVING);
	atomic_store(&s->shared.head->in_force_by, s->asked_by);
	atomic_store(&s->shared.head->in_force_ns, clock_wall_ns());
	metrics_set(metrics_series(METRIC_generation, S(""), S(""), S(""), S("")), s->next->number);
	if (s->old) {
		tell_gone(s);
		s->old->draining = true;
		children_order_workers(&s->children, s->old, ORDER_DRAIN);
		children_end_by(&s->children, ROLE_WORKER,
		                now_ns + s->old->config->root.drain.timeout + 5 * NS_PER_S);
	}
	enter(s, STAGE_HANDING, now_ns + RETIRE_NS);
}

/* The earlier generation's workers have closed their listeners, or will never: what they have open is
 * finished by them, what comes now meets the new configuration. */
static bool is_handed_over(const struct supervisor *s)
{
	for (unsigned i = SEAT_WORKERS; s->old && i < SEATS_MAX; i++)
		if (s->children.child[i].pid && s->children.child[i].generation == s->old &&
		    shared_state(&s->shared, i) < SEAT_DRAINING)
			return false;
	return true;
}

/* The keeper that waits to tell the outcome, and the writer, whose successor opens the new
 * configuration's log. */
static void end_old(struct supervisor *s, uint64_t now_ns)
{
	for (unsigned i = SEAT_KEEPERS; i < SEAT_WORKERS; i++)
		if (s->children.child[i].generation != s->children.now)
			children_order(&s->children, i, ORDER_STOP);
	children_end_by(&s->children, ROLE_KEEPER, now_ns + RETIRE_NS);
	children_order(&s->children, SEAT_WRITER, ORDER_STOP);
	children_end_by(&s->children, ROLE_WRITER, now_ns + WRITER_NS);
}

/* One message for people, one line for whoever collects what was changed by whom. */
static void log_renewed(struct supervisor *s)
{
	const char *names = s->renewed ? s->renewed : "files";

	log_info("re-read, since they have changed: %s", names);
	log_info("audit: uid %u: generation %u is in force by changed files: %s", (unsigned)getuid(),
	         s->children.now->number, names);
	end_renewal(s, RHYTHM_TAKEN, "");
}

static void step_handing(struct supervisor *s, uint64_t now_ns)
{
	bool reload = s->old != NULL, renewal = s->renewing;
	char text[96];

	if (!is_handed_over(s) && now_ns < s->stage_until_ns)
		return;
	snprintf(text, sizeof text, "generation %u is in force with %u worker%s\n", s->children.now->number,
	         s->children.now->workers, s->children.now->workers == 1 ? "" : "s");
	log_info("%.*s", (int)strlen(text) - 1, text);
	s->next = s->old = NULL;
	s->stage = STAGE_IDLE;
	if (renewal)
		log_renewed(s);
	else if (reload)
		publish(s, 0, text);
	if (reload)
		end_old(s, now_ns);
	tell_ready(s);
}

bool rollout_first(struct supervisor *s, struct generation *g, char **text)
{
	*text = prepare(s, g);
	if (*text)
		return false;
	s->children.now = s->next = g;
	s->children.keepers_kept = s->children.writer_kept = true;
	if (!children_start(&s->children, ROLE_WRITER, g, 0) ||
	    !children_start(&s->children, ROLE_KEEPER, g, 0) || !start_workers(s, g)) {
		*text = strdup("the processes cannot be forked\n");
		return false;
	}
	enter(s, STAGE_KEEPING, clock_ns() + SETTLE_NS);
	return true;
}

void rollout_step(struct supervisor *s, uint64_t now_ns)
{
	enum stage before;

	do { /* a stage may be over as soon as it is entered */
		before = s->stage;
		switch (s->stage) {
		case STAGE_IDLE:
			begin(s);
			break;
		case STAGE_READING:
			step_reading(s, now_ns);
			break;
		case STAGE_LOADING:
			step_loading(s, now_ns);
			break;
		case STAGE_RETIRING:
			step_retiring(s, now_ns);
			break;
		case STAGE_KEEPING:
			step_keeping(s, now_ns);
			break;
		case STAGE_SERVING:
			step_serving(s, now_ns);
			break;
		case STAGE_HANDING:
			step_handing(s, now_ns);
			break;
		}
		if (s->stage == STAGE_SERVING)
			children_order_workers(&s->children, s->next, ORDER_SERVE);
	} while (s->stage != before && s->stage != STAGE_IDLE);
	if (s->stage == STAGE_IDLE && s->children.now && s->told_ready)
		children_order_workers(&s->children, s->children.now, ORDER_SERVE); /* those that were restarted */
}

void rollout_cancel(struct supervisor *s, const char *why)
{
	reload_free(s->reading);
	s->reading = NULL;
	if (s->stage == STAGE_READING || s->stage == STAGE_LOADING)
		refuse(s, 1, strdup(why));
	s->stage = STAGE_IDLE;
	s->next = s->old = NULL;
}
