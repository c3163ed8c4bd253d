/* forget.h -- what a process inherited by fork and must not know. Part of shared's door.
 *
 * * The supervisor's memory holds all secrets of all generations. A worker has made its keys of them by the
 * time it serves; the secret of the fleet, those at issuers, the keeper's at Redis and the machine's are then
 * overwritten wherever they lie, so that whoever takes a worker over can neither forge what other machines
 * trust nor pass for us at an issuer. */
#pragma once
#include "shared/child.h"

/* False: there is not enough memory for it, and the process must end. */
bool forget_secrets(struct post *p) __attribute__((warn_unused_result));
