/* Counts the busiest keys by Space-Saving. */
#include "limit/hot.h"
#include "base/check.h"

#define LOAD(place) atomic_load_explicit(&(place), memory_order_relaxed)
#define STORE(place, value) atomic_store_explicit(&(place), (value), memory_order_relaxed)

size_t limit_hot_memory(void)
{
	return sizeof(struct limit_hot);
}

void hot_fetch(const struct limit_hot *h, uint64_t tag)
{
	__builtin_prefetch(&h->tag[tag % HOT_SETS]);
	__builtin_prefetch(&h->seen[tag % HOT_SETS]);
	__builtin_prefetch(&h->error[tag % HOT_SETS]);
}

static uint32_t halved(uint32_t count, uint32_t times)
{
	return times < 32 ? count >> times : 0;
}

static void grow_old(struct limit_hot *h, size_t set, uint64_t now_ns)
{
	uint32_t age = (uint32_t)(now_ns / HOT_HALF_NS), times = age - LOAD(h->age[set]);

	if (times == 0)
		return;
	for (size_t way = 0; way < HOT_WAYS; way++) {
		struct hot_fact *f = &h->fact[set][way];
		STORE(h->seen[set][way], halved(LOAD(h->seen[set][way]), times));
		STORE(h->error[set][way], halved(LOAD(h->error[set][way]), times));
		STORE(f->refused, halved(LOAD(f->refused), times));
	}
	STORE(h->age[set], age);
}

/* The way of the key, or the least decided one. */
static size_t way_of(const struct limit_hot *h, size_t set, uint64_t tag, bool *found)
{
	size_t least = 0;

	for (size_t way = 0; way < HOT_WAYS; way++) {
		*found = LOAD(h->tag[set][way]) == tag;
		if (*found)
			return way;
		if (LOAD(h->seen[set][way]) < LOAD(h->seen[set][least]))
			least = way;
	}
	return least;
}

static void replace(struct limit_hot *h, size_t set, size_t way, uint64_t tag, uint64_t limit)
{
	struct hot_fact *f = &h->fact[set][way];

	STORE(h->tag[set][way], 0);
	atomic_thread_fence(memory_order_release);
	STORE(h->error[set][way], LOAD(h->seen[set][way]));
	STORE(f->limit, limit);
	STORE(f->refused, 0);
	STORE(f->text_len, 0);
	atomic_store_explicit(&h->tag[set][way], tag, memory_order_release);
}

struct hot_fact *hot_note(struct limit_hot *h, uint64_t tag, uint64_t limit, bool refused, unsigned by,
                          uint64_t now_ns)
{
	size_t set = tag % HOT_SETS;
	bool found;

	grow_old(h, set, now_ns);
	size_t way = way_of(h, set, tag, &found);
	struct hot_fact *f = &h->fact[set][way];
	if (!found)
		replace(h, set, way, tag, limit);
	uint32_t seen = LOAD(h->seen[set][way]), error = LOAD(h->error[set][way]);
	if (seen < UINT32_MAX)
		STORE(h->seen[set][way], ++seen);
	if (refused && LOAD(f->refused) < UINT32_MAX)
		STORE(f->refused, LOAD(f->refused) + 1);
	STORE(f->by, (uint8_t)by);
	return LOAD(f->text_len) == 0 && (error == 0 || seen - error >= 2) ? f : NULL;
}

bool hot_find(const struct limit_hot *h, uint64_t tag, uint64_t *name)
{
	for (size_t way = 0; way < HOT_WAYS; way++) {
		const struct hot_fact *f = &h->fact[tag % HOT_SETS][way];
		if (atomic_load_explicit(&h->tag[tag % HOT_SETS][way], memory_order_acquire) != tag ||
		    atomic_load_explicit(&f->text_len, memory_order_acquire) == 0)
			continue;
		*name = LOAD(f->name);
		atomic_thread_fence(memory_order_acquire);
		return LOAD(h->tag[tag % HOT_SETS][way]) == tag;
	}
	return false;
}

void hot_print(struct hot_fact *f, struct slice text, uint64_t name)
{
	check(text.len > 0 && text.len <= sizeof f->text);
	STORE(f->name, name);
	memcpy(f->text, text.at, text.len);
	atomic_store_explicit(&f->text_len, (uint8_t)text.len, memory_order_release);
}

/* False: nothing is there, or it is changing. */
static bool read_one(const struct limit_hot *h, size_t set, size_t way, uint32_t times, struct hot_key *to)
{
	const struct hot_fact *f = &h->fact[set][way];
	uint32_t seen, error;

	to->tag = atomic_load_explicit(&h->tag[set][way], memory_order_acquire);
	seen = halved(LOAD(h->seen[set][way]), times);
	error = halved(LOAD(h->error[set][way]), times);
	to->seen = seen > error ? seen - error : 0;
	to->limit = LOAD(f->limit);
	to->refused = halved(LOAD(f->refused), times);
	to->by = LOAD(f->by);
	size_t len = atomic_load_explicit(&f->text_len, memory_order_acquire);
	if (len > sizeof to->text)
		return false;
	memcpy(to->text, f->text, len);
	to->text_len = len;
	atomic_thread_fence(memory_order_acquire);
	return to->tag && to->seen && LOAD(h->tag[set][way]) == to->tag;
}

size_t hot_read(const struct limit_hot *h, uint64_t now_ns, struct hot_key *to)
{
	size_t len = 0;

	for (size_t set = 0; set < HOT_SETS; set++) {
		uint32_t times = (uint32_t)(now_ns / HOT_HALF_NS) - LOAD(h->age[set]);
		/* a writer that read the clock a moment after us is ahead */
		times = times > UINT32_MAX / 2 ? 0 : times;
		for (size_t way = 0; way < HOT_WAYS; way++)
			len += read_one(h, set, way, times, &to[len]);
	}
	return len;
}
