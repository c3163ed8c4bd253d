/* Finds names of a section quickly. */
#include "config/index.h"
#include "base/siphash.h"

struct index_slot {
	struct slice key;
	void *value; /* NULL: free */
	uint64_t hash;
};

struct index index_of(struct store *s)
{
	return (struct index){ .store = s };
}

/* The slot where the key is, or would be. */
static struct index_slot *slot_of(const struct index *x, struct slice key, uint64_t hash)
{
	for (size_t at = (size_t)hash;; at++) {
		struct index_slot *slot = &x->slots[at & (x->cap - 1)];
		if (!slot->value || (slot->hash == hash && slice_same(slot->key, key)))
			return slot;
	}
}

static uint64_t hash_of(struct slice key)
{
	return siphash((struct siphash_key){ 0, 0 }, key);
}

void *index_find(const struct index *x, struct slice key)
{
	return x->cap ? slot_of(x, key, hash_of(key))->value : NULL;
}

static void grow(struct index *x)
{
	struct index bigger = { x->store, NULL, x->len, x->cap ? 2 * x->cap : 16 };

	bigger.slots = store_take(x->store, bigger.cap * sizeof *bigger.slots);
	for (size_t i = 0; i < x->cap; i++)
		if (x->slots[i].value)
			*slot_of(&bigger, x->slots[i].key, x->slots[i].hash) = x->slots[i];
	*x = bigger;
}

void *index_add(struct index *x, struct slice key, void *value)
{
	if (2 * (x->len + 1) > x->cap)
		grow(x);
	struct index_slot *slot = slot_of(x, key, hash_of(key));
	if (slot->value)
		return slot->value;
	*slot = (struct index_slot){ key, value, hash_of(key) };
	x->len++;
	return NULL;
}

void *index_next(const struct index *x, size_t *at, struct slice *key)
{
	while (*at < x->cap) {
		const struct index_slot *slot = &x->slots[(*at)++];
		if (!slot->value)
			continue;
		*key = slot->key;
		return slot->value;
	}
	return NULL;
}
