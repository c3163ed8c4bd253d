/* Tells when the certificates of a configuration end. */
#include "keeper/chains.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "tls/tls.h"
#include <time.h>

void chains_walk(const struct config *c,
                 void (*visit)(void *with, struct slice file, struct config_place place), void *with)
{
	const struct config_root *r = &c->root;

	for (size_t i = 0; i < r->listeners_len; i++) {
		const struct config_listener_tls *t = r->listeners[i].tls;
		for (size_t n = 0; t && n < t->certificates_len; n++)
			visit(with, t->certificates[n].chain, t->certificates[n].place);
		if (t && t->crl.len)
			visit(with, t->crl, t->place);
	}
	for (size_t i = 0; i < r->upstreams_len; i++)
		if (r->upstreams[i].tls.chain.len)
			visit(with, r->upstreams[i].tls.chain, r->upstreams[i].place);
	if (r->redis && r->redis->tls.chain.len)
		visit(with, r->redis->tls.chain, r->redis->place);
}

struct chain_trial {
	const struct bundle *now, *in_force;
	int64_t wall_s;
	struct config_errors *errors;
};

static void say_date(int64_t at_s, char *to, size_t cap)
{
	time_t at = (time_t)at_s;
	struct tm parts;

	if (!gmtime_r(&at, &parts) || !strftime(to, cap, "%Y-%m-%d %H:%M:%S UTC", &parts))
		snprintf(to, cap, "an unknown date");
}

static void try_file(void *with, struct slice file, struct config_place place)
{
	struct chain_trial *t = with;
	struct slice now, before;
	int64_t from_s, until_s;
	char date[64];

	if (!bundle_holds(t->now, file, &now) || !tls_dates(now, &from_s, &until_s))
		return;
	if (bundle_holds(t->in_force, file, &before) && slice_same(now, before))
		return;
	bool late = until_s <= t->wall_s;
	if (!late && from_s <= t->wall_s)
		return;
	say_date(late ? until_s : from_s, date, sizeof date);
	config_complain(t->errors, place, late ? "%.*s has expired at %s" : "%.*s is not valid before %s",
	                SLICE(file), date);
}

void chains_try(const struct config *c, const struct bundle *b, const struct bundle *in_force,
                uint64_t wall_s, struct config_errors *errors)
{
	struct chain_trial t = { b, in_force, (int64_t)wall_s, errors };

	chains_walk(c, try_file, &t);
}

static void tell_file(void *with, struct slice file, struct config_place place)
{
	const struct bundle *b = with;
	struct slice pem;
	int64_t from_s, until_s;

	(void)place;
	if (bundle_holds(b, file, &pem) && tls_dates(pem, &from_s, &until_s) && until_s != INT64_MAX)
		metrics_set(metrics_series(METRIC_certificate_not_after_seconds, file, S(""), S(""), S("")), until_s);
}

void chains_report(const struct config *c, const struct bundle *b)
{
	chains_walk(c, tell_file, (void *)(uintptr_t)b); /* only read from here on */
}

void chains_log_groups(const struct config *c)
{
	char list[TLS_GROUPS_MAX], told[TLS_GROUPS_MAX] = "";
	struct slice lacking;

	for (size_t i = 0; i < c->root.listeners_len; i++) {
		const struct config_listener_tls *t = c->root.listeners[i].tls;
		if (!t || !tls_groups(t, list, &lacking) || strcmp(list, told) == 0)
			continue;
		memcpy(told, list, sizeof told);
		log_info("TLS key exchange: %s%s%.*s%s", list, lacking.len ? " (this OpenSSL lacks " : "",
		         SLICE(lacking), lacking.len ? ")" : "");
	}
}
