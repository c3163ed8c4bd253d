/* ring.h -- bytes from one process to another through shared memory: one producer, one consumer, never
 * blocks. Either plain bytes in whole pieces (ring_add, ring_look, ring_drop) or records that keep their
 * bounds (ring_put, ring_take); one ring carries one of the two.
 * A producer killed in the middle of a put leaves the ring as it was before it. The size is each side's own
 * knowledge, and what the other side wrote is read once and held against it: a producer gone mad can hand
 * over nonsense, but makes nobody read or write beside the ring. */
#pragma once
#include "base/slice.h"
#include <stdatomic.h>

struct ring_memory {
	_Alignas(64) _Atomic uint64_t head; /* bytes ever put; written by the producer */
	_Alignas(64) _Atomic uint64_t tail; /* bytes ever taken; written by the consumer */
	_Alignas(64) char data[];
};

struct ring {
	struct ring_memory *at;
	size_t size;
}; /* a process's view; size: bytes of data */

/* Bytes of memory that a ring of `size` data bytes takes. */
static inline size_t ring_memory(size_t size)
{
	return (sizeof(struct ring_memory) + size + 63) / 64 * 64;
}

/* `memory` is zeroed, 64-byte aligned, ring_memory(size) long; size is a power of two. */
struct ring ring_at(void *memory, size_t size);

/* Bytes that lie in the ring, as its producer sees it. */
static inline uint64_t ring_held(struct ring r)
{
	return atomic_load_explicit(&r.at->head, memory_order_relaxed) -
	       atomic_load_explicit(&r.at->tail, memory_order_acquire);
}

/* The whole piece or, where it does not fit, nothing: false. */
bool ring_add(struct ring r, struct slice piece);
/* What lies in the ring, oldest first and in place, in two parts where it wraps; returns its length. The
 * producer leaves it alone until it is dropped. */
size_t ring_look(struct ring r, struct slice parts[static 2]);
void ring_drop(struct ring r, size_t len);

/* The whole record or, where it does not fit, nothing: false. */
bool ring_put(struct ring r, struct slice record);

/* Copies the oldest record to `to` (at most cap bytes of it) and drops it from the ring; returns its length,
 * 0 where the ring is empty. A zero-length record is never put. */
size_t ring_take(struct ring r, char *to, size_t cap);
