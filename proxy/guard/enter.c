/* enter.c -- the station: whose answer is it, what does it mean, and is it held? */
#include "guard/inside.h"
#include "base/check.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include <arpa/inet.h>
#include <stdlib.h>

enum absence_outcome { HELD, DELIVERED, ATTESTED, FOREIGN, UNREAD, OUTCOMES };

struct guarded { /* a route of the configuration */
	const struct config_route *route;
	struct guard_route *shared;
	struct guard_route own; /* where the table has no place for it */
	uint32_t series[OUTCOMES];
};

struct guard {
	const struct config *config;
	struct guard_table *table;
	struct siphash_key key;
	struct guard_teller teller;
	struct guarded *routes; /* by the route's index in the configuration; route NULL: not guarded */
};

static void open_route(struct guard *g, struct guarded *at, const struct config_route *route)
{
	static const char *const words[OUTCOMES] = { "held", "delivered", "attested", "foreign", "unread" };

	at->route = route;
	at->shared = route_find(g->table, siphash(g->key, route->name) | 1, true);
	if (!at->shared)
		at->shared = &at->own;
	for (int i = 0; i < OUTCOMES; i++)
		at->series[i] =
		    metrics_series(METRIC_guard_absences_total, route->name, slice_of(words[i]), S(""), S(""));
}

struct guard *guard_open(const struct config *c, struct guard_table *t, struct siphash_key key,
                         struct guard_teller teller)
{
	struct guard *g = calloc(1, sizeof *g);
	size_t len = c->root.routes_len;

	check(g);
	*g = (struct guard){ c, t, key, teller, aligned_alloc(64, (len + 1) * sizeof *g->routes) };
	check(g->routes);
	memset(g->routes, 0, (len + 1) * sizeof *g->routes);
	for (size_t i = 0; i < len; i++)
		if (c->root.routes[i].reconcile)
			open_route(g, &g->routes[i], &c->root.routes[i]);
	return g;
}

void guard_close(struct guard *g)
{
	if (g)
		free(g->routes);
	free(g);
}

static struct guarded *guarded_of(const struct guard *g, const struct request *r)
{
	return &g->routes[r->route - g->config->root.routes];
}

/* ---- who asks, and what for ---- */

#define KEY_MAX 2048 /* bytes of one hash's input */
#define PART_MAX 256 /* bytes; what is longer counts by its beginning and its length */

static void add(struct text *t, struct slice part)
{
	text_add(t, (struct slice){ (const char *)&part.len, sizeof part.len });
	text_add(t, slice_head(part, PART_MAX));
}

static void add_who(struct text *t, const struct request *r)
{
	const struct identity *i = &r->identity;
	struct in6_addr net = r->address;

	if (i->verdict == VERDICT_VALID) {
		add(t, i->issuer);
		add(t, i->tenant);
		add(t, i->client);
		add(t, i->subject);
	} else if (r->client_facts->thumbprint.len) {
		add(t, r->client_facts->thumbprint);
	} else {
		if (!IN6_IS_ADDR_V4MAPPED(&net))
			memset(&net.s6_addr[8], 0, 8);
		add(t, (struct slice){ (const char *)&net, sizeof net });
	}
}

/* The path or the query: whole, whatever its length. */
static void add_long(struct text *t, const struct guard *g, struct slice part)
{
	uint64_t hash;

	if (part.len <= PART_MAX) {
		add(t, part);
		return;
	}
	hash = siphash(g->key, part);
	add(t, (struct slice){ (const char *)&hash, sizeof hash });
}

static void matter_of(const struct guard *g, const struct request *r, uint64_t wall_s, struct matter *m)
{
	char room[KEY_MAX];
	struct text t = TEXT(room);

	add_who(&t, r);
	m->principal = siphash(g->key, text_slice(&t));
	t.len = 0;
	add(&t, (struct slice){ (const char *)&m->principal, sizeof m->principal });
	add(&t, r->route->name);
	add(&t, r->host);
	add_long(&t, g, r->path);
	add_long(&t, g, r->query);
	check(!t.cut);
	m->tag = siphash(g->key, text_slice(&t)) | 1; /* never 0 */
	m->now = guard_time(wall_s);
}

/* ---- what it means ---- */

/* Of an answer in gRPC without a body, grpc-status stands in its head: 5 is NOT_FOUND. */
static bool is_absence(const struct guard_answer *a)
{
	const struct header *grpc = a->status == 200 ? headers_find_name(a->fields, S("grpc-status")) : NULL;

	return a->status == 404 || a->status == 410 || (grpc && slice_same(grpc->value, S("5")));
}

/* More than one word is none that matches. */
static enum meaning attested(const struct guard *g, const struct guard_answer *a)
{
	size_t words = 0, right = 0;

	for (uint16_t i = 0; i < a->fields->len; i++) {
		const struct header *h = &a->fields->at[i];
		bool is = slice_same_nocase(h->name, S("sallyport-attest"));
		words += is;
		right += is && slice_same(h->value, g->config->root.environment);
	}
	return words == 0 ? MEANS_ABSENT : words == 1 && right ? MEANS_ATTESTED : MEANS_FOREIGN;
}

static bool is_list(const struct request *r, const struct guard_answer *a)
{
	return r->route->watch_empty && a->status == 200 && slice_same(r->method, S("GET"));
}

static bool is_coded(const struct guard_answer *a)
{
	const struct header *h = headers_find_name(a->fields, S("content-encoding"));

	return h && !slice_same_nocase(h->value, S("identity"));
}

/* A list of nothing is an absence for who had something in it. */
static enum meaning meaning_of_list(const struct guard *g, struct guarded *at, const struct guard_answer *a,
                                    const struct matter *m)
{
	enum holding holds = is_coded(a) && a->whole ? HOLDS_UNREADABLE : body_holds(a->body, a->whole);
	const _Atomic uint64_t *known = key_times(g->table, m->tag, false, m->now);
	struct times t = known ? times_of(atomic_load(known)) : (struct times){ 0 };

	if (holds == HOLDS_UNREADABLE)
		metrics_add(at->series[UNREAD], 1);
	if (holds != HOLDS_NOTHING)
		return holds == HOLDS_SOMETHING ? MEANS_GOOD : MEANS_NOTHING;
	return t.good || t.absent ? attested(g, a) : MEANS_NOTHING;
}

static enum meaning meaning_of(const struct guard *g, struct guarded *at, const struct request *r,
                               const struct guard_answer *a, const struct matter *m)
{
	bool good = (a->status >= 200 && a->status < 300) || a->status == 304;

	if (is_absence(a))
		return attested(g, a);
	if (is_list(r, a))
		return meaning_of_list(g, at, a, m);
	if (!good || headers_find_name(a->fields, S("grpc-status"))) /* another error of gRPC */
		return MEANS_NOTHING;
	return slice_same(r->method, S("DELETE")) ? MEANS_REMOVED : MEANS_GOOD;
}

/* ---- news ---- */

static void copy(char *to, size_t cap, struct slice from)
{
	from = slice_head(from, cap - 1);
	if (from.len)
		memcpy(to, from.at, from.len);
	to[from.len] = '\0';
}

#define COPY(to, from) copy(to, sizeof(to), from)

static bool tell(const struct guard *g, const struct request *r, const struct guard_answer *a,
                 const struct matter *m, const struct finding *f, enum guard_event event)
{
	struct guard_news n = { .key = m->tag,
		                    .principal = m->principal,
		                    .good_s = guard_wall(f->good),
		                    .at_s = guard_wall(m->now),
		                    .event = event,
		                    .status = a->status,
		                    .first = f->first };
	bool v4 = IN6_IS_ADDR_V4MAPPED(&r->address);

	COPY(n.route, r->route->name);
	if (r->identity.verdict == VERDICT_VALID) {
		COPY(n.tenant, r->identity.tenant);
		COPY(n.client, r->identity.client);
		COPY(n.subject, r->identity.subject);
	}
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, &r->address.s6_addr[v4 ? 12 : 0], n.address, sizeof n.address))
		n.address[0] = '\0';
	COPY(n.path, r->path);
	bool told = g->teller.tell && g->teller.tell(g->teller.with, &n);
	if (!told)
		metrics_count(METRIC_guard_news_lost_total);
	return told;
}

static void report(const struct guard *g, struct guarded *at, const struct request *r,
                   const struct guard_answer *a, const struct matter *m, const struct finding *f)
{
	if (f->absent)
		metrics_add(at->series[f->held ? m->means == MEANS_FOREIGN ? FOREIGN : HELD : DELIVERED], 1);
	if (m->means == MEANS_ATTESTED)
		metrics_add(at->series[ATTESTED], 1);
	if (f->tell && tell(g, r, a, m, f, f->event))
		absence_told(g->table, m, f->event);
	if (!f->latched_now)
		return;
	log_error("guard: route %.*s: absences are held from now on: %s. `sallyport guard status` tells more",
	          SLICE(r->route->name),
	          f->cause == CAUSE_FLIPS ? "three keys that were there within the hour are gone"
	                                  : "their share has passed what is usual");
	(void)tell(g, r, a, m, f, GUARD_LATCHED);
}

enum step_result guard_enter(struct guard *g, struct request *r, const struct guard_answer *a,
                             uint64_t wall_s)
{
	struct guarded *at = guarded_of(g, r);
	struct matter m;

	check(at->route);
	matter_of(g, r, wall_s, &m);
	m.means = meaning_of(g, at, r, a, &m);
	struct finding f = absence_judge(g->table, at->shared, &m);
	report(g, at, r, a, &m, &f);
	if (f.absent || m.means == MEANS_ATTESTED) {
		r->absence = f.held ? ABSENCE_HELD : f.absent ? ABSENCE_DELIVERED : ABSENCE_ATTESTED;
		r->absence_status = a->status;
	}
	return f.held ? request_fail(r, FAULT_ABSENCE_HELD) : GO_ON;
}

bool guard_is_latched(const struct guard *g, const struct request *r, uint64_t wall_s)
{
	return latch_of(guarded_of(g, r)->shared, guard_time(wall_s)).on;
}
