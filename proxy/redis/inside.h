/* inside.h -- shards, topology, and the whole. Private to redis/. */
#pragma once
#include "base/text.h"
#include "redis/channel.h"

#define SLOTS 16384
#define SETTLE_NS (300 * NS_PER_MS)
#define GOOD_IN_A_ROW 3
#define BAD_IN_A_ROW 3
#define WHYS_MAX 10 /* reasons why a breaker opens: enum channel_end, "error", "slow" */

/* ---- the other's clock ---- */
struct other_clock {
	int64_t offset_ns;              /* theirs - ours */
	uint64_t error_ns, measured_ns; /* 0: never measured */
	unsigned samples;
};
/* A TIME was sent at from_ns and answered at to_ns. */
void other_clock_take(struct other_clock *c, uint64_t theirs_ns, uint64_t from_ns, uint64_t to_ns);
uint64_t other_clock_error(const struct other_clock *c, uint64_t now_ns);
/* The two elements of a TIME reply; 0: it is none. */
uint64_t other_clock_parse(const struct redis_value *v);

/* ---- shards: a master, its channel, its breaker ---- */
struct shard {
	struct redis *redis;
	struct channel channel;
	bool used, fresh;     /* fresh: nothing was decided without it yet */
	bool probing, timing; /* an answer is awaited */
	enum redis_state state;
	unsigned good, bad; /* in a row */
	unsigned far;       /* probes in a row that were answered, but too late */
	uint64_t bad_turn;
	uint64_t probe_ns, settle_ns, time_ns; /* when next */
	uint64_t resume_ns;         /* its channel was reset and has to be back by then; 0: it was not */
	bool refuses_writes;        /* the last error said so: only a write tells whether it still does */
	uint64_t told_ns;           /* when the log last heard of it */
	const char *told[WHYS_MAX]; /* reasons that it heard of since it was last used, the latest last */
	unsigned told_len;
	uint32_t slots; /* of the cluster, that it serves */
	struct other_clock clock;
	char run[48]; /* run id of the server; empty: not known */
	char name[HOST_MAX + 8];
	uint32_t series_up, series_down;
};
void shard_open(struct shard *s, const struct redis_node *n, bool fresh);
void shard_close(struct shard *s);
/* Another server is the master now. */
void shard_move(struct shard *s, const struct redis_node *n);
void shard_sweep(struct shard *s);
uint64_t shard_due_ns(const struct shard *s);
/* Its channel has greeted. */
void shard_greeted(struct shard *s);
/* Its channel was reset and is made anew: the breaker stays closed if that is done within the budget. */
void shard_resume(struct shard *s);
/* Its channel was dropped. */
void shard_lost(struct shard *s, enum channel_end why);
/* The breaker opens. why: a metric's word. */
void shard_fail(struct shard *s, const char *why, struct slice detail);
/* It answered a write with an error that says it takes none: OOM, READONLY, MISCONF, NOREPLICAS. */
bool error_is_of_writes(struct slice error);
/* Something asked in that turn was, or is already, over the budget. */
void shard_was_late(struct shard *s, uint64_t turn);
void shard_was_good(struct shard *s);

/* ---- topology ---- */
void topology_open(struct redis *r);
void topology_sweep(struct redis *r);
uint64_t topology_due_ns(const struct redis *r);
/* Something moved: look soon. */
void topology_doubt(struct redis *r);
/* The guide was dropped: the next server is asked. */
void topology_lost(struct redis *r);
/* cluster.c */
void cluster_ask(struct redis *r, struct channel *l);
/* Lets masters without slots go. */
void cluster_release(struct redis *r);
/* The shard of a node, made where there is none; NULL: there are too many. */
struct shard *cluster_shard(struct redis *r, const struct redis_node *n, bool fresh);
void cluster_assign(struct redis *r, uint16_t slot, struct shard *s);
/* "MOVED 1234 host:port", "ASK 1234 host:port" */
struct redirect {
	bool ask;
	uint16_t slot;
	struct redis_node node;
};
bool redirect_parse(const struct channel *from, struct slice error, struct redirect *to);

struct redis {
	struct redis_env env;
	const struct config_redis *config;
	uint64_t budget_ns;
	struct loop *loop;
	struct tls_client *tls;
	struct redis_node servers[REDIS_SERVERS_MAX];
	size_t servers_len, server; /* the one that guides */
	struct shard shards[REDIS_SHARDS_MAX];
	unsigned shards_len;  /* no used one is behind it */
	uint8_t slots[SLOTS]; /* number of the shard; REDIS_SHARDS_MAX: none */
	struct channel guide;
	bool guided;             /* an answer about the topology is awaited ... */
	struct channel *guiding; /* ... from this node of the cluster */
	bool loose;              /* masters may have lost their last slot */
	uint64_t guide_ns;       /* it is asked for next */
	struct query *asks[ASKS_MAX];
	uint32_t asks_len, asks_alive;
	struct list asks_idle, asks_age;
	struct text keyspace;
	char keyspace_bytes[160], name[64];
	uint64_t turn_ns, busy_ns; /* when the last turn began, and how long it took */
	uint64_t name_told_ns;
	uint32_t series_seconds, series_clock, series_refused_down, series_refused_full;
	char out[64 * 1024]; /* one write */
};

static inline unsigned shard_number(const struct shard *s)
{
	return (unsigned)(s - s->redis->shards);
}

/* Tells the owner. */
void redis_report(struct shard *s, enum redis_event what);
