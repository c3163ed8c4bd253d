/* The table of revocations. */
#include "published/revoked.h"

const char *const revoked_kind_names[REVOKED_KINDS] = { "jti", "sub", "sid", "kid" };

uint64_t revoked_mark(const struct revoked_table *t, struct slice issuer, enum revoked_kind kind,
                      struct slice value)
{
	struct siphash_key own = { t->k0 ^ (uint64_t)kind, t->k1 };
	struct siphash_key key = { t->k0, t->k1 ^ siphash(own, issuer) };
	uint64_t mark = siphash(key, value);

	return mark ? mark : 1;
}

/* The entry of that mark, or the free one where it belongs. */
static struct revoked_entry *place(struct revoked_entry *copy, uint64_t mark)
{
	for (size_t i = 0; i < REVOKED_PLACES; i++) {
		struct revoked_entry *e = &copy[(mark + i) % REVOKED_PLACES];
		uint64_t there = atomic_load_explicit(&e->mark, memory_order_acquire);
		if (there == mark || there == 0)
			return e;
	}
	return NULL;
}

/* 0: there is none. */
static uint64_t find(const struct revoked_table *t, uint64_t mark)
{
	uint64_t times = 0;

	/* a copy is filled again only after the version has moved on from it: twice in one look is rare, and then
	 * it is looked again */
	for (int attempt = 0; attempt < 8; attempt++) {
		uint64_t version = flip_seen(&t->version);
		struct revoked_entry *e = place((struct revoked_entry *)(uintptr_t)t->copy[flip_at(version)], mark);
		bool there = e && atomic_load_explicit(&e->mark, memory_order_acquire) == mark;
		times = there ? atomic_load_explicit(&e->times, memory_order_acquire) : 0;
		if (flip_held(&t->version, version))
			break;
	}
	return times;
}

bool revoked_has(const struct revoked_table *t, const struct revoked_marks *m, uint64_t wall_s)
{
	if (atomic_load_explicit(&t->used, memory_order_acquire) == 0)
		return false;
	for (int kind = 0; kind < REVOKED_KINDS; kind++) {
		uint64_t times = m->of[kind] ? find(t, m->of[kind]) : 0;
		if (times >> 32 <= wall_s)
			continue;
		if (kind != REVOKED_SUB || m->issued_s <= (times & UINT32_MAX))
			return true;
	}
	return false;
}

bool revoked_put(struct revoked_table *t, uint64_t mark, uint64_t times)
{
	struct revoked_entry *e = place(t->copy[flip_at(flip_seen(&t->version))], mark);
	bool there = e && atomic_load(&e->mark) == mark;

	if (!e || (!there && atomic_load(&t->used) >= REVOKED_MAX))
		return false;
	atomic_store(&e->times, times);
	atomic_store(&e->mark, mark);
	if (!there)
		atomic_fetch_add(&t->used, 1);
	atomic_fetch_add(&t->moved, 1);
	return true;
}

void revoked_sift(struct revoked_table *t, bool (*stays)(void *with, uint64_t mark, uint64_t times),
                  void *with)
{
	uint64_t version = flip_seen(&t->version), kept = 0;
	struct revoked_entry *from = t->copy[flip_at(version)], *to = t->copy[flip_at(version + 1)];

	for (size_t i = 0; i < REVOKED_PLACES; i++)
		atomic_store_explicit(&to[i].mark, 0, memory_order_relaxed);
	for (size_t i = 0; i < REVOKED_PLACES; i++) {
		uint64_t mark = atomic_load(&from[i].mark), times = atomic_load(&from[i].times);
		if (!mark || !stays(with, mark, times))
			continue;
		struct revoked_entry *e = place(to, mark);
		atomic_store_explicit(&e->times, times, memory_order_relaxed);
		atomic_store_explicit(&e->mark, mark, memory_order_relaxed);
		kept++;
	}
	flip_show(&t->version, version + 1);
	atomic_store(&t->used, kept);
	atomic_fetch_add(&t->moved, 1);
}
