/* The ways out to an issuer: which one is taken, and what is learnt of each. */
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "issuer/outbound.h"
#include "metrics/metrics.h"
#include <stdio.h>

static void name_way(struct egress_way *w)
{
	const struct config_issuer_egress *c = w->config;

	if (c && c->proxy.at && c->address.at)
		snprintf(w->name, sizeof w->name, "proxy %.48s from %.*s", c->proxy.at, SLICE(c->address));
	else if (c && c->proxy.at)
		snprintf(w->name, sizeof w->name, "proxy %.80s", c->proxy.at);
	else if (c && c->address.at)
		snprintf(w->name, sizeof w->name, "address %.*s", SLICE(c->address));
	else
		snprintf(w->name, sizeof w->name, "direct");
}

static void open_way(struct outbound *o, const struct config_issuer_egress *config)
{
	struct egress_way *w = &o->way[o->ways++];
	struct slice id = o->config->id;

	w->config = config;
	name_way(w);
	struct slice name = slice_of(w->name);
	w->ok = metrics_series(METRIC_issuer_egress_total, id, name, S("ok"), S(""));
	w->failed = metrics_series(METRIC_issuer_egress_total, id, name, S("failed"), S(""));
	w->healthy = metrics_series(METRIC_issuer_egress_healthy, id, name, S(""), S(""));
	metrics_set(w->healthy, 1);
}

void egress_open(struct outbound *o)
{
	for (size_t i = 0; i < o->config->egress_len && i < EGRESS_MAX; i++)
		open_way(o, &o->config->egress[i]);
	if (!o->ways)
		open_way(o, NULL);
}

/* Lower is better; ways are equal otherwise in the order of the configuration. */
static uint64_t merit(const struct egress_way *w, enum rank rank, uint64_t now_ns)
{
	if (!w->failures)
		return 0;
	if (w->bad_until_ns <= now_ns) /* perhaps well again: a refresh tries it, since nobody waits for that */
		return rank == RANK_REFRESH ? 0 : 1;
	return w->bad_until_ns;
}

struct egress_way *egress_choose(struct outbound *o, const struct issuer_fetch *e, uint64_t now_ns)
{
	struct egress_way *best = NULL;

	for (size_t i = 0; i < o->ways; i++) {
		struct egress_way *w = &o->way[i];
		if (e->tried >> i & 1)
			continue;
		if (!best || merit(w, e->rank, now_ns) < merit(best, e->rank, now_ns))
			best = w;
	}
	return best;
}

void egress_worked(const struct outbound *o, struct egress_way *w)
{
	if (w->failures && o->ways > 1)
		log_info("issuer %.*s: its way out %s works again", SLICE(o->config->id), w->name);
	w->failures = 0;
	w->bad_until_ns = 0;
	w->failure[0] = '\0';
	metrics_add(w->ok, 1);
	metrics_set(w->healthy, 1);
}

void egress_failed(struct outbound *o, struct egress_way *w, const char *why, uint64_t now_ns)
{
	uint64_t base_ns = w->failures < 6 ? NS_PER_S << w->failures : WAY_BACKOFF_MAX_NS;

	if (!w->failures && o->ways > 1)
		log_warn("issuer %.*s: its way out %s fails: %s", SLICE(o->config->id), w->name, why);
	w->failures++;
	w->bad_until_ns = now_ns + random_jitter(base_ns, 20);
	snprintf(w->failure, sizeof w->failure, "%s", why);
	metrics_add(w->failed, 1);
	metrics_set(w->healthy, 0);
}

void outbound_print(const struct outbound *o, struct text *t)
{
	text_add(t, S(",\"egress\":["));
	for (size_t i = 0; i < o->ways; i++) {
		const struct egress_way *w = &o->way[i];
		text_add(t, i ? S(",{\"way\":\"") : S("{\"way\":\""));
		text_json(t, slice_of(w->name));
		text_printf(t, "\",\"failures\":%u,\"last_failure\":\"", w->failures);
		text_json(t, slice_of(w->failure));
		text_add(t, S("\"}"));
	}
	text_char(t, ']');
}
