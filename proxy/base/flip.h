/* flip.h -- a record of several words in shared memory, which one process writes and others read: two copies,
 * and a version whose lowest bit says which of them counts.
 *
 * The writer fills the copy of the next version and moves the version last, so that a writer that dies at any
 * moment leaves a whole record. A reader copies what counts and asks then whether the version has stayed: a
 * copy is filled again only after the version has moved on from it. Version 0 is the first copy, or none yet.
 * */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The version that counts now. */
static inline uint64_t flip_seen(const _Atomic uint64_t *version)
{
	return atomic_load_explicit(version, memory_order_acquire);
}
/* Which of the two copies is that version's. */
static inline unsigned flip_at(uint64_t version)
{
	return version & 1;
}
/* After reading: was the copy that version's all the while? */
static inline bool flip_held(const _Atomic uint64_t *version, uint64_t seen)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(version, memory_order_relaxed) == seen;
}
/* The writer's, once the copy of `next` is whole. */
static inline void flip_show(_Atomic uint64_t *version, uint64_t next)
{
	atomic_store(version, next);
}
