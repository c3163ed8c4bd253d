/* balance.c -- which endpoint gets a request: power of two choices on in-flight and latency, among the
 * eligible. Where fewer than half are eligible, all are: an upstream is never ejected whole. */
#include "forward/inside.h"
#include "base/log.h"
#include "base/random.h"
#include "metrics/metrics.h"
#include <stdatomic.h>

#define LATENCY_FLOOR_NS (100 * NS_PER_US)
#define REFUSED_NS (5 * NS_PER_S) /* how long "it refuses" is good for: longer than from try to try */

/* What the keeper says; an old word is no word. */
static bool is_down(const struct endpoint *e, const struct endpoint_state *s)
{
	const struct config_health *h = e->upstream->config->health;
	uint64_t now = e->upstream->forward->loop->now_ns;

	return s->health == HEALTH_DOWN && now - s->checked_ns < 3 * (h->interval + h->timeout);
}

static void come_back(struct endpoint *e, uint64_t now)
{
	e->ejected_until_ns = e->returned_ns = now;
	e->refuses = e->refused = false;
}

/* Where health checks are configured, one that it has passed since ends what it serves; else what refused is
 * back as soon as it accepts. It is not asked while it is known to refuse still. */
static bool is_ejected(struct endpoint *e, const struct endpoint_state *s)
{
	const struct upstream *u = e->upstream;
	uint64_t now = u->forward->loop->now_ns, back = u->config->health ? s->checked_ns : s->accepted_ns;
	bool good = u->config->health ? s->health == HEALTH_UP : e->refused;

	if (good && back > e->ejected_ns)
		come_back(e, now);
	bool still = e->refused && !u->config->health && s->refused_ns > s->accepted_ns &&
	             now - s->refused_ns < REFUSED_NS;
	return e->ejected_until_ns > now || still;
}

/* What the keeper says of it; false: nothing yet. Its record may be made long after we opened. */
static bool read_record(struct endpoint *e, struct endpoint_state *to)
{
	const struct forward_published *p = e->upstream->forward->published;
	uint64_t generation = atomic_load(&p->generation) + 1;
	char name[256];

	if (e->published == RECORDS && e->sought != generation) {
		e->sought = generation;
		if (endpoint_name(e->upstream->config->id, e->text, name))
			e->published = endpoint_find(p, name);
	}
	if (e->published == RECORDS)
		return false;
	endpoint_read(p, e->published, to);
	return true;
}

bool endpoint_is_eligible(struct endpoint *e)
{
	const struct forward *f = e->upstream->forward;
	bool checked = e->upstream->config->health, out = e->refused || e->ejected_until_ns > f->loop->now_ns;
	struct endpoint_state s = { 0 };

	if (!checked && !out)
		return true;
	if (!read_record(e, &s))
		return !out || !is_ejected(e, &s);
	return !(out && is_ejected(e, &s)) && !(checked && is_down(e, &s));
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

/* Who may be chosen: the eligible; in panic all; and then last those that refuse. */
enum among { ELIGIBLE, ACCEPTING, ALL };

static bool is_candidate(const struct endpoint *e, enum among among, const uint64_t *tried)
{
	if (is_tried(tried, (size_t)(e - e->upstream->endpoints)))
		return false;
	return among == ALL || (among == ELIGIBLE ? e->eligible : !e->refuses);
}

static size_t candidates(const struct upstream *u, enum among among, const uint64_t *tried)
{
	size_t len = 0;

	for (size_t i = 0; i < u->endpoints_len; i++)
		len += is_candidate(&u->endpoints[i], among, tried);
	return len;
}

static struct endpoint *nth(struct upstream *u, size_t n, enum among among, const uint64_t *tried)
{
	for (size_t i = 0; i < u->endpoints_len; i++) {
		struct endpoint *e = &u->endpoints[i];
		if (is_candidate(e, among, tried) && n-- == 0)
			return e;
	}
	return NULL;
}

static bool has_room(const struct endpoint *e)
{
	return e->idle_len > 0 || e->open_len < e->upstream->config->connections_max;
}

/* The one chosen or, where its connections are used up, another that has some left. */
static struct endpoint *or_with_room(struct endpoint *chosen, const uint64_t *tried)
{
	struct upstream *u = chosen->upstream;

	for (size_t i = 0; !has_room(chosen) && i < u->endpoints_len; i++) {
		struct endpoint *e = &u->endpoints[i];
		if (is_candidate(e, ELIGIBLE, tried) && has_room(e))
			return e;
	}
	return chosen;
}

struct endpoint *balance_choose(struct upstream *u, const uint64_t *tried)
{
	size_t eligible = 0, len;
	enum among among = ELIGIBLE;

	if (u->endpoints_len == 1)
		return is_tried(tried, 0) ? NULL : u->endpoints;
	/* asked once: the keeper may say another thing at any time */
	for (size_t i = 0; i < u->endpoints_len; i++)
		eligible += u->endpoints[i].eligible = endpoint_is_eligible(&u->endpoints[i]);
	if (eligible * 2 < u->endpoints_len)
		among = ACCEPTING;
	while ((len = candidates(u, among, tried)) == 0 && among != ALL)
		among++;
	if (len == 0)
		return NULL;
	uint64_t random = random_u64();
	struct endpoint *a = nth(u, (size_t)(random & 0xffffffff) % len, among, tried);
	struct endpoint *b = nth(u, (size_t)(random >> 32) % len, among, tried);
	return or_with_room(load_of(b) < load_of(a) ? b : a, tried);
}

static void eject(struct endpoint *e, uint64_t now)
{
	struct upstream *u = e->upstream;
	const struct forward_news *news = &u->forward->news;
	unsigned doublings = e->ejections < 4 ? e->ejections : 4;

	e->failures = 0;
	e->ejections++;
	e->ejected_ns = now;
	e->ejected_until_ns = now + (u->config->eject_for << doublings);
	e->returned_ns = e->ejected_until_ns;
	e->refused = e->refuses;
	metrics_add(u->series_ejected, 1);
	log_warn("upstream %.*s: endpoint %.*s is ejected for %u s after %u failures in a row%s",
	         SLICE(u->config->id), SLICE(e->text), (unsigned)((u->config->eject_for << doublings) / NS_PER_S),
	         (unsigned)u->config->eject_failures,
	         e->refused && !u->config->health ? "; it returns as soon as it accepts connections" : "");
	if (e->refused && !u->config->health && news->refused)
		news->refused(news->with, u->config->id, e->text);
}

void balance_failed(struct endpoint *e, bool refused)
{
	uint64_t now = e->upstream->forward->loop->now_ns;

	e->refuses = refused;
	if (++e->failures < e->upstream->config->eject_failures || e->ejected_until_ns > now)
		return;
	eject(e, now);
}

void balance_accepted(struct endpoint *e)
{
	e->refuses = false;
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
	if (e->refused) /* it was asked for want of others */
		come_back(e, e->upstream->forward->loop->now_ns);
	if (e->ejected_until_ns <= e->upstream->forward->loop->now_ns)
		e->ejections = 0;
	learn(e, took_ns);
	metrics_observe(e->upstream->series_seconds, took_ns);
}

bool endpoint_next_address(struct endpoint *e, struct sockaddr_storage *to, socklen_t *len)
{
	struct endpoint_state s;

	if (endpoint_address(&e->url, to, len))
		return true;
	if (!read_record(e, &s) || s.addresses_len == 0)
		return false;
	*to = s.addresses[e->next_address++ % s.addresses_len];
	*len = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	return true;
}
