/* open.c -- a worker's upstreams from the configuration; what is due once a second. */
#include "forward/inside.h"
#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include <stdlib.h>

#define RETRY_LEAST 50 /* tenths: five in a second, however few requests there are */

static void name_host(struct endpoint *e)
{
	struct text t = TEXT(e->host);
	const struct config_upstream *u = e->upstream->config;
	bool v6 = slice_find(e->url.host, ':') < e->url.host.len;

	if (e->url.scheme == ENDPOINT_HTTPS) { /* the name to verify */
		text_add(&t, u->tls.server_name.len ? u->tls.server_name : e->url.host);
	} else if (e->url.scheme == ENDPOINT_UNIX) {
		text_add(&t, S("localhost"));
	} else {
		text_printf(&t, v6 ? "[%.*s]" : "%.*s", SLICE(e->url.host));
		if (e->url.port != 80)
			text_printf(&t, ":%u", e->url.port);
	}
	check(text_end(&t));
}

static void open_endpoint(struct upstream *u, struct endpoint *e, struct slice text)
{
	e->upstream = u;
	e->text = text;
	list_init(&e->idle);
	check(endpoint_parse(text, &e->url)); /* config/ has checked it */
	e->published = RECORDS;
	e->series_ejected = metrics_series(METRIC_endpoint_ejected, u->config->id, text, S(""), S(""));
	name_host(e);
}

static void name_series(struct upstream *u)
{
	static const char *const classes[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
	static const char *const outcomes[] = { "ok", "refused", "timeout", "tls" };
	struct slice id = u->config->id, no = S("");

	for (size_t i = 0; i < 6; i++)
		u->series_status[i] =
		    metrics_series(METRIC_upstream_requests_total, id, slice_of(classes[i]), no, no);
	for (size_t i = 0; i < 4; i++)
		u->series_connect[i] =
		    metrics_series(METRIC_upstream_connects_total, id, slice_of(outcomes[i]), no, no);
	u->series_reused = metrics_series(METRIC_upstream_reused_total, id, no, no, no);
	u->series_retries = metrics_series(METRIC_upstream_retries_total, id, no, no, no);
	u->series_ejected = metrics_series(METRIC_upstream_ejected_total, id, no, no, no);
	u->series_seconds = metrics_series(METRIC_upstream_seconds, id, no, no, no);
}

static bool open_upstream(struct upstream *u, const struct config_upstream *config, struct bundle *b,
                          struct config_errors *errors)
{
	bool secure = false;

	u->config = config;
	u->retry_tenths = 100;
	u->endpoints_len = config->endpoints.len;
	u->endpoints = calloc(u->endpoints_len + 1, sizeof *u->endpoints);
	check(u->endpoints);
	for (size_t i = 0; i < u->endpoints_len; i++) {
		open_endpoint(u, &u->endpoints[i], config->endpoints.at[i]);
		secure |= u->endpoints[i].url.scheme == ENDPOINT_HTTPS;
	}
	name_series(u);
	if (secure)
		u->tls = tls_client_open(config, b, errors);
	return !secure || u->tls;
}

struct forward *forward_open(const struct config *c, struct bundle *b, struct loop *loop,
                             const struct forward_published *p, struct forward_news news,
                             struct config_errors *errors)
{
	struct forward *f = calloc(1, sizeof *f);

	check(f);
	f->config = c;
	f->loop = loop;
	f->published = p;
	f->news = news;
	list_init(&f->tunnels);
	f->upstreams_len = c->root.upstreams_len;
	f->upstreams = calloc(f->upstreams_len + 1, sizeof *f->upstreams);
	check(f->upstreams);
	for (size_t i = 0; i < f->upstreams_len; i++)
		f->upstreams[i].forward = f;
	for (size_t i = 0; i < f->upstreams_len; i++) {
		if (!open_upstream(&f->upstreams[i], &c->root.upstreams[i], b, errors)) {
			forward_close(f);
			return NULL;
		}
	}
	return f;
}

void forward_close(struct forward *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->upstreams_len; i++) {
		struct upstream *u = &f->upstreams[i];
		for (size_t k = 0; u->endpoints && k < u->endpoints_len; k++) {
			while (u->endpoints[k].upstream && !list_is_empty(&u->endpoints[k].idle))
				link_close(list_entry(u->endpoints[k].idle.next, struct link, idle_link));
		}
		if (u->tls)
			tls_client_close(u->tls);
		free(u->endpoints);
	}
	free(f->upstreams);
	free(f);
}

static bool is_out(struct endpoint *e, uint64_t now_ns)
{
	return (e->refused || e->ejected_until_ns > now_ns) && !endpoint_is_eligible(e);
}

void forward_tick(struct forward *f)
{
	for (size_t i = 0; i < f->upstreams_len; i++) {
		struct upstream *u = &f->upstreams[i];
		if (u->retry_tenths < RETRY_LEAST)
			u->retry_tenths = RETRY_LEAST;
		for (size_t k = 0; k < u->endpoints_len; k++) {
			struct endpoint *e = &u->endpoints[k];
			links_age(e);
			metrics_set(e->series_ejected, is_out(e, f->loop->now_ns));
			e->latency_ns -= e->latency_ns / 32; /* an endpoint that is not asked is forgiven */
		}
	}
}

/* Not all clients come back at the same moment. */
static void end_with_jitter(struct forward *f, struct upstream_call *p)
{
	uint64_t most = f->config->root.drain.timeout / 5 * 4;

	p->tunnel_end_ns = f->loop->now_ns + random_u64() % (most + 1);
}

void tunnel_begins(struct forward *f, struct upstream_call *p)
{
	list_push(&f->tunnels, &p->tunnel_link);
	f->tunnels_len++;
	if (f->draining)
		end_with_jitter(f, p);
}

void forward_drain(struct forward *f)
{
	f->draining = true;
	for (struct list *n = f->tunnels.next; n != &f->tunnels; n = n->next) {
		struct upstream_call *p = list_entry(n, struct upstream_call, tunnel_link);
		end_with_jitter(f, p);
		request_wake(p->link->request);
	}
}

void forward_revoke(struct forward *f, bool (*is_revoked)(void *with, const struct request *r), void *with)
{
	for (struct list *n = f->tunnels.next; n != &f->tunnels; n = n->next) {
		struct upstream_call *p = list_entry(n, struct upstream_call, tunnel_link);
		if (p->tunnel_revoked || !is_revoked(with, p->link->request))
			continue;
		p->tunnel_revoked = true;
		request_wake(p->link->request);
	}
}

size_t forward_tunnels(const struct forward *f)
{
	return f->tunnels_len;
}

bool forward_has_room(const struct forward *f)
{
	return f->tunnels_len + f->upgrades_len < f->config->root.http.tunnels_max;
}
