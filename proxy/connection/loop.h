/* loop.h -- one worker's turn: wait, read the clock, deliver, sweep deadlines, let the owner walk, flush,
 * bury. Part of connection's door. Callbacks of libevent only set flags; everything else happens inside
 * loop_turn. */
#pragma once
#include "base/deadline.h"
#include "base/slice.h"
#include <event2/event.h>
#include <event2/event_struct.h>

#define BLOCK_SIZE 16384              /* bytes of a pooled block */
#define PIECE_SIZE (128 * 1024)       /* most bytes of a body that are moved at once */
#define SCRATCH_SIZE (2 * PIECE_SIZE) /* bytes of each scratch buffer: a piece and its framing, or a head */

struct block {
	struct block *next;
	uint32_t from, to;
	size_t cap; /* bytes: BLOCK_SIZE, or a multiple of it where it has grown */
	char bytes[];
};

struct loop {
	struct event_base *base;
	uint64_t now_ns;  /* read once per turn */
	uint64_t wall_ns; /* the same moment on the wall */
	uint64_t turns;
	struct deadline_wheel wheel, brief; /* of DEADLINE_SLOT_NS; of DEADLINE_BRIEF_NS */
	struct list ready;                  /* wires whose flags changed */
	struct list unsure;                 /* wires of which the last edge may have told less than it knew */
	struct deadline unsure_due;         /* armed while there are any */
	struct list accepting;              /* listeners with something to accept */
	struct event timer;                 /* wakes the loop for the wheel; moved only when it would be late */
	uint64_t timer_due_ns;              /* 0: not armed */
	struct list graveyard;              /* things freed at the end of the turn */
	struct block *blocks;               /* free ones */
	size_t blocks_free, blocks_used;    /* a grown one counts by its size */
	char *scratch_in, *scratch_out,
	    *scratch_head;       /* SCRATCH_SIZE each; contents live until the callee returns */
	uint64_t (*clock)(void); /* a scene gives its own; wall = clock + wall_offset then */
	uint64_t (*wall)(void);
	void (*on_turn)(void *with); /* the owner's work after delivery: walk the woken, flush */
	bool (*is_idle)(void *with); /* false: do not sleep */
	void *with;
	bool stopping;
};

struct loop *loop_open(void);
void loop_close(struct loop *l);
/* One turn; sleeps at most `most_ns` for events. */
void loop_turn(struct loop *l, uint64_t most_ns);

struct block *block_take(struct loop *l);
/* BLOCK_SIZE bytes more behind the ones there, for a message head that must lie in one piece. It may move:
 * slices into it are void, and whoever held it holds what is returned. */
struct block *block_grow(struct loop *l, struct block *b);
void block_give(struct loop *l, struct block *b);

/* Something to be freed when nothing of this turn can refer to it any more. */
struct grave {
	struct list link;
	void (*bury)(struct grave *g);
};
void loop_bury(struct loop *l, struct grave *g, void (*bury)(struct grave *g));

/* Private to connection/: the loop delivers what its callbacks flagged. */
struct wire;
void wire_deliver(struct wire *w);
void wires_on_unsure(struct deadline *d);
void listeners_accept(struct loop *l);
