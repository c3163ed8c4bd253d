/* index.h -- finds by text, in memory of a store. For names of one file; keys are not copied. */
#pragma once
#include "config/store.h"

struct index {
	struct store *store;
	struct index_slot *slots;
	size_t len, cap; /* cap is a power of two */
};

struct index index_of(struct store *s);
/* NULL where it is not there. */
void *index_find(const struct index *x, struct slice key);
/* Returns what is already there under this key, and changes nothing then; otherwise adds and returns NULL. */
void *index_add(struct index *x, struct slice key, void *value);
/* One value after the other, in no order; *at starts at 0. NULL at the end. */
void *index_next(const struct index *x, size_t *at, struct slice *key);
