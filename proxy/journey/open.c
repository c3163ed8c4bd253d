/* open.c -- making a worker's data plane from a configuration, and taking it apart. */
#include "journey/inside.h"
#include "base/check.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include <stdlib.h>

static bool open_listeners(struct journey *j, struct config_errors *errors)
{
	const struct config *c = j->env.config;
	size_t len = c->root.listeners_len;

	j->tls = calloc(len + 1, sizeof *j->tls);
	j->accepted = calloc(len + 1, sizeof *j->accepted);
	check(j->tls && j->accepted);
	for (size_t i = 0; i < len; i++) {
		const struct config_listener *l = &c->root.listeners[i];
		j->accepted[i] = metrics_series(METRIC_connections_total, l->address, S(""), S(""), S(""));
		if (!l->tls)
			continue;
		j->tls[i] = tls_server_open(l, c, j->env.bundle, j->env.tickets, errors);
		if (!j->tls[i])
			return false;
	}
	return true;
}

#define DESCRIPTORS_ASIDE 64  /* listeners, the loop, shared memory */
#define CONNECTIONS_MAX 20000 /* where the configuration does not say */

static size_t connections_max(const struct journey_env *w)
{
	bool written = w->config->root.http.connections_max != CONFIG_ABSENT;
	uint64_t most = written ? w->config->root.http.connections_max : CONNECTIONS_MAX;
	uint64_t few = w->descriptors / 8 * 7;

	if (!w->descriptors)
		return (size_t)most;
	few = few > DESCRIPTORS_ASIDE + 16 ? few - DESCRIPTORS_ASIDE : 16;
	if (few < most && written)
		log_warn("%u client connections at most, not http.connections_max (%u): only %u files may be open",
		         (unsigned)few, (unsigned)most, (unsigned)w->descriptors);
	return (size_t)(few < most ? few : most);
}

static bool open_limits(struct journey *j)
{
	limits_read_bodies(j->limits, http_stash);
	if (j->env.resets)
		limits_heed(j->limits, j->env.resets);
	if (j->env.hot)
		limits_watch(j->limits, j->env.hot);
	return true;
}

static bool open_claims(struct journey *j)
{
	j->claims = claims_open(j);
	return true;
}

static bool open_guard(struct journey *j)
{
	const struct journey_env *w = &j->env;

	if (w->guard)
		j->guard = guard_open(w->config, w->guard, w->guard_key, w->guard_teller);
	return true;
}

static void on_owing(struct deadline *d)
{
	(void)d; /* the turn that follows does it */
}

struct journey *journey_open(const struct journey_env *w, struct config_errors *errors)
{
	struct journey *j = calloc(1, sizeof *j);

	check(j);
	j->env = *w;
	j->connections_max = connections_max(w);
	list_init(&j->woken);
	list_init(&j->arriving);
	list_init(&j->since);
	shares_open(&j->shares, w->config, j->connections_max);
	list_init(&j->handshakes);
	deadline_init(&j->owing, on_owing);
	http_server_init(&j->http, w->loop, w->config);
	j->http.on_request = journey_on_request;
	j->http.on_closed = arrival_on_closed;
	j->http.on_touch = arrival_on_touch;
	j->http.on_unborn = decision_on_unborn;
	j->http.on_take = held_on_take;
	j->http.on_give = held_on_give;
	j->http.on_tunnel = held_on_tunnel;
	j->http.with = j;
	request_on_wake = journey_on_wake;
	j->routes = routes_open(w->config);
	if (open_listeners(j, errors) && (j->classify = classify_open(w->config, w->bundle, errors)) &&
	    (j->limits = limits_open(w->config, w->limits, remote_open(j))) && open_limits(j) && open_claims(j) &&
	    open_guard(j) && (j->verify = verify_open(w->config, w->keys, w->ask)) &&
	    (j->forward = forward_open(w->config, w->bundle, w->loop, w->endpoints, w->news, errors)))
		return j;
	journey_close(j);
	return NULL;
}

void journey_close(struct journey *j)
{
	if (!j)
		return;
	check(j->connections == 0 && j->in_flight == 0);
	deadline_clear(&j->env.loop->brief, &j->owing);
	forward_close(j->forward);
	guard_close(j->guard);
	verify_close(j->verify);
	claims_close(j->claims);
	limits_close(j->limits);
	classify_close(j->classify);
	routes_close(j->routes);
	for (size_t i = 0; j->tls && i < j->env.config->root.listeners_len; i++)
		tls_server_close(j->tls[i]);
	free(j->tls);
	free(j->accepted);
	http_server_free(&j->http);
	shares_close(&j->shares);
	free(j);
}

void journey_drain(struct journey *j)
{
	j->draining = true;
	http_drain(&j->http);
	forward_drain(j->forward);
}

bool journey_is_drained(const struct journey *j)
{
	return j->connections == 0 && j->in_flight == 0;
}

void journey_kill(struct journey *j)
{
	arrival_kill(j);
	http_kill(&j->http);
}
