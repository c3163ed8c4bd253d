/* balance.c -- which endpoint gets a request: power of two choices on in-flight and latency, among the
 * eligible. Where fewer than half are eligible, all are: an upstream is never ejected whole. */
#include "forward/inside.h"
#include "base/log.h"
#include "base/random.h"
#include "metrics/metrics.h"

#define LATENCY_FLOOR_NS (100 * NS_PER_US)

/* What the keeper says; an old word is no word. */
static bool is_down(const struct endpoint *e)
{
	const struct forward *f = e->upstream->forward;
	const struct config_health *h = e->upstream->config->health;
	struct endpoint_state s;

	if (!h || e->published >= f->published->len)
		return false;
	endpoint_read(f->published, e->published, &s);
	return s.health == HEALTH_DOWN && f->loop->now_ns - s.checked_ns < 3 * (h->interval + h->timeout);
}

bool endpoint_is_eligible(const struct endpoint *e)
{
	return e->ejected_until_ns <= e->upstream->forward->loop->now_ns && !is_down(e);
}

/* Expected wait; an endpoint that came back takes its share slowly. */
static double load_of(const struct endpoint *e)
{
	uint64_t now = e->upstream->forward->loop->now_ns, slow = e->upstream->config->slow_start;
	uint64_t latency = e->latency_ns > LATENCY_FLOOR_NS ? e->latency_ns : LATENCY_FLOOR_NS;
	double load = (double)(e->in_flight + 1) * (double)latency;
	uint64_t since = now - e->returned_ns;

	if (e->returned_ns && since < slow)
		load *= (double)slow / (double)(since + slow / 20 + 1);
	return load;
}

static struct endpoint *nth(struct upstream *u, size_t n, bool any, const struct endpoint *avoid)
{
	for (size_t i = 0; i < u->endpoints_len; i++) {
		struct endpoint *e = &u->endpoints[i];
		if (e != avoid && (any || e->eligible) && n-- == 0)
			return e;
	}
	return NULL;
}

static bool has_room(const struct endpoint *e)
{
	return e->idle_len > 0 || e->open_len < e->upstream->config->connections_max;
}

/* The one chosen or, where its connections are used up, another that has some left. */
static struct endpoint *or_with_room(struct endpoint *chosen, const struct endpoint *avoid)
{
	struct upstream *u = chosen->upstream;

	for (size_t i = 0; !has_room(chosen) && i < u->endpoints_len; i++) {
		struct endpoint *e = &u->endpoints[i];
		if (e != avoid && e->eligible && has_room(e))
			return e;
	}
	return chosen;
}

struct endpoint *balance_choose(struct upstream *u, const struct endpoint *avoid)
{
	size_t eligible = 0, candidates = 0;

	if (u->endpoints_len == 1)
		return u->endpoints;
	/* asked once: the keeper may say another thing at any time */
	for (size_t i = 0; i < u->endpoints_len; i++) {
		struct endpoint *e = &u->endpoints[i];
		e->eligible = endpoint_is_eligible(e);
		eligible += e->eligible;
		candidates += e->eligible && e != avoid;
	}
	bool panic = eligible * 2 < u->endpoints_len || candidates == 0;
	if (panic)
		candidates = u->endpoints_len - (avoid != NULL);
	uint64_t random = random_u64();
	struct endpoint *a = nth(u, (size_t)(random & 0xffffffff) % candidates, panic, avoid);
	struct endpoint *b = nth(u, (size_t)(random >> 32) % candidates, panic, avoid);
	return or_with_room(load_of(b) < load_of(a) ? b : a, avoid);
}

void balance_failed(struct endpoint *e)
{
	struct upstream *u = e->upstream;
	uint64_t now = u->forward->loop->now_ns;

	if (++e->failures < u->config->eject_failures || e->ejected_until_ns > now)
		return;
	unsigned doublings = e->ejections < 4 ? e->ejections : 4;
	e->failures = 0;
	e->ejections++;
	e->ejected_until_ns = now + (u->config->eject_for << doublings);
	e->returned_ns = e->ejected_until_ns;
	metrics_add(u->series_ejected, 1);
	log_warn("upstream %.*s: endpoint %.*s is ejected for %u s after %u failures in a row",
	         SLICE(u->config->id), SLICE(e->text), (unsigned)((u->config->eject_for << doublings) / NS_PER_S),
	         (unsigned)u->config->eject_failures);
}

static void learn(struct endpoint *e, uint64_t took_ns)
{
	e->latency_ns = e->latency_ns ? e->latency_ns - e->latency_ns / 8 + took_ns / 8 : took_ns;
}

void balance_waited(struct endpoint *e, uint64_t waited_ns)
{
	if (waited_ns > e->latency_ns)
		learn(e, waited_ns);
}

void balance_answered(struct endpoint *e, uint64_t took_ns)
{
	e->failures = 0;
	if (e->ejected_until_ns <= e->upstream->forward->loop->now_ns)
		e->ejections = 0;
	learn(e, took_ns);
	metrics_observe(e->upstream->series_seconds, took_ns);
}

bool endpoint_next_address(struct endpoint *e, struct sockaddr_storage *to, socklen_t *len)
{
	const struct forward_published *p = e->upstream->forward->published;
	struct endpoint_state s;

	if (endpoint_address(&e->url, to, len))
		return true;
	if (e->published >= p->len)
		return false;
	endpoint_read(p, e->published, &s);
	if (s.addresses_len == 0)
		return false;
	*to = s.addresses[e->next_address++ % s.addresses_len];
	*len = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	return true;
}
