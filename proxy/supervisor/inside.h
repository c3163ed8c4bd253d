/* inside.h -- the process that holds the listeners and keeps the others alive. Private to supervisor/.
 *
 * * One loop of poll() over its signals, its event descriptor and the child that reads a configuration; three
 * small machines are stepped in it: the children (restarts), the rollout (a reload), the shutdown (the end).
 * */
#pragma once
#include "supervisor/children.h"
#include "supervisor/material.h"
#include "supervisor/supervisor.h"

enum stage {
	STAGE_IDLE,
	STAGE_READING,  /* a child reads and proves the new configuration */
	STAGE_LOADING,  /* its workers load, and accept nothing yet */
	STAGE_RETIRING, /* the old keeper lets go of what it publishes */
	STAGE_KEEPING,  /* the new one publishes for the first time */
	STAGE_SERVING,  /* the new workers begin to accept */
	STAGE_HANDING,  /* the old ones stop accepting */
};

enum shutdown {
	SHUTDOWN_NOT,
	SHUTDOWN_DELAY,
	SHUTDOWN_DRAIN,
	SHUTDOWN_CUT,
	SHUTDOWN_KEEPER,
	SHUTDOWN_WRITER,
	SHUTDOWN_DONE
};

struct supervisor {
	const struct run_options *options;
	struct reload_plan plan;
	struct shared shared;
	struct sockets sockets;
	struct account account;
	struct children children;
	struct generation *generations[GENERATIONS_MAX + 1];
	unsigned last_number;
	int signals; /* signalfd */
	int admin_fd, status_fd, floor_fd, machine_fd;
	char *admin_path;

	enum stage stage;
	struct reload *reading;
	struct generation *next, *old;
	uint64_t stage_until_ns, asked; /* asked: reloads that the one under way answers */
	uint64_t asked_by;              /* and who asked, as in struct shared_head */
	bool waiting_said;
	struct material material;
	bool renewing; /* what is under way is no reload: files beside the text have changed */
	char *renewed; /* their names */

	enum shutdown leave;
	uint64_t leave_until_ns;
	bool told_ready;
	uint64_t watchdog_ns, watchdog_due_ns;
};

/* From sealed memory files, which it takes over in any case; the keeper's is kept, not mapped. NULL: *text
 * (free) says why. */
struct generation *generation_open(struct supervisor *s, struct bundle_sealed sealed, char **text);
void generation_free(struct generation *g);
/* Frees those of which no process is left, and closes what nobody needs any more. */
void generations_sweep(struct supervisor *s);
/* Earlier ones of which any process is left. */
unsigned generations_draining(const struct supervisor *s);

/* The first generation: its keeper, writer and workers. False: *text says why. */
bool rollout_first(struct supervisor *s, struct generation *g, char **text);
void rollout_step(struct supervisor *s, uint64_t now_ns);
void rollout_cancel(struct supervisor *s, const char *why);

/* at_once: without drain.delay. Asked again: stops. */
void shutdown_begin(struct supervisor *s, bool at_once);
void shutdown_step(struct supervisor *s, uint64_t now_ns);

/* s->plan, s->shared, s->crew.post and bodies are set. Runs to the end; an exit status. */
int supervisor_run(struct supervisor *s, struct generation *first);
/* The signals that supervisor_run reads; to be called before the first fork. False: errno says why. */
bool supervisor_signals(struct supervisor *s);
