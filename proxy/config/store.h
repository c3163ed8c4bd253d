/* store.h -- memory that grows by chunks and dies at once. For loading only, never for requests.
 * Everything in it is wiped as it dies, since a configuration holds secrets. */
#pragma once
#include "base/slice.h"

struct store {
	struct store_chunk *newest;
};

/* Zeroed, aligned for any type; never NULL (a process that cannot hold its configuration stops). */
void *store_take(struct store *s, size_t size);
/* The bytes with a NUL behind them. */
struct slice store_copy(struct store *s, struct slice from);
struct slice store_printf(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void store_free(struct store *s);
