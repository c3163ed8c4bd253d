/* A bounded queue of records in shared memory, with one writer and one reader. */
#include "base/ring.h"
#include "base/check.h"

struct ring ring_at(void *memory, size_t size)
{
	check(size && (size & (size - 1)) == 0);
	return (struct ring){ memory, size };
}

static void copy_in(struct ring r, uint64_t at, const void *from, size_t len)
{
	size_t start = (size_t)(at & (r.size - 1));
	size_t first = len < r.size - start ? len : r.size - start;

	memcpy(r.at->data + start, from, first);
	memcpy(r.at->data, (const char *)from + first, len - first);
}

static void copy_out(struct ring r, uint64_t at, void *to, size_t len)
{
	size_t start = (size_t)(at & (r.size - 1));
	size_t first = len < r.size - start ? len : r.size - start;

	memcpy(to, r.at->data + start, first);
	memcpy((char *)to + first, r.at->data, len - first);
}

static bool has_room(struct ring r, uint64_t head, size_t len)
{
	uint64_t held = head - atomic_load_explicit(&r.at->tail, memory_order_acquire);

	return len <= r.size / 2 && r.size - held >= len;
}

bool ring_add(struct ring r, struct slice piece)
{
	uint64_t head = atomic_load_explicit(&r.at->head, memory_order_relaxed);

	if (!has_room(r, head, piece.len))
		return false;
	copy_in(r, head, piece.at, piece.len);
	atomic_store_explicit(&r.at->head, head + piece.len, memory_order_release);
	return true;
}

size_t ring_look(struct ring r, struct slice parts[static 2])
{
	uint64_t tail = atomic_load_explicit(&r.at->tail, memory_order_relaxed);
	uint64_t len = atomic_load_explicit(&r.at->head, memory_order_acquire) - tail;
	size_t start = (size_t)(tail & (r.size - 1)), first = r.size - start;

	if (len > r.size) /* a broken producer */
		len = r.size;
	if (first > len)
		first = (size_t)len;
	parts[0] = (struct slice){ r.at->data + start, first };
	parts[1] = (struct slice){ r.at->data, (size_t)len - first };
	return (size_t)len;
}

void ring_drop(struct ring r, size_t len)
{
	atomic_fetch_add_explicit(&r.at->tail, len, memory_order_release);
}

bool ring_put(struct ring r, struct slice record)
{
	uint64_t head = atomic_load_explicit(&r.at->head, memory_order_relaxed);
	uint32_t len = (uint32_t)record.len;

	if (record.len == 0 || record.len > r.size / 2 || !has_room(r, head, record.len + sizeof len))
		return false;
	copy_in(r, head, &len, sizeof len);
	copy_in(r, head + sizeof len, record.at, record.len);
	atomic_store_explicit(&r.at->head, head + sizeof len + record.len, memory_order_release);
	return true;
}

size_t ring_take(struct ring r, char *to, size_t cap)
{
	uint64_t tail = atomic_load_explicit(&r.at->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&r.at->head, memory_order_acquire);
	uint32_t len;

	if (head - tail < sizeof len || head - tail > r.size)
		return 0;
	copy_out(r, tail, &len, sizeof len);
	if (len > head - tail - sizeof len) { /* a broken producer: skip all it wrote */
		atomic_store_explicit(&r.at->tail, head, memory_order_release);
		return 0;
	}
	copy_out(r, tail + sizeof len, to, len < cap ? len : cap);
	atomic_store_explicit(&r.at->tail, tail + sizeof len + len, memory_order_release);
	return len < cap ? len : cap;
}
