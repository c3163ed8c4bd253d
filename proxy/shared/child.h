/* child.h -- what a process under the supervisor is given, and does: it speaks through its ring, beats, hears
 * orders. Part of shared's door. */
#pragma once
#include "config/config.h"
#include "shared/confine.h"
#include "shared/memory.h"
#include "shared/seats.h"
#include "shared/sockets.h"

#define BEAT_NS (1 * NS_PER_S) /* a loop turns at least this often */

struct retry {
	unsigned failures;
	bool due;
	uint64_t due_ns;
};

struct generation { /* one configuration and its workers */
	unsigned number;
	struct bundle_sealed sealed;
	struct bundle *bundle;
	struct config *config;
	unsigned workers;
	bool draining; /* its dead are not replaced */
	uint64_t drain_until_ns;
	struct retry retry[SLOTS_MAX];
};

/* What a process is given as it starts. All of it was made before the fork. */
struct child_context {
	struct shared *shared;
	const struct sockets *sockets;
	const struct generation *generation;
	struct generation *const *generations; /* all that live, GENERATIONS_MAX + 1 places; NULL: that one */
	const struct account *account;
	enum role role;
	unsigned seat, slot;
	pid_t supervisor;
	bool orphan;                  /* it has found that gone */
	int status_fd, admin_fd;      /* listening; -1: none */
	int floor_fd;                 /* machine.floor; -1: none */
	int machine_fd;               /* memory file of the machine's secret, for the keeper; -1: none */
	struct siphash_key log_key;   /* made of that, for subjects in the log where the fleet has no secret */
	struct siphash_key guard_key; /* made of it too, likewise */
	const char *config_path;
	uid_t started_by;
};

/* Messages go through the seat's ring to the writer, so that a stuck stderr holds nobody up. */
void child_speak(struct child_context *p);
/* A turn is done. */
static inline void child_beat(struct child_context *p)
{
	atomic_fetch_add_explicit(&shared_reported(p->shared, p->seat)->beats, 1, memory_order_relaxed);
}
/* What the supervisor wants; ORDER_DRAIN where the supervisor itself is gone. Asks the kernel once a
 * second. */
enum order child_order(struct child_context *p, uint64_t now_ns, uint64_t *asked_ns);
/* Of the tags of the guard's keys: the fleet's, or the machine's where it has no secret. */
struct siphash_key child_guard_key(const struct child_context *p);
