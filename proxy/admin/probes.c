/* Liveness, readiness and metrics over HTTP. */
#include "admin/admin.h"
#include "metrics/metrics.h"
#include <stdlib.h>

#define EXPOSITION_MAX ((size_t)16 * 1024 * 1024)

struct probes {
	struct miniserver *server;
	struct probes_env env;
};

struct exposition {
	char *at;
	size_t len, cap;
	bool failed;
};

static void gather(void *with, struct slice piece)
{
	struct exposition *e = with;

	if (e->failed || piece.len > EXPOSITION_MAX - e->len) {
		e->failed = true;
		return;
	}
	if (e->len + piece.len > e->cap) {
		size_t cap = (e->len + piece.len) * 2;
		char *more = realloc(e->at, cap);
		if (!more) {
			e->failed = true;
			return;
		}
		e->at = more;
		e->cap = cap;
	}
	memcpy(e->at + e->len, piece.at, piece.len);
	e->len += piece.len;
}

static void say(struct miniserver_ask *ask, unsigned status, struct slice text)
{
	miniserver_answer(ask, status, S("text/plain; charset=utf-8"), S("Cache-Control: no-store\r\n"), text);
}

static void refuse(struct miniserver_ask *ask, unsigned status, struct slice extra, struct slice problem)
{
	miniserver_answer(ask, status, S("application/problem+json"), extra, problem);
}

static void expose(struct miniserver_ask *ask)
{
	struct exposition e = { 0 };

	metrics_expose(gather, &e);
	if (e.failed)
		refuse(ask, 503, S(""), S("{\"status\":503,\"title\":\"the metrics do not fit into memory\"}\n"));
	else
		miniserver_answer(ask, 200, S("text/plain; version=0.0.4; charset=utf-8"),
		                  S("Cache-Control: no-store\r\n"), (struct slice){ e.at, e.len });
	free(e.at);
}

static void say_ready(struct miniserver_ask *ask, const char *why_not)
{
	char line[200];
	struct text t = TEXT(line);

	text_printf(&t, why_not ? "not ready: %s\n" : "ready\n", why_not);
	say(ask, why_not ? 503 : 200, text_slice(&t));
}

static void on_ask(void *with, struct miniserver_ask *ask)
{
	struct probes *p = with;
	const struct probes_env *w = &p->env;

	if (!slice_same(ask->method, S("GET")) && !slice_same(ask->method, S("HEAD")))
		refuse(ask, 405, S("Allow: GET, HEAD\r\n"), S("{\"status\":405,\"title\":\"only GET and HEAD\"}\n"));
	else if (slice_same(ask->path, S("/livez")))
		say(ask, 200, S("alive\n"));
	else if (slice_same(ask->path, S("/readyz")))
		say_ready(ask, w->unready(w->with));
	else if (slice_same(ask->path, S("/startupz")))
		w->is_started(w->with) ? say(ask, 200, S("started\n")) : say(ask, 503, S("starting\n"));
	else if (slice_same(ask->path, S("/metrics")))
		expose(ask);
	else
		refuse(ask, 503, S("Sallyport-Reason: no-route\r\nCache-Control: no-store\r\n"),
		       S("{\"status\":503,\"title\":\"only /livez, /readyz, /startupz and /metrics are served here\","
		         "\"reason\":\"no-route\"}\n"));
}

struct probes *probes_open(struct loop *l, int fd, const struct probes_env *w)
{
	struct probes *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->env = *w;
	p->server = miniserver_open(l, fd, on_ask, p);
	if (p->server)
		return p;
	free(p);
	return NULL;
}

bool probes_drain(struct probes *p)
{
	return !p || miniserver_drain(p->server);
}

void probes_close(struct probes *p)
{
	if (!p)
		return;
	miniserver_close(p->server);
	free(p);
}
