/* long_wire.h -- a relay before Redis: a process for each connection, which carries bytes as late as the
 * trial says. */
#pragma once
#include "trial.h"
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

struct chunk {
	uint64_t due_ns;
	size_t len, sent;
	struct chunk *next;
	char bytes[8192];
};
struct wire_end {
	int from, to;
	struct chunk *first, **last;
};

_Noreturn void run_relay(void);
