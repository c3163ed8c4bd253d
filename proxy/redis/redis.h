/* redis.h -- Redis for all who need it: connections, topology (one server, Sentinel, Cluster), one write
 * per turn, and a breaker by our own clock.
 *
 * Who asks gives a key's slot, commands and two callbacks. What is asked in a turn is queued per
 * connection and leaves in one write at redis_flush; replies arrive within loop_turn. Callbacks only
 * deliver: they may set flags and wake requests, and must not call back into this room. Nothing here ever
 * blocks, or waits for a reply longer than REDIS_SILENCE_NS; what is in flight and what is queued is
 * bounded, and where there is no room for a question it is refused at once.
 *
 * A shard is a master and what is known of it: breaker, clock, connection. One server and Sentinel are one
 * shard, 0. A shard keeps its number while it lives; a slot may move to another. The breaker opens on
 * refusal, an error of the server (READONLY, LOADING, OOM, CLUSTERDOWN ...) or three turns in a row whose
 * replies are over the owner's budget. A connection that is reset is made again at once, and what is asked
 * meanwhile waits for it; the breaker opens where it is not there within the budget, or where one is reset
 * within 50 ms of its greeting. While it is open a jittered PING goes out each 100 ms (a write,
 * where a write was refused: OOM, READONLY, MISCONF, NOREPLICAS); three answers in a row within the budget:
 * REDIS_SETTLE, 300 ms later REDIS_SETTLE once more, then REDIS_CLOSED. MOVED and ASK are followed here.
 * WRONGTYPE is the key's own error and leaves the breaker closed. */
#pragma once
#include "config/config.h"
#include "connection/connection.h"
#include "redis/asking.h"
#include "redis/keeper.h"

#define REDIS_SHARDS_MAX 128
#define REDIS_COMMANDS_MAX 4            /* of one ask */
#define REDIS_SILENCE_NS (1 * NS_PER_S) /* a connection that owes a reply this long is dropped */

struct redis;

/* ---- what it tells its owner ---- */
enum redis_event {
	REDIS_OPENED,   /* the breaker opened: decide locally */
	REDIS_SETTLE,   /* it answers again: tell it what was decided meanwhile, by asks with settling set */
	REDIS_CLOSED,   /* usable again */
	REDIS_REPLACED, /* another server, or another run of it, speaks for this shard: state may be lost */
};

struct redis_env {
	const struct config *config;
	struct bundle *bundle;
	struct loop *loop;
	const struct redis_names *names;
	void (*on_event)(void *with, unsigned shard, enum redis_event what); /* may be NULL */
	/* A name that is not published is needed: whoever may look it up does. NULL: nobody. */
	void (*want_name)(void *with, const char *host);
	/* A non-blocking socket that connects; -1: refused. NULL: a real one (a test gives its own). */
	int (*dial)(void *with, const struct sockaddr_storage *to, socklen_t len);
	void *with;         /* of all three */
	struct slice name;  /* for CLIENT SETNAME: "worker-0" */
	bool is_keeper;     /* it is redis.keeper where there is one */
	uint64_t budget_ns; /* how long its answers may take; 0: redis.budget */
};

/* NULL where the configuration has no redis:, and errors->count is 0; NULL with complaints where its TLS
 * files do not fit. Connects from the first turn on. Everything in w but `name` must outlive it. */
struct redis *redis_open(const struct redis_env *w, struct config_errors *errors);
/* What is still asked ends without a call. */
void redis_close(struct redis *r);

/* ---- its part in the turn ---- */
/* At the beginning of the owner's turn: time that ran out is delivered, probes go out, connections are
 * begun. */
void redis_sweep(struct redis *r);
/* At its end: all that was asked leaves, one write per connection. */
void redis_flush(struct redis *r);
/* The loop may sleep until then: ns monotonic. */
uint64_t redis_due_ns(const struct redis *r);

/* ---- questions without a system call ---- */
/* What every key begins with, "KEYSPACE:ENVIRONMENT:"; lives as long as r. */
struct slice redis_keyspace(const struct redis *r);
/* The hash slot of a key, by its {tag} where it has one (Redis Cluster specification). For any mode. */
uint16_t redis_slot(struct slice key);
/* Which shard speaks for the slot now; REDIS_SHARDS_MAX where none does. */
unsigned redis_shard(const struct redis *r, uint16_t slot);
enum redis_state { REDIS_DOWN, REDIS_SETTLING, REDIS_UP };
enum redis_state redis_state(const struct redis *r, uint16_t slot);
static inline bool redis_is_usable(const struct redis *r, uint16_t slot)
{
	return redis_state(r, slot) == REDIS_UP;
}
/* The moment now_ns (monotonic) on the clock of the slot's shard: ns since 1970, off by *error_ns at most.
 * Goes on while the shard is down. 0: that clock was never read. */
uint64_t redis_stamp(const struct redis *r, uint16_t slot, uint64_t now_ns, uint64_t *error_ns);

/* For status: "mode":...,"servers":[...], of masters the state of this process's breaker, why it is open, and
 * how many of the machine's processes use the server or do not. */
struct text;
void redis_describe(const struct redis *r, struct text *t);
