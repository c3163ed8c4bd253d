/* Probes an issuer that routes need. */
#include "base/log.h"
#include "base/random.h"
#include "issuer/inside.h"
#include "metrics/metrics.h"

#define SILENCES 2
#define RAMP_AFTER_NS (60 * NS_PER_S) /* a shorter absence leaves no backlog worth a ramp */

static bool is_needed(const struct source *s)
{
	const struct config_root *root = &s->keeper->config->root;

	for (size_t i = 0; i < root->routes_len; i++)
		if (slice_same(root->routes[i].needs_issuer, s->config->id))
			return true;
	return false;
}

static void publish(struct source *s, enum issuer_reach reach, uint64_t back_ns)
{
	atomic_store(&s->slot->back_ns, back_ns);
	atomic_store(&s->slot->reach, reach);
	metrics_set(s->reach.series, reach != REACH_AWAY);
}

void probe_open(struct source *s)
{
	struct issuer_probe *r = &s->reach;

	r->needed = s->slot && is_needed(s) && jwks_discovery_url(s->config->issuer, r->url, sizeof r->url);
	if (!r->needed) {
		if (s->slot)
			atomic_store(&s->slot->reach, REACH_UNKNOWN);
		return;
	}
	r->series = metrics_series(METRIC_issuer_reachable, s->config->id, S(""), S(""), S(""));
	r->due_ns = keeper_now(s->keeper);
	bool away = atomic_load(&s->slot->reach) == REACH_AWAY; /* as the keeper before this one found it */
	r->silent = away ? SILENCES : 0;
	r->away_ns = away ? r->due_ns : 0;
	metrics_set(r->series, !away);
}

void probe_close(struct source *s)
{
	if (s->reach.needed)
		metrics_set(s->reach.series, 0);
}

static void gone_away(struct source *s)
{
	s->reach.away_ns = keeper_now(s->keeper);
	log_warn("issuer %.*s: out of reach; routes that need it answer 503", SLICE(s->config->id));
	publish(s, REACH_AWAY, 0);
}

static void come_back(struct source *s)
{
	uint64_t now_ns = keeper_now(s->keeper), away_ns = s->reach.away_ns ? now_ns - s->reach.away_ns : 0;
	bool ramps = away_ns >= RAMP_AFTER_NS;

	if (s->reach.away_ns)
		log_info("issuer %.*s: back after %llu s%s", SLICE(s->config->id),
		         (unsigned long long)(away_ns / NS_PER_S),
		         ramps ? "; logins are let in on a ramp of five minutes" : "");
	s->reach.away_ns = 0;
	publish(s, REACH_HERE, ramps ? now_ns : 0);
}

void probe_heard(struct source *s, bool answered)
{
	struct issuer_probe *r = &s->reach;

	if (!r->needed)
		return;
	if (!answered) {
		r->silent++;
		if (r->silent >= SILENCES && atomic_load(&s->slot->reach) != REACH_AWAY)
			gone_away(s);
		return;
	}
	r->silent = 0;
	if (atomic_load(&s->slot->reach) != REACH_HERE)
		come_back(s);
}

static void on_probed(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure)
{
	(void)body;
	(void)max_age_s;
	probe_heard(for_whom, !failure && status > 0 && status < 500);
}

uint64_t probe_tick(struct source *s)
{
	struct issuer_probe *r = &s->reach;
	uint64_t now_ns = keeper_now(s->keeper);

	if (!r->needed)
		return UINT64_MAX;
	if (issuer_fetch_is_under_way(&r->probe) || now_ns < r->due_ns)
		return r->due_ns;
	r->due_ns = now_ns + random_jitter(s->config->probe, 10);
	if (state_is_cut_off(s)) {
		probe_heard(s, false);
		return r->due_ns;
	}
	r->probe.rank = RANK_REFRESH;
	r->probe.url = slice_of(r->url);
	r->probe.done = on_probed;
	r->probe.for_whom = s;
	outbound_send(&s->outbound, &r->probe);
	return r->due_ns;
}
