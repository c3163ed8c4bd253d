/* What is said of an issuer: how old its keys are, its state, and the drills that force one. */
#include "base/log.h"
#include "base/text.h"
#include "issuer/inside.h"
#include "metrics/metrics.h"

/* By whichever clock makes them older: one may have been set back, the other stands still in a suspend. */
uint64_t state_age_s(const struct source *s)
{
	const struct issuer_keeper *k = s->keeper;
	uint64_t wall_s = k->env.wall_s(k->env.with), now_ns = keeper_now(k);
	uint64_t by_wall_s = wall_s > s->fetched_wall_s ? wall_s - s->fetched_wall_s : 0;
	uint64_t by_uptime_s = s->fetched_ns && now_ns > s->fetched_ns ? (now_ns - s->fetched_ns) / NS_PER_S : 0;

	return by_wall_s > by_uptime_s ? by_wall_s : by_uptime_s;
}

enum issuer_state state_real(const struct source *s)
{
	uint64_t age = state_age_s(s), hard_s = s->keeper->config->root.verification.keys_hard / NS_PER_S;

	if (!json_array_size(s->keys) || age > hard_s || (s->hard_ns && keeper_now(s->keeper) > s->hard_ns))
		return ISSUER_BLIND;
	if (age > hard_s / 2)
		return ISSUER_DEGRADED;
	return age > s->soft_ns / NS_PER_S ? ISSUER_STALE : ISSUER_NORMAL;
}

static enum drill drill_now(const struct source *s)
{
	return s->slot ? published_drill(s->slot, keeper_now(s->keeper)) : DRILL_NONE;
}

bool state_is_cut_off(const struct source *s)
{
	return drill_now(s) == DRILL_UNREACHABLE;
}

/* A drill shows its state where the real one is no worse. */
static enum issuer_state state_shown(const struct source *s)
{
	static const enum issuer_state forced[DRILLS] = {
		[DRILL_STALE] = ISSUER_STALE, [DRILL_DEGRADED] = ISSUER_DEGRADED, [DRILL_BLIND] = ISSUER_BLIND
	};
	enum issuer_state real = state_real(s), least = forced[drill_now(s)];

	return real > least ? real : least;
}

void state_open(struct source *s)
{
	s->state = ISSUER_STATES; /* none told yet */
	s->age = metrics_series(METRIC_issuer_keys_age_seconds, s->config->id, S(""), S(""), S(""));
	for (int i = 0; i < ISSUER_STATES; i++)
		s->states[i] =
		    metrics_series(METRIC_issuer_state, s->config->id, slice_of(issuer_state_names[i]), S(""), S(""));
	for (int i = 1; i < DRILLS; i++)
		s->drills[i] =
		    metrics_series(METRIC_issuer_drill, s->config->id, slice_of(drill_names[i]), S(""), S(""));
	for (int i = 1; i < KEYS_FROM; i++)
		s->froms[i] = metrics_series(METRIC_issuer_keys_from, s->config->id, slice_of(keys_from_names[i]),
		                             S(""), S(""));
}

void state_close(struct source *s)
{
	metrics_set(s->age, 0);
	for (int i = 0; i < ISSUER_STATES; i++)
		metrics_set(s->states[i], 0);
	for (int i = 1; i < DRILLS; i++)
		metrics_set(s->drills[i], 0);
	for (int i = 1; i < KEYS_FROM; i++)
		metrics_set(s->froms[i], 0);
}

/* A drill begins where it was asked for, or is found by the keeper after; it ends by its time. */
static void look_at_drill(struct source *s)
{
	enum drill drill = drill_now(s);

	for (int i = 1; i < DRILLS; i++)
		metrics_set(s->drills[i], i == (int)drill);
	if (drill == s->drill)
		return;
	if (drill)
		log_warn("issuer %.*s: a drill begins: %s", SLICE(s->config->id), drill_names[drill]);
	else
		log_info("issuer %.*s: the drill is over", SLICE(s->config->id));
	if (drill == DRILL_UNREACHABLE || s->drill == DRILL_UNREACHABLE)
		fetch_keys_soon(s);
	s->drill = drill;
	keeper_notify_workers(s->keeper);
}

void state_look(struct source *s)
{
	static const char *const meanings[ISSUER_STATES] = {
		"keys are fresh",
		"keys are past their soft age; tokens go on being verified with them",
		"keys are past half of verification.keys_hard; after that its tokens are answered 503",
		"there are no keys to trust; its tokens are answered 503",
	};

	look_at_drill(s);
	enum issuer_state state = state_shown(s);
	metrics_set(s->age, (int64_t)(json_array_size(s->keys) ? state_age_s(s) : 0));
	for (int i = 0; i < ISSUER_STATES; i++)
		metrics_set(s->states[i], i == (int)state);
	for (int i = 1; i < KEYS_FROM; i++)
		metrics_set(s->froms[i], i == (int)s->from);
	if (state == s->state || (state == ISSUER_BLIND && s->state == ISSUER_STATES && !s->failures))
		return; /* nothing new; or a first start, with the first fetch still under way */
	log_line(state == ISSUER_NORMAL ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "issuer %.*s: %s: %s",
	         SLICE(s->config->id), issuer_state_names[state],
	         state == state_real(s) ? meanings[state] : "a drill says so");
	s->state = state;
	if (s->slot)
		atomic_store(&s->slot->state, state);
}

/* ---- drills ---- */

static bool drill_named(struct slice name, enum drill *to)
{
	for (int i = 0; i < DRILLS; i++)
		if (slice_same(name, slice_of(drill_names[i]))) {
			*to = (enum drill)i;
			return true;
		}
	return false;
}

const char *issuer_keeper_drill(struct issuer_keeper *k, struct slice issuer, struct slice kind,
                                uint64_t for_s)
{
	struct source *s = keeper_find(k, issuer);
	enum drill drill;

	if (!s)
		return "there is no issuer of that name";
	if (!s->slot)
		return "there is no room to publish its state";
	if (!drill_named(kind, &drill))
		return "a drill is one of unreachable, stale, degraded and blind";
	if (drill && (for_s == 0 || for_s > DRILL_MAX_S))
		return "a drill lasts 1 s to 1 h";
	atomic_store(&s->slot->drill, drill ? published_drill_until(drill, keeper_now(k) + for_s * NS_PER_S) : 0);
	state_look(s);
	return NULL;
}

uint64_t state_drill_ends_ns(const struct source *s)
{
	return s->drill ? published_drill_end_ns(s->slot) : UINT64_MAX;
}

/* ---- status ---- */

static void print_times(const struct source *s, struct text *t)
{
	uint64_t now_ns = keeper_now(s->keeper), next_ns = s->due_ns > now_ns ? s->due_ns - now_ns : 0;

	text_add(t, S(",\"age_s\":"));
	if (json_array_size(s->keys)) {
		text_u64(t, state_age_s(s));
		text_add(t, S(",\"trusted_for_s\":"));
		text_u64(t, s->hard_ns > now_ns ? (s->hard_ns - now_ns) / NS_PER_S : 0);
	} else {
		text_add(t, S("null,\"trusted_for_s\":0"));
	}
	text_add(t, S(",\"next_fetch_s\":"));
	text_u64(t, issuer_fetch_is_under_way(&s->fetch) ? 0 : next_ns / NS_PER_S);
}

static bool tell_one(const struct source *s, struct text *t)
{
	text_add(t, S("{\"issuer\":\""));
	text_json(t, s->config->id);
	text_printf(t, "\",\"state\":\"%s\",\"keys\":%zu,\"keys_from\":\"%s\"",
	            issuer_state_names[state_shown(s)], json_array_size(s->keys), keys_from_names[s->from]);
	print_times(s, t);
	text_add(t, S(",\"failures\":"));
	text_u64(t, s->failures);
	text_add(t, S(",\"last_failure\":\""));
	text_json(t, slice_of(s->failure));
	text_add(t, S("\",\"unreadable_key\":\""));
	text_json(t, slice_of(s->skipped));
	text_add(t, !s->reach.needed   ? S("\",\"reachable\":null")
	            : s->reach.away_ns ? S("\",\"reachable\":false")
	                               : S("\",\"reachable\":true"));
	text_add(t, S(",\"drill\":"));
	if (drill_now(s)) {
		uint64_t left_ns = published_drill_end_ns(s->slot) - keeper_now(s->keeper);
		text_printf(t, "{\"kind\":\"%s\",\"for_s\":%llu}", drill_names[drill_now(s)],
		            (unsigned long long)(left_ns / NS_PER_S));
	} else {
		text_add(t, S("null"));
	}
	outbound_print(&s->outbound, t);
	text_char(t, '}');
	return !t->cut;
}

void issuer_keeper_print(const struct issuer_keeper *k, void (*write)(void *with, struct slice piece),
                         void *with)
{
	for (size_t i = 0; i < k->len; i++) {
		char line[8192];
		struct text t = TEXT(line);
		if (i)
			text_char(&t, ',');
		if (tell_one(&k->source[i], &t))
			write(with, text_slice(&t));
	}
}
