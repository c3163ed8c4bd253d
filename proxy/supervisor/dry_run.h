/* dry_run.h -- what the child that reads a configuration tries out: everything that a worker would load,
 * every address, the places that are written to. Private to supervisor/. */
#pragma once
#include "supervisor/supervisor.h"

struct dry_run {
	bool bind;  /* try the addresses; not for `check`, which may run beside a live Sallyport */
	bool alone; /* nobody else may hold the addresses: a first start */
	const struct bundle *in_force; /* what differs from it must be valid now; NULL: nothing must */
	bool hindered; /* set where all that is wrong may pass: addresses in use, or not there yet */
};

/* For struct reload_plan; `with` is a struct dry_run. */
bool dry_run(void *with, const struct config *c, struct bundle *b, struct config_errors *errors);
