/* keep.c -- two files of the state directory: keys with their routes, and the ledger. Binary, of this
 * machine and this version; a keyed hash over all that follows it tells whether they are ours and whole.
 * Another one's are ignored, which is said: the guard then learns anew. */
#include "guard/keeper.h"
#include "base/log.h"
#include <stdlib.h>

#define KEYS "guard-keys"
#define LEDGER "guard-ledger"
#define VERSION 1

struct front {
	uint64_t hash[2], version, size, routes, entries;
};
struct route_image {
	uint64_t name, latch, cause, released_s;
	uint64_t hour[HOUR_SLOTS], flip[FLIP_SLOTS];
};
struct key_image {
	uint64_t tag, times;
};

static void hash_of(const struct guard_keeper *k, const char *bytes, size_t len, uint64_t to[2])
{
	struct slice rest = { bytes + sizeof(uint64_t[2]), len - sizeof(uint64_t[2]) };
	struct siphash_key second = { ~k->key.k0, ~k->key.k1 };

	to[0] = siphash(k->key, rest);
	to[1] = siphash(second, rest);
}

static void put(struct guard_keeper *k, const char *name, char *bytes, size_t len)
{
	uint64_t hash[2];

	hash_of(k, bytes, len, hash);
	memcpy(bytes, hash, sizeof hash);
	bool kept = k->world.put(k->world.with, name, (struct slice){ bytes, len });
	if (!kept && !k->complained)
		log_warn("guard: %s cannot be kept on disk: what it says will not survive a restart", name);
	k->complained = !kept;
}

/* To be freed; NULL: there is none that can be believed. */
static char *take(struct guard_keeper *k, const char *name, size_t size, struct front *front, size_t *len)
{
	char *bytes = k->world.take(k->world.with, name, len);
	uint64_t hash[2];

	if (!bytes)
		return NULL;
	if (*len >= sizeof *front) {
		memcpy(front, bytes, sizeof *front);
		hash_of(k, bytes, *len, hash);
		if (memcmp(hash, front->hash, sizeof hash) == 0 && front->version == VERSION && front->size == size &&
		    *len == sizeof *front + front->routes * sizeof(struct route_image) + front->entries * size)
			return bytes;
	}
	log_warn(
	    "guard: %s is ignored: it was not written by this machine's sallyport, or by another version, or was "
	    "changed since",
	    name);
	free(bytes);
	return NULL;
}

/* ---- keys and routes ---- */

static void image_of(const struct guard_route *w, struct route_image *to)
{
	*to = (struct route_image){ .name = atomic_load(&w->name),
		                        .latch = atomic_load(&w->latch),
		                        .cause = atomic_load(&w->cause),
		                        .released_s = atomic_load(&w->released_s) };
	for (size_t i = 0; i < HOUR_SLOTS; i++)
		to->hour[i] = atomic_load(&w->hour[i]);
	for (size_t i = 0; i < FLIP_SLOTS; i++)
		to->flip[i] = atomic_load(&w->flip[i]);
}

void keep_keys(struct guard_keeper *k)
{
	const struct guard_table *t = k->table;
	size_t most = sizeof(struct front) + k->routes_len * sizeof(struct route_image) +
	              (size_t)t->places * sizeof(struct key_image),
	       len = sizeof(struct front);
	struct front front = { .version = VERSION, .size = sizeof(struct key_image), .routes = k->routes_len };
	char *bytes = malloc(most);

	if (!bytes)
		return;
	for (size_t i = 0; i < k->routes_len; i++, len += sizeof(struct route_image)) {
		struct route_image image;
		image_of(k->routes[i].shared, &image);
		memcpy(bytes + len, &image, sizeof image);
	}
	for (uint64_t i = 0; i < t->places; i++) {
		struct key_image image = { atomic_load(&t->word[i]), atomic_load(&t->word[t->places + i]) };
		if (!image.tag || !image.times)
			continue;
		memcpy(bytes + len, &image, sizeof image);
		len += sizeof image;
		front.entries++;
	}
	memcpy(bytes, &front, sizeof front);
	put(k, KEYS, bytes, len);
	free(bytes);
}

static void restore_route(struct guard_keeper *k, const struct route_image *image)
{
	for (size_t i = 0; i < k->routes_len; i++) {
		struct guard_route *w = k->routes[i].shared;
		if (k->routes[i].name != image->name)
			continue;
		atomic_store(&w->latch, image->latch);
		atomic_store(&w->cause, image->cause);
		atomic_store(&w->released_s, image->released_s);
		for (size_t n = 0; n < HOUR_SLOTS; n++)
			atomic_store(&w->hour[n], image->hour[n]);
		for (size_t n = 0; n < FLIP_SLOTS; n++)
			atomic_store(&w->flip[n], image->flip[n]);
	}
}

static void restore_key(struct guard_keeper *k, const struct key_image *image)
{
	uint64_t none = 0;
	_Atomic uint64_t *at = image->tag ? key_times(k->table, image->tag, true, guard_time(k->wall_s)) : NULL;

	if (at) /* what a worker has seen meanwhile is newer */
		atomic_compare_exchange_strong(at, &none, image->times);
}

static void take_keys(struct guard_keeper *k)
{
	struct front front;
	size_t len, at = sizeof front;
	char *bytes = take(k, KEYS, sizeof(struct key_image), &front, &len);

	if (!bytes)
		return;
	for (uint64_t i = 0; i < front.routes; i++, at += sizeof(struct route_image)) {
		struct route_image image;
		memcpy(&image, bytes + at, sizeof image);
		restore_route(k, &image);
	}
	for (uint64_t i = 0; i < front.entries; i++, at += sizeof(struct key_image)) {
		struct key_image image;
		memcpy(&image, bytes + at, sizeof image);
		restore_key(k, &image);
	}
	free(bytes);
}

/* ---- the ledger ---- */

void keep_ledger(struct guard_keeper *k)
{
	const struct ledger *l = &k->ledger;
	struct front front = { .version = VERSION, .size = sizeof(struct ledger_entry), .entries = l->len };
	size_t len = sizeof front + l->len * sizeof(struct ledger_entry);
	char *bytes = malloc(len);

	if (!bytes)
		return;
	memcpy(bytes, &front, sizeof front);
	for (size_t i = 0; i < l->len; i++)
		memcpy(bytes + sizeof front + i * sizeof **l->at, l->at[i], sizeof **l->at);
	put(k, LEDGER, bytes, len);
	free(bytes);
	k->ledger.moved = false;
}

static void take_ledger(struct guard_keeper *k)
{
	struct front front;
	size_t len;
	char *bytes = take(k, LEDGER, sizeof(struct ledger_entry), &front, &len);

	for (uint64_t i = 0; bytes && i < front.entries; i++) {
		struct ledger_entry e;
		memcpy(&e, bytes + sizeof front + i * sizeof e, sizeof e);
		(void)ledger_put(&k->ledger, &e);
	}
	free(bytes);
}

/* Shared memory outlives a keeper, and knows better than the disk. */
void keep_take(struct guard_keeper *k)
{
	uint64_t none = 0;

	if (!k->routes_len)
		return;
	take_ledger(k);
	if (atomic_compare_exchange_strong(&k->table->loaded, &none, 1))
		take_keys(k);
}
