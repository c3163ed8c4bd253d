/* watch.h -- a running supervisor as its parent, the test, sees it. */
#pragma once
#include "child_bodies.h"

#define PATIENCE_MS 5000

struct supervised {
	struct supervisor s;
	struct run_options options;
	pid_t pid; /* of the supervisor */
	unsigned port, other;
	char dir[64], path[96], pin[96];
};

bool supervised_until(bool (*is)(struct supervised *h), struct supervised *h);

int supervised_status(struct supervised *h);

const struct outcome *supervised_outcome(const struct supervised *h);

unsigned supervised_reload(struct supervised *h);

/* Waits for it. */
pid_t supervised_worker(const struct supervised *h, unsigned slot);
