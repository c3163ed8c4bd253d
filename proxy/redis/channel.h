/* channel.h -- one connection: to a master, to a sentinel, or to a node of the cluster that tells of the
 * others. Private to redis/.
 *
 * OFF -> CONNECTING (and TLS) -> GREETING (who we are, who they are) -> READY; from anywhere back to OFF,
 * which loses every ask of the channel. It is tried again 100 ms later, for ever. Of a name's addresses one
 * that takes no connection makes way for the next; only when none does, the channel is dropped. */
#pragma once
#include "redis/node.h"
#include "redis/query.h"
#include "tls/tls.h"

#define PROBE_NS (100 * NS_PER_MS)
#define QUEUED_MAX (512 * 1024)    /* bytes that may wait for the next flush */
#define RESUME_NS (50 * NS_PER_MS) /* one that was READY so long and is reset is made again at once */

enum channel_state { CHANNEL_OFF, CHANNEL_CONNECTING, CHANNEL_GREETING, CHANNEL_READY };
enum channel_kind { CHANNEL_MASTER, CHANNEL_SENTINEL, CHANNEL_SEED };
enum channel_end {
	END_REFUSED,
	END_RESET,
	END_SILENT,
	END_TLS,
	END_AUTH,
	END_ROLE,
	END_MALFORMED,
	END_MOVED,
	ENDS
};

struct shard;
struct channel {
	struct redis *redis;
	struct shard *shard; /* of CHANNEL_MASTER */
	enum channel_kind kind;
	enum channel_state state;
	struct redis_node node;
	size_t untried; /* addresses of its name that have not been tried this time */
	struct wire *wire;
	redisReader *reader;
	struct list pending, sent; /* of struct query */
	size_t pending_bytes;
	size_t unread;     /* bytes since the last whole reply */
	uint64_t heard_ns; /* when it last said something, or began to owe something */
	unsigned nudges;   /* words that it was sent since, to bring its answer */
	uint64_t ready_ns; /* since then it is READY */
	uint64_t retry_ns; /* it is not connected to before */
	int doomed;        /* enum channel_end, where it is to be dropped; -1 */
	char error[160];   /* what the other said, for people */
	char run[48];      /* what the greeting found */
};

void channel_init(struct channel *l, struct redis *r, enum channel_kind kind);
/* Connects where it is off and its time has come; drops it where it is silent. */
void channel_sweep(struct channel *l);
uint64_t channel_due_ns(const struct channel *l);
/* It has greeted. */
void channel_ready(struct channel *l);
/* Behind the others, to be sent by channel_flush. */
void channel_queue(struct channel *l, struct query *a);
bool channel_is_full(const struct channel *l);
/* One write of all that is pending, where the channel is ready. */
void channel_flush(struct channel *l);
/* Dropped as soon as nobody holds it; the first reason counts. */
void channel_doom(struct channel *l, enum channel_end why, struct slice error);
void channel_drop(struct channel *l, enum channel_end why);
/* As dropping, but nobody is told. */
void channel_close(struct channel *l);
const char *channel_end_word(enum channel_end why); /* for metrics */

/* An internal ask of one command. False: no memory; it counts as a loss. */
bool channel_ask(struct channel *l, const struct slice *words, size_t len,
                 void (*on_done)(void *with, const struct redis_answer *a), void *with);

/* The same of several commands. */
bool channel_ask_all(struct channel *l, const struct redis_command *commands, size_t len,
                     void (*on_done)(void *with, const struct redis_answer *a), void *with);

/* handshake.c: says who we are and asks who they are; then the channel is READY, or doomed. */
void channel_greet(struct channel *l);
/* The greeting alone may be sent before the channel is ready. */
void channel_send(struct channel *l);
