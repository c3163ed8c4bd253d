/* giving_way.c -- connections and clients' shares of them. Where all places are taken, the client that holds
 * most gives one way for the newcomer: of its own first an unfinished handshake, then a connection that never
 * had a verified request, then an idle one, the longest waiting first. One with a request in hand stays. */
#include "journey/inside.h"
#include "metrics/metrics.h"

#define HOLDERS_ASKED 64 /* by one newcomer; where as many cannot, others are not looked for */
#define TRIES 16         /* connections of each and kind that turn out to be busy */

/* NULL: the address stands for several clients, whom each request names. */
struct sharer *share_of(struct journey *j, const struct in6_addr *address)
{
	if (cidrs_have(&j->env.config->root.trusted_proxies, address))
		return NULL;
	return shares_find(&j->shares, address);
}

bool share_admits(struct journey *j, const struct sharer *h, enum held_kind what, size_t used)
{
	if (!h || !shares_reached(&j->shares, h, what, used))
		return true;
	shares_say(&j->shares, h, what, j->env.loop->now_ns);
	return false;
}

void share_waits(struct client_connection *g, enum waits_as as)
{
	list_remove(&g->waiting_link);
	if (g->client_facts.sharer)
		list_push(&g->client_facts.sharer->waiting[as], &g->waiting_link);
}

void share_works(struct client_connection *g)
{
	if (g->busy++ == 0)
		list_remove(&g->waiting_link);
}

void share_rests(struct client_connection *g)
{
	if (--g->busy == 0)
		share_waits(g, g->proven ? WAITS_PROVEN : WAITS_UNPROVEN);
}

/* g is gone where it is true. */
static bool ends(struct client_connection *g)
{
	if (!g->served) {
		arrival_ends(g);
		return true;
	}
	return g->served->give_way(g->served);
}

static bool one_of(struct list *waiting)
{
	for (int i = 0; i < TRIES && !list_is_empty(waiting); i++) {
		struct list *node = waiting->next;
		if (ends(list_entry(node, struct client_connection, waiting_link)))
			return true;
		list_remove(node);
		list_push(waiting, node);
	}
	return false;
}

static bool gives_way(struct sharer *h)
{
	for (int as = 0; as < WAITINGS; as++)
		if (one_of(&h->waiting[as]))
			return true;
	return false;
}

bool share_makes_room(struct journey *j, const struct sharer *newcomer)
{
	size_t least = newcomer ? newcomer->held[PLACE_CONNECTION] : 1, asked = 0;
	struct list *level, *node;

	for (size_t at = j->shares.most; at >= least; at--) {
		level = shares_level(&j->shares, at);
		for (node = level ? level->next : level; node != level; node = node->next) {
			struct sharer *h = list_entry(node, struct sharer, level);
			if (gives_way(h)) {
				arrival_refused("client-share");
				return true;
			}
			if (++asked == HOLDERS_ASKED)
				return false;
		}
	}
	return false;
}
