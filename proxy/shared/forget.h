/* forget.h -- what a process inherits by fork and must not know. Part of shared's door.
 *
 * * The supervisor maps no secret of the fleet, of an issuer or of the keeper at Redis: they lie in memory
 * files of which it holds the descriptors. A new process closes those that are not its own, and overwrites
 * the variables of the environment that the configuration names, before it does anything else. So whoever
 * takes a worker over can neither forge what other machines trust nor pass for us at an issuer. */
#pragma once
#include "shared/child.h"

/* The keeper keeps its own generation's memory file and the machine's. */
void forget_inherited(struct child_context *p);
