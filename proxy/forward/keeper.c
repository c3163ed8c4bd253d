/* The keeper's side: looks names up, asks endpoints how they are, and publishes both. */
#include "forward/keeper.h"
#include "base/check.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include <arpa/inet.h>
#include <stdlib.h>

#define LOOKUP_NS (20 * NS_PER_S) /* a look-up that takes longer is given up */
#define SLACK_NS (5 * NS_PER_S)   /* a check that is not answered by this after its timeout has failed */
#define ADDRESSES (sizeof((struct endpoint_state *)0)->addresses / sizeof(struct sockaddr_storage))

uint64_t watched_now(const struct watched *e)
{
	return e->keeper->env.now_ns(e->keeper->env.with);
}

struct watch_call *inquire(struct watched *e)
{
	struct watch_call *q = malloc(sizeof *q);

	check(q != NULL);
	q->endpoint = e;
	return q;
}

/* ---- names ---- */

static bool is_among(const struct endpoint_state *s, const struct sockaddr_storage *a)
{
	for (uint32_t i = 0; i < s->addresses_len; i++)
		if (memcmp(&s->addresses[i], a, sizeof *a) == 0)
			return true;
	return false;
}

static void take_addresses(struct watched *e, const struct sockaddr_storage *found, size_t len)
{
	struct endpoint_state s = e->state;
	struct sockaddr_storage one;

	s.addresses_len = 0;
	memset(s.addresses, 0, sizeof s.addresses);
	for (size_t i = 0; i < len && s.addresses_len < ADDRESSES; i++)
		if (ip_plain(&found[i], e->url.port, &one) && !is_among(&s, &one))
			s.addresses[s.addresses_len++] = one;
	if (s.addresses_len == 0)
		return;
	if (!e->upstream->health)
		s.checked_ns = watched_now(e); /* the record is alive */
	e->state = s;
	record_publish(e);
}

/* What was known stays published. */
static void lookup_failed(struct watched *e, const char *why)
{
	if (refresh_failed(&e->refresh, watched_now(e)))
		log_warn("upstream %.*s: the name %s cannot be resolved (%s)%s", SLICE(e->upstream->id), e->host, why,
		         e->state.addresses_len ? "; its last addresses stay in use" : "");
}

static void on_found(void *for_whom, const struct sockaddr_storage *found, size_t len)
{
	struct watch_call *q = for_whom;
	struct watched *e = q->endpoint;

	free(q);
	if (!e)
		return;
	e->lookup = NULL;
	if (len == 0) {
		lookup_failed(e, "no address was found");
		return;
	}
	if (refresh_found(&e->refresh, watched_now(e)))
		log_info("upstream %.*s: the name %s is resolved again", SLICE(e->upstream->id), e->host);
	take_addresses(e, found, len);
}

static void look_up(struct watched *e, uint64_t now_ns)
{
	struct forward_env *w = &e->keeper->env;
	struct sockaddr_storage at;
	socklen_t len;

	if (e->lookup) { /* it was due to be answered */
		e->lookup->endpoint = NULL;
		e->lookup = NULL;
		lookup_failed(e, "the resolver does not answer");
		return;
	}
	if (endpoint_address(&e->url, &at, &len)) {
		refresh_found(&e->refresh, now_ns);
		if (e->url.scheme != ENDPOINT_UNIX)
			take_addresses(e, &at, 1);
		else if (!e->upstream->health)
			e->state.checked_ns = now_ns, record_publish(e);
		return;
	}
	e->refresh.due_ns = now_ns + LOOKUP_NS;
	struct watch_call *q = e->lookup = inquire(e);
	w->resolve(w->with, e->host, e->url.port, on_found, q);
}

/* ---- health ---- */

static void become(struct watched *e, enum health_state health, const char *why)
{
	if (e->state.health == (uint32_t)health)
		return;
	if (health == HEALTH_DOWN)
		log_warn("upstream %.*s: endpoint %.*s is unhealthy (%s)", SLICE(e->upstream->id), SLICE(e->text),
		         why);
	else if (e->state.health == HEALTH_DOWN)
		log_info("upstream %.*s: endpoint %.*s is healthy again", SLICE(e->upstream->id), SLICE(e->text));
	e->state.health = (uint32_t)health;
	metrics_set(e->series, health != HEALTH_DOWN);
}

/* One success makes an endpoint of which nothing is known healthy; otherwise rise and fall decide. */
static void judge(struct watched *e, int status, const char *failure)
{
	const struct config_health *h = e->upstream->health;
	bool good = status >= 200 && status <= 399;
	char said[64];
	struct text t = TEXT(said);

	e->passed = good ? e->passed + 1 : 0;
	e->failed = good ? 0 : e->failed + 1;
	text_printf(&t, "status %d", status);
	check(text_end(&t));
	if (good && (e->passed >= h->rise || e->state.health == HEALTH_UNKNOWN))
		become(e, HEALTH_UP, "");
	else if (!good && e->failed >= h->fall)
		become(e, HEALTH_DOWN, status ? said : failure ? failure : "no answer");
	e->state.checked_ns = watched_now(e);
	e->probe_due_ns = e->state.checked_ns + random_jitter(h->interval, 10);
	record_publish(e);
}

static void on_probed(void *for_whom, int status, const char *failure)
{
	struct watch_call *q = for_whom;
	struct watched *e = q->endpoint;

	free(q);
	if (!e)
		return;
	e->probe = NULL;
	judge(e, status, failure);
}

static void probe(struct watched *e, uint64_t now_ns)
{
	const struct config_upstream *u = e->upstream;
	struct forward_env *w = &e->keeper->env;

	if (e->probe) {
		e->probe->endpoint = NULL;
		e->probe = NULL;
		judge(e, 0, "the check was not answered in time");
		return;
	}
	e->probe_due_ns = now_ns + u->health->timeout + SLACK_NS;
	struct watch_call *q = e->probe = inquire(e);
	w->probe(w->with, e->probe_url, e->socket[0] ? e->socket : NULL, u->health->host.at, &u->tls,
	         u->health->timeout, on_probed, q);
}

/* ---- opening, walking, closing ---- */

static void name_things(struct watched *e)
{
	struct text url = TEXT(e->probe_url), host = TEXT(e->host), path = TEXT(e->socket);
	struct slice base = e->url.scheme == ENDPOINT_UNIX ? S("http://localhost") : e->text;

	text_add(&host, e->url.host);
	text_add(&path, e->url.path);
	check(text_end(&host) && text_end(&path));
	if (!e->upstream->health)
		return;
	base.len -= slice_ends(base, S("/"));
	text_add(&url, base);
	if (!slice_starts(e->upstream->health->path, S("/")))
		text_char(&url, '/');
	text_add(&url, e->upstream->health->path);
	if (!text_end(&url)) {
		log_warn("upstream %.*s: the URL of the health check is too long; %.*s is not checked",
		         SLICE(e->upstream->id), SLICE(e->text));
		e->probe_due_ns = UINT64_MAX;
	}
}

static void watch(struct watched *e, const struct config *c, uint64_t now_ns)
{
	struct slice no = { 0 };
	uint64_t spread;

	check(endpoint_parse(e->text, &e->url)); /* config/ has checked it */
	record_open(e, c, now_ns);
	e->series = metrics_series(METRIC_endpoint_healthy, e->upstream->id, e->text, no, no);
	e->probe_due_ns = e->refresh.due_ns = e->dial_due_ns = UINT64_MAX;
	if (!e->upstream->health)
		e->state.health = HEALTH_UNKNOWN;
	metrics_set(e->series, e->state.health != HEALTH_DOWN);
	if (e->record == RECORDS)
		return;
	record_publish(e);
	e->refresh.due_ns = now_ns;
	if (e->upstream->health) { /* soon, and not all in one moment */
		spread = e->upstream->health->interval < NS_PER_S ? e->upstream->health->interval : NS_PER_S;
		e->probe_due_ns = now_ns + random_u64() % (spread + 1);
	}
	name_things(e);
	if (e->url.literal || e->url.scheme == ENDPOINT_UNIX)
		look_up(e, now_ns);
}

struct forward_keeper *forward_keeper_open(const struct config *c, struct forward_published *p,
                                           struct forward_env w)
{
	struct forward_keeper *k = calloc(1, sizeof *k);
	size_t len = 0;

	for (size_t u = 0; u < c->root.upstreams_len; u++)
		len += c->root.upstreams[u].endpoints.len;
	check(k && (k->watched = calloc(len + 1, sizeof *k->watched)));
	k->published = p;
	k->upstreams = c->root.upstreams;
	k->upstreams_len = c->root.upstreams_len;
	k->env = w;
	for (size_t u = 0; u < c->root.upstreams_len; u++)
		for (size_t i = 0; i < c->root.upstreams[u].endpoints.len; i++) {
			struct watched *e = &k->watched[k->len++];
			e->keeper = k;
			e->upstream = &c->root.upstreams[u];
			e->text = e->upstream->endpoints.at[i];
			watch(e, c, w.now_ns(w.with));
		}
	return k;
}

void forward_keeper_close(struct forward_keeper *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->len; i++) {
		if (k->watched[i].probe)
			k->watched[i].probe->endpoint = NULL;
		if (k->watched[i].lookup)
			k->watched[i].lookup->endpoint = NULL;
		if (k->watched[i].dial)
			k->watched[i].dial->endpoint = NULL;
		metrics_set(k->watched[i].series, 0);
	}
	free(k->watched);
	free(k);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t forward_keeper_tick(struct forward_keeper *k)
{
	uint64_t now_ns = k->env.now_ns(k->env.with), next = UINT64_MAX;

	for (size_t i = 0; i < k->len; i++) {
		struct watched *e = &k->watched[i];
		if (e->refresh.due_ns <= now_ns)
			look_up(e, now_ns);
		if (e->probe_due_ns <= now_ns)
			probe(e, now_ns);
		if (e->dial_due_ns <= now_ns)
			dial_endpoint(e, now_ns);
		next = sooner(next, sooner(e->dial_due_ns, sooner(e->refresh.due_ns, e->probe_due_ns)));
	}
	return next;
}
