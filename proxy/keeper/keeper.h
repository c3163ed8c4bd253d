/* keeper.h -- the process that alone asks others: keys, endpoints, names; it serves the admin socket, probes
 * and metrics. certificates.h and chains.h, which a dry run uses too, are parts of this door. */
#pragma once
#include "keeper/certificates.h"
#include "keeper/chains.h"
#include "shared/shared.h"

/* Returns an exit status. */
int keeper_main(struct child_context *p);
