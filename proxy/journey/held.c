/* held.c -- requests in flight and clients' shares of them: taken with the place itself where the connection
 * says whose it is, else as soon as the request has said so. Those that last are told of once. */
#include "journey/inside.h"
#include "base/log.h"

#define LONG_NS (10 * NS_PER_S)
#define TOLD_A_SECOND 20 /* lines about requests that last */

/* One that is over its share is told so by an answer of its own, with a line in the log; but it takes a place
 * for that, so only few at a time are, and none takes one of the last. The others are refused without one. */
static bool may_be_told(const struct shares *s, size_t used)
{
	size_t few = s->share[PLACE_REQUEST];

	return s->telling < few && used + few < s->total[PLACE_REQUEST];
}

bool held_on_take(void *with, struct request *r, size_t used, size_t most)
{
	struct journey *j = with;
	struct sharer *h = r->client_facts->sharer;

	if (!h)
		return true;
	if (used > most / 2 && !share_admits(j, h, PLACE_REQUEST, used - 1)) {
		if (!may_be_told(&j->shares, used))
			return false;
		r->over_share = true;
		j->shares.telling++;
	}
	r->sharer = h;
	shares_take(&j->shares, h, PLACE_REQUEST);
	return true;
}

void held_on_give(void *with, struct request *r)
{
	struct journey *j = with;

	j->shares.telling -= r->over_share;
	if (r->sharer)
		shares_drop(&j->shares, r->sharer, r->tunnel ? PLACE_TUNNEL : PLACE_REQUEST);
}

void held_on_tunnel(void *with, struct request *r)
{
	struct journey *j = with;

	if (!r->sharer)
		return;
	shares_take(&j->shares, r->sharer, PLACE_TUNNEL);
	shares_drop(&j->shares, r->sharer, PLACE_REQUEST);
}

/* Who is behind a trusted proxy is known now. A proxy that names nobody stands for nobody. */
static bool takes_late(struct journey *j, struct request *r)
{
	struct sharer *h = share_of(j, &r->address);

	if (!h)
		return true;
	if (!share_admits(j, h, PLACE_REQUEST, http_requests_used(&j->http) - 1))
		return false;
	r->sharer = h;
	shares_take(&j->shares, h, PLACE_REQUEST);
	return true;
}

bool held_admits(struct request *r)
{
	struct journey *j = r->journey;

	return !r->over_share && (r->client_facts->sharer || takes_late(j, r));
}

bool held_may_tunnel(const struct request *r)
{
	struct journey *j = r->journey;

	return share_admits(j, r->sharer, PLACE_TUNNEL, forward_tunnels(j->forward));
}

/* ---- requests that last ---- */

static void tell(const struct request *r, uint64_t now_ns)
{
	char address[46];
	struct slice path = r->path.len ? r->path : S("-"), method = slice_head(r->method, 16);
	bool named = !IN6_IS_ADDR_UNSPECIFIED(&r->address); /* ROUTE has found it */
	struct slice client = address_text(named ? &r->address : &r->client_facts->peer, address);

	path = slice_head(path, 128);
	unsigned for_s = (unsigned)((now_ns - r->marks_ns[MARK_BEGAN]) / NS_PER_S);
	log_info("a request is held for %u s now: %.*s %.*s of %.*s, route %.*s, upstream %.*s, id %s", for_s,
	         SLICE(method), SLICE(path), SLICE(client), SLICE(r->route ? r->route->name : S("-")),
	         SLICE(r->upstream.len ? r->upstream : S("-")), r->id);
}

void held_tick(struct journey *j)
{
	uint64_t now_ns = j->env.loop->now_ns;
	struct list *node, *first = &j->since;
	size_t told = 0, more = 0;

	while ((node = first->next) != first) {
		struct request *r = list_entry(node, struct request, since_link);
		if (r->marks_ns[MARK_BEGAN] + LONG_NS > now_ns)
			break;
		list_remove(node);
		if (r->tunnel)
			continue;
		if (told < TOLD_A_SECOND)
			told++, tell(r, now_ns);
		else
			more++;
	}
	if (more)
		log_info("%zu more requests are held for over 10 s now", more);
}
