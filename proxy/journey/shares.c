/* shares.c -- the table of clients: entries in chains by a keyed hash of their network, and in lists by how
 * many connections they hold, so that the one with most is found at once. */
#include "journey/inside.h"
#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include <stdlib.h>

#define SPARE 1024 /* entries beyond the bounds: of connections that end in this turn */
#define SAY_NS (10 * NS_PER_S)

static const char *const names[PLACES] = { "connections", "unfinished handshakes", "requests in flight",
	                                       "tunnels" };

static size_t part_of(size_t total, struct fraction f)
{
	size_t share = (size_t)((uint64_t)total * f.part / f.of);

	return share ? share : 1;
}

static void bound(struct shares *s, const struct config_http *o, size_t connections)
{
	s->total[PLACE_CONNECTION] = s->total[PLACE_HANDSHAKE] = connections;
	s->total[PLACE_REQUEST] = (size_t)o->requests_in_flight_max;
	s->total[PLACE_TUNNEL] = (size_t)o->tunnels_max;
	for (size_t i = 0; i < PLACES; i++)
		s->share[i] = part_of(s->total[i], o->client_share);
}

void shares_open(struct shares *s, const struct config *c, size_t connections)
{
	*s = (struct shares){ .key = { random_u64(), random_u64() }, .buckets = 1 };
	bound(s, &c->root.http, connections);
	s->top = connections + SPARE;
	s->cap = s->top + s->total[PLACE_REQUEST] + s->total[PLACE_TUNNEL];
	while (s->buckets < s->cap)
		s->buckets *= 2;
	s->bucket = calloc(s->buckets, sizeof(struct sharer *));
	s->all = calloc(s->cap, sizeof *s->all);
	s->levels = calloc(s->top + 1, sizeof *s->levels);
	check(s->bucket && s->all && s->levels);
}

void shares_close(struct shares *s)
{
	free(s->bucket);
	free(s->all);
	free(s->levels);
}

/* ---- entries ---- */

static struct in6_addr net_of(const struct in6_addr *address)
{
	struct in6_addr net = *address;
	size_t keep = IN6_IS_ADDR_V4MAPPED(address) ? 15 : 8;

	memset(net.s6_addr + keep, 0, sizeof net.s6_addr - keep);
	return net;
}

static struct sharer **bucket_of(struct shares *s, const struct in6_addr *net)
{
	uint64_t hash = siphash(s->key, (struct slice){ (const char *)net, sizeof *net });

	return &s->bucket[hash & (s->buckets - 1)];
}

static struct sharer *fresh(struct shares *s)
{
	struct sharer *h = s->free;

	if (h)
		s->free = h->next;
	else if (s->begun < s->cap)
		h = &s->all[s->begun++];
	return h;
}

struct sharer *shares_find(struct shares *s, const struct in6_addr *address)
{
	struct in6_addr net = net_of(address);
	struct sharer **in = bucket_of(s, &net), *h = *in;

	while (h && !IN6_ARE_ADDR_EQUAL(&h->net, &net))
		h = h->next;
	if (h || !(h = fresh(s)))
		return h;
	*h = (struct sharer){ .net = net, .next = *in };
	list_init(&h->level);
	for (size_t i = 0; i < WAITINGS; i++)
		list_init(&h->waiting[i]);
	*in = h;
	return h;
}

static void forget(struct shares *s, struct sharer *h)
{
	struct sharer **in = bucket_of(s, &h->net);

	while (*in != h)
		in = &(*in)->next;
	*in = h->next;
	h->next = s->free;
	s->free = h;
}

/* ---- levels ---- */

struct list *shares_level(struct shares *s, size_t level)
{
	struct list *l = &s->levels[level];

	return l->next && !list_is_empty(l) ? l : NULL;
}

static void rank(struct shares *s, struct sharer *h)
{
	size_t level = h->held[PLACE_CONNECTION] < s->top ? h->held[PLACE_CONNECTION] : s->top;

	list_remove(&h->level);
	if (level) {
		if (!s->levels[level].next)
			list_init(&s->levels[level]);
		list_push(&s->levels[level], &h->level);
	}
	if (level > s->most)
		s->most = level;
	while (s->most && !shares_level(s, s->most))
		s->most--;
}

/* ---- what they hold ---- */

void shares_take(struct shares *s, struct sharer *h, enum held_kind what)
{
	h->held[what]++;
	if (what == PLACE_CONNECTION)
		rank(s, h);
}

void shares_drop(struct shares *s, struct sharer *h, enum held_kind what)
{
	check(h->held[what] > 0);
	h->held[what]--;
	if (what == PLACE_CONNECTION)
		rank(s, h);
	for (size_t i = 0; i < PLACES; i++)
		if (h->held[i])
			return;
	forget(s, h);
}

bool shares_reached(const struct shares *s, const struct sharer *h, enum held_kind what, size_t used)
{
	size_t total = s->total[what], share = s->share[what], left = total > used ? total - used : 0;
	bool last = left < share && share < total && what != PLACE_CONNECTION && what != PLACE_HANDSHAKE;

	return used > total / 2 && (h->held[what] >= share || (last && h->held[what] && h->held[what] >= left));
}

void shares_say(struct shares *s, const struct sharer *h, enum held_kind what, uint64_t now_ns)
{
	char net[46];
	struct slice text = address_text(&h->net, net);
	int bits = IN6_IS_ADDR_V4MAPPED(&h->net) ? 24 : 64;

	if (s->said_ns[what] && now_ns < s->said_ns[what] + SAY_NS)
		return;
	s->said_ns[what] = now_ns;
	log_warn("client-share: %.*s/%d has %u of at most %zu %s of this process, "
	         "and gets no more while over half of them are in use",
	         SLICE(text), bits, h->held[what], s->total[what], names[what]);
}
