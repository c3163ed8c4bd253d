/* withheld.h -- what only the keeper may know: the fleet's secrets, those at issuers, its own password at
 * Redis. Part of config's door. */
#pragma once
#include "config/files.h"

struct config;

/* The two memory files of a configuration, for all processes and for the keeper alone; -1: none. */
struct bundle_sealed {
	int all, keeper;
};
void bundle_sealed_close(struct bundle_sealed *sealed);
/* As bundle_seal, for all: every such value is overwritten, wherever it lies; what workers need of it are the
 * keys that were put in. A short value is overwritten only where it is the whole of a file or variable. */
int bundle_seal_for_workers(const struct bundle *b, const struct config *c);
/* A key made of such a secret, for one purpose; config_load takes it over. */
void bundle_put_key(struct bundle *b, struct slice purpose, struct slice key);
bool config_key(const struct config *c, struct slice purpose, struct slice *key); /* false: none was put in */
/* The next variable of the environment that was looked up; *at starts at 0. False: no more. */
bool bundle_next_variable(const struct bundle *b, size_t *at, struct slice *name);
