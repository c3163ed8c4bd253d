/* journey.h -- a worker's data plane: the life of connections (arrival.c) and of requests (journey.c).
 * The only room that knows every other. process/ gives it sockets and shared memory, tests give it socket
 * pairs. */
#pragma once
#include "forward/forward.h"
#include "guard/guard.h"
#include "limit/limit.h"
#include "login/login.h"
#include "redis/redis.h"
#include "verify/verify.h"

struct journey_env {
	const struct config *config;
	struct bundle *bundle;
	struct loop *loop;
	struct buckets *limits;
	const struct limit_resets *resets; /* keys that begin again; may be NULL */
	struct limit_hot *hot;             /* this worker's busiest keys; may be NULL */
	struct exchanges *exchanges;
	struct logins *logins;
	struct guard_table *guard; /* NULL: nothing is guarded */
	struct siphash_key guard_key;
	struct guard_teller guard_teller;
	const struct published_issuers *keys;
	const struct forward_published *endpoints;
	const struct ticket_keys *tickets;
	struct redis *redis; /* NULL: none; its owner sweeps it before each turn and flushes it after */
	const struct redis_fleet *fleet; /* where there is a Redis */
	struct verify_ask ask;
	struct forward_news news;
	/* An access log line with its newline; never blocks. valued: it reached an upstream or carries an
	 * identity, and is not to be lost to a stranger's flood. */
	void (*log)(void *with, struct slice line, bool valued);
	void *log_with;
	/* Whether a new connection of this address is to be closed at once (crash suspects). May be NULL. */
	bool (*is_barred)(void *with, const struct in6_addr *address);
	/* Told whose bytes are worked on from now on, so that a crash can name its suspect; NULL: nobody's. May
	 * be NULL itself. */
	void (*suspect)(void *with, const struct in6_addr *address);
	void *barred_with;
	/* How many this process may have. Clients get seven eighths of them at most, so that upstreams can still
	 * be asked. 0: no matter. */
	uint64_t descriptors;
};

struct journey;
/* NULL: *errors says why (certificates, rules, CA files). */
struct journey *journey_open(const struct journey_env *w, struct config_errors *errors);
void journey_close(struct journey *j);

/* A connection on the i-th listener of the configuration; takes fd over. */
void journey_accept(struct journey *j, size_t listener, int fd, const struct sockaddr_storage *peer);
/* The owner of the loop calls it once per turn, after delivery. */
void journey_turn(struct journey *j);
bool journey_is_idle(const struct journey *j);
/* Polite end: requests in hand are finished, idle connections closed, tunnels ended with jitter. */
void journey_drain(struct journey *j);
bool journey_is_drained(const struct journey *j);
/* What is left is cut. */
void journey_kill(struct journey *j);
