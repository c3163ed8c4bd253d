/* chains.h -- the files of a configuration that hold certificates with an end. Part of keeper's door. */
#pragma once
#include "config/config.h"

/* Calls visit with each file that is named: chains of listeners, upstreams and Redis, revocation lists. */
void chains_walk(const struct config *c,
                 void (*visit)(void *with, struct slice file, struct config_place place), void *with);

/* Complains of files that differ from those in force and hold what is not valid now; what has ended without
 * being touched stops no other. */
void chains_try(const struct config *c, const struct bundle *b, const struct bundle *in_force,
                uint64_t wall_s, struct config_errors *errors);

/* Logs which groups of key exchange are in force, once for each way that listeners say it. */
void chains_log_groups(const struct config *c);

/* Publishes the end of each chain as a metric of this process. */
void chains_report(const struct config *c, const struct bundle *b);
