/* shares.h -- who holds how much of what this process has. Private to journey/.
 *
 * A client is an IPv4 /24 or an IPv6 /64: that of the connection (of its PROXY header), or of the request
 * where the connection is a trusted proxy's. It may have http.client_share of each total; that binds while
 * more than half of the total is in use. There is an entry for each client that holds anything, from one
 * piece of memory with room for all that can: no client is forgotten, and none finds the table full. */
#pragma once
#include "base/list.h"
#include "base/siphash.h"
#include <netinet/in.h>

struct config;

enum held_kind { PLACE_CONNECTION, PLACE_HANDSHAKE, PLACE_REQUEST, PLACE_TUNNEL, PLACES };

/* Connections that may give way, in the order in which they do. */
enum waits_as { WAITS_HANDSHAKE, WAITS_UNPROVEN, WAITS_PROVEN, WAITINGS };

struct sharer {
	struct in6_addr net;
	struct sharer *next;           /* in its bucket, or among the free */
	struct list level;             /* among those with as many connections, longest first */
	struct list waiting[WAITINGS]; /* of struct guest.waiting_link, longest first */
	uint32_t held[PLACES];
};

struct shares {
	struct siphash_key key;
	struct sharer **bucket, *all, *free;
	size_t buckets;      /* a power of two */
	size_t begun, cap;   /* entries that were ever used, of those there are */
	struct list *levels; /* by connections held; a zeroed one is empty */
	size_t most, top;    /* the highest that is not empty; the highest there is */
	size_t total[PLACES], share[PLACES];
	size_t telling;           /* requests in flight that are told that their client has its share */
	uint64_t said_ns[PLACES]; /* the operator was last told of a client that has its share */
};

/* connections: how many there may be. */
void shares_open(struct shares *s, const struct config *c, size_t connections);
void shares_close(struct shares *s);

/* The address's client; NULL: there is no memory for it, which only a fault of ours brings about. */
struct sharer *shares_find(struct shares *s, const struct in6_addr *address);
void shares_take(struct shares *s, struct sharer *h, enum held_kind what);
/* The client is forgotten with the last thing that it holds. */
void shares_drop(struct shares *s, struct sharer *h, enum held_kind what);
/* Does it have its share, while `used` of the total are in use? Nobody gives way for a request or a tunnel:
 * the last of those places, as many as a share, are not for those who have as many as are left. */
bool shares_reached(const struct shares *s, const struct sharer *h, enum held_kind what, size_t used);
/* It is told to the operator, every 10 s at most. */
void shares_say(struct shares *s, const struct sharer *h, enum held_kind what, uint64_t now_ns);
/* Those who hold `level` connections, longest first; NULL: nobody. */
struct list *shares_level(struct shares *s, size_t level);
