/* trial.h -- what a trial of several machines is, and the memory that its processes share. */
#pragma once
#include "../limit/server.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config.h"
#include "journey/inside.h"
#include "limit/fleet.h"
#include "metrics/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <cmocka.h>

#define ASKERS_MAX 64
#define WAITING_MAX 64
#define LOG_MAX 8192
#define TABLE_SLOTS 4096
#define STORE 12288
#define BYSTANDERS 8 /* keys of each asker's own */
#define MS NS_PER_MS

struct entry {
	uint64_t stamp_ns, at_ns, done_ns;
	uint8_t source;
	bool admitted, hot;
};

struct grant {
	uint64_t stamp_ns, tat_ns;
}; /* a question that took of the hot bucket; the bucket since */

struct log {
	size_t len, grants;
	uint64_t error_ns, gap_ns; /* the worst: of the server's clock; between two turns */
	struct entry at[LOG_MAX];
	struct grant grant[LOG_MAX];
};

struct trial { /* what is tried */
	unsigned askers, machines;
	uint64_t rate, burst, per_s, for_ns; /* per_s: hot requests of each asker */
	const char *budget;
	bool bystanders;
};

struct stage { /* shared by all processes of a trial */
	_Atomic unsigned ready;
	_Atomic uint64_t start_ns, delay_ns; /* delay: of the relay, each way */
	struct redis_fleet fleet;
	struct log log[ASKERS_MAX];
};

struct trial_world {
	struct trial trial;
	struct stage *stage;
	struct server server;
	char relay[96];
	pid_t askers[ASKERS_MAX], relaying;
	struct buckets *tables[ASKERS_MAX];
	struct bundle *bundle;
	struct config *config;
};
extern struct trial_world worlds[3], *w; /* several trials may run side by side */

void *shared(size_t len);

/* a and b, one behind the other. */
void join(char *to, size_t cap, const char *a, const char *b);
