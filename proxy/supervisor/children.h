/* children.h -- the processes under the supervisor: forked, watched, restarted, told to end.
 *
 * * A seat has at most one live process. The first restart of a place is immediate, then it waits 100 ms,
 * doubling to 30 s, until a process has lived for a while. A process whose loop stands still for 5 s is
 * aborted. the children knows nothing of what its processes do: their bodies are given to it. */
#pragma once
#include "config/config.h"
#include "shared/shared.h"

#define RESTART_FIRST_NS (100 * NS_PER_MS)
#define RESTART_MOST_NS (30 * NS_PER_S)
#define RESTART_FORGET_NS (30 * NS_PER_S) /* a process that lived this long starts again at once */
#define STILL_CHECKS 5                    /* and is aborted when it did not, this many checks in a row */
#define LOAD_NS (60 * NS_PER_S)           /* a process may take this long to load */

struct bodies {
	int (*worker)(struct child_context *), (*keeper)(struct child_context *),
	    (*writer)(struct child_context *);
};

struct child {
	pid_t pid; /* 0: none */
	enum role role;
	unsigned slot;
	struct generation *generation;
	uint64_t started_ns, beats, kill_ns;
	unsigned still;        /* checks in a row that saw no beat */
	bool aborted, leaving; /* leaving: told to end, its death is expected */
};

struct children {
	struct shared *shared;
	struct bodies bodies;
	struct child_context post; /* what all posts have in common */
	struct generation *now;    /* whose keeper and writer are kept alive; NULL: none yet */
	struct retry keeper, writer;
	bool keepers_kept, writer_kept;
	uint64_t beat_ns, checked_ns; /* beat_ns: BEAT_NS; tests have less patience */
	struct crashes crashes;
	struct child child[SEATS_MAX];
};

/* Forks; false: no seat or no process (said to the log, tried again later). */
bool children_start(struct children *c, enum role role, struct generation *g, unsigned slot);
/* Reaps what has died and arranges for its replacement; *stranger is called for pids that are not the
 * children's. */
void children_reap(struct children *c, void (*stranger)(void *with, pid_t pid, int status), void *with);
/* Restarts what is due, aborts what stands still, kills what did not end. */
void children_tick(struct children *c, uint64_t now_ns);
uint64_t children_next_ns(const struct children *c); /* when children_tick is wanted */

void children_order(struct children *c, unsigned seat, enum order order);
/* To every worker of a generation; NULL: of all. */
void children_order_workers(struct children *c, const struct generation *g, enum order order);
/* SIGKILL in `grace_ns` for all who still live then. */
void children_end_by(struct children *c, enum role role, uint64_t when_ns);
unsigned children_count(const struct children *c, enum role role, const struct generation *g);
/* Have all workers of the generation come at least this far? */
bool children_all_at_least(const struct children *c, const struct generation *g, enum seat_state state);
/* Who accepts for a slot whose worker is gone: written into shared memory where it has changed. */
void children_adopt(struct children *c, const struct generation *g);
