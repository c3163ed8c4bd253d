/* query.h -- what was asked and is not answered yet: commands as they go out, values as they come in.
 * Private to redis/.
 *
 * Asks are pooled and never freed before the room closes. An ask's commands and values lie in its own
 * room; what does not fit there, which no token bucket needs, in pieces from the heap. What the room
 * itself wants to know is asked by internal asks, whose on_done may act on shards, but must not drop a
 * channel (channel_doom). */
#pragma once
#include "redis/redis.h"
#include <hiredis/hiredis.h>

#define ASKS_MAX 4096               /* alive in one process ... */
#define ASKS_OURS 256               /* ... of which so many are kept for the room itself */
#define REPLY_MAX (4 * 1024 * 1024) /* bytes of one ask's values; a longer answer is a broken server's */
#define ASK_ROOM 1200

struct channel;
struct piece;
struct query {
	struct list place;                            /* in its channel's queue, or among the free */
	struct list age;                              /* among those not yet overdue, oldest first */
	struct channel *channel;                      /* NULL: free */
	uint32_t index, serial;                       /* its ticket */
	uint8_t len;                                  /* commands */
	uint8_t round[REDIS_COMMANDS_MAX], round_len; /* those that are sent now: all, or what was redirected */
	uint8_t got;                                  /* replies to this round */
	uint8_t redirects;
	bool internal, orphaned, overdue, blamed, lenient;
	bool asking, asking_due; /* each command goes behind an ASKING, whose reply comes next */
	uint64_t asked_ns, sent_ns, turn;
	void (*on_overdue)(void *with);
	void (*on_done)(void *with, const struct redis_answer *a);
	void *with;
	struct slice commands[REDIS_COMMANDS_MAX];
	struct redis_value values[REDIS_COMMANDS_MAX];
	size_t used, taken; /* of the room; of room and pieces */
	struct piece *pieces;
	_Alignas(16) char room[ASK_ROOM];
};

/* In no queue yet. NULL: too many are alive, or there is no memory. */
struct query *ask_make(struct redis *r, const struct redis_command *commands, size_t len, bool internal);
/* Zeroed; NULL past REPLY_MAX. */
void *ask_room(struct query *a, size_t len);
/* Tells whoever asked, and frees it. */
void ask_end(struct redis *r, struct query *a, bool lost);
/* The replies to this round are whole: it ends, or goes where it was redirected to. */
void ask_answered(struct redis *r, struct query *a);
/* How long the other took for it, as far as we know. */
uint64_t ask_theirs_ns(const struct redis *r, const struct query *a);
/* Tells those whose budget is over. */
void asks_sweep(struct redis *r);
uint64_t asks_due_ns(const struct redis *r);
void asks_free(struct redis *r);

/* ---- codec.c: hiredis ---- */
/* A reader whose values lie in the first ask of the channel's `sent`. NULL: no memory. */
redisReader *codec_reader(struct channel *l);
/* The command as it goes out, in the ask's room. */
bool codec_format(struct query *a, const struct redis_command *c, struct slice *to);
