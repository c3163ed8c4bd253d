/* tell.c -- the keeper's side: what is known of endpoints, for operators and probes. */
#include "forward/keeper.h"
#include "base/text.h"
#include "metrics/metrics.h"

enum endpoint_known { KNOWN_UP, KNOWN_UNKNOWN, KNOWN_UNCHECKED, KNOWN_EJECTED, KNOWN_UNRESOLVED, KNOWN_DOWN };

static const char *const words[] = { "up", "unknown", "unchecked", "ejected", "unresolved", "down" };

static uint64_t ejected_by(const struct watched *e)
{
	const struct slice no = { 0 };
	uint32_t series = metrics_series(METRIC_endpoint_ejected, e->upstream->id, e->text, no, no);

	return metrics_value(series);
}

static enum endpoint_known known_of(const struct watched *e)
{
	if (e->state.health == HEALTH_DOWN)
		return KNOWN_DOWN;
	if (e->state.addresses_len == 0 && e->url.scheme != ENDPOINT_UNIX && e->refresh.failed)
		return KNOWN_UNRESOLVED;
	if (ejected_by(e))
		return KNOWN_EJECTED;
	if (!e->upstream->health)
		return KNOWN_UNCHECKED;
	return e->state.health == HEALTH_UP ? KNOWN_UP : KNOWN_UNKNOWN;
}

bool forward_keeper_upstream(const struct forward_keeper *k, size_t i, struct forward_health *to)
{
	if (i >= k->upstreams_len)
		return false;
	*to = (struct forward_health){ .id = k->upstreams[i].id };
	for (size_t n = 0; n < k->len; n++) {
		if (k->watched[n].upstream != &k->upstreams[i])
			continue;
		to->endpoints++;
		to->usable += known_of(&k->watched[n]) < KNOWN_EJECTED;
	}
	return true;
}

bool forward_keeper_is_cut_off(const struct forward_keeper *k)
{
	for (size_t n = 0; n < k->len; n++)
		if (known_of(&k->watched[n]) < KNOWN_EJECTED)
			return false;
	return k->len > 0;
}

static void tell_endpoint(const struct watched *e, uint64_t now_ns, struct text *t)
{
	enum endpoint_known known = known_of(e);

	text_add(t, S("{\"endpoint\":\""));
	text_json(t, e->text);
	text_printf(t, "\",\"state\":\"%s\",\"ejected_by\":%llu,\"addresses\":%u", words[known],
	            (unsigned long long)ejected_by(e), e->state.addresses_len);
	if (e->upstream->health && (known == KNOWN_UP || known == KNOWN_DOWN))
		text_printf(t, ",\"checked_s\":%llu",
		            (unsigned long long)((now_ns - e->state.checked_ns) / NS_PER_S));
	text_char(t, '}');
}

void forward_keeper_print(const struct forward_keeper *k, struct text *t)
{
	uint64_t now_ns = k->env.now_ns(k->env.with);
	struct forward_health h;

	text_char(t, '[');
	for (size_t i = 0; forward_keeper_upstream(k, i, &h); i++) {
		bool first = true;
		text_printf(t, "%s{\"upstream\":\"%.*s\",\"usable\":%zu,\"endpoints\":[", i ? "," : "", SLICE(h.id),
		            h.usable);
		for (size_t n = 0; n < k->len; n++) {
			if (k->watched[n].upstream != &k->upstreams[i])
				continue;
			if (!first)
				text_char(t, ',');
			first = false;
			tell_endpoint(&k->watched[n], now_ns, t);
		}
		text_add(t, S("]}"));
	}
	text_char(t, ']');
}
