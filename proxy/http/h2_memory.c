/* Memory of fixed sizes for nghttp2's sessions. */
#include "http/h2_memory.h"
#include "base/check.h"
#include "base/list.h"
#include "base/poison.h"
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PLACES 64 /* of a slab */
#define SLAB_SIZE (PLACES * H2_PLACE_SIZE)
#define NEAR_MOST 3072          /* bytes in front of the buffer, which has what is left of the first page */
#define BUFFER_LEAST (8 * 1024) /* bytes of an allocation that is the buffer */
#define UNIT 16
#define CLASSES (H2_SMALL_MOST / UNIT + 1)

struct slab {
	struct list link; /* in memory->open, where a place is free */
	uint64_t free;    /* a bit for each place */
	char *at;
};

struct spare {
	struct spare *next;
};

struct h2_memory {
	struct list open;
	struct spare *spare[CLASSES]; /* by size */
	struct h2_memory_use use;
};

struct place {
	nghttp2_mem mem; /* first */
	struct h2_memory *memory;
	struct slab *slab;
	size_t used; /* bytes, this head among them */
	bool whole;  /* the buffer is there: nothing more is put here */
};

_Static_assert(PLACES == 64, "a slab's places are the bits of one word");

static size_t rounded(size_t len)
{
	return (len + UNIT - 1) / UNIT * UNIT;
}

/* ---- small pieces ---- */

/* Pieces of class k have room for 16 k + 8 bytes, which is what malloc has to give without waste. */
static size_t class_of(size_t len)
{
	return (len + UNIT / 2 - 1) / UNIT;
}

static void *take_small(struct h2_memory *m, size_t len)
{
	size_t class = class_of(len);
	struct spare *s = class < CLASSES ? m->spare[class] : NULL;

	if (!s)
		return malloc(class < CLASSES ? class * UNIT + UNIT / 2 : len);
	m->spare[class] = s->next;
	m->use.spare -= class * UNIT;
	return s;
}

static void give_small(struct h2_memory *m, void *piece)
{
	size_t class = (malloc_usable_size(piece) - UNIT / 2) / UNIT;

	if (IS_WATCHED || class >= CLASSES || m->use.spare >= H2_SPARE_MOST) {
		free(piece);
		return;
	}
	struct spare *s = piece;
	s->next = m->spare[class];
	m->spare[class] = s;
	m->use.spare += class * UNIT;
}

/* ---- what nghttp2 calls ---- */

static bool is_in(const struct place *p, const void *piece)
{
	return (uintptr_t)piece - (uintptr_t)p < H2_PLACE_SIZE;
}

/* All of a place is zero when it is taken. NULL: this piece goes elsewhere. */
static void *take_here(struct place *p, size_t len)
{
	bool buffer = len >= BUFFER_LEAST;
	size_t most = buffer ? H2_PLACE_SIZE : NEAR_MOST;

	if (p->whole || len > most - p->used)
		return NULL;
	void *piece = (char *)p + p->used;
	p->used += rounded(len);
	p->whole = buffer;
	return piece;
}

static void *on_malloc(size_t len, void *with)
{
	struct place *p = with;
	void *piece = take_here(p, len);

	return piece ? piece : take_small(p->memory, len);
}

static void on_free(void *piece, void *with)
{
	struct place *p = with;

	if (piece && !is_in(p, piece))
		give_small(p->memory, piece);
}

static void *on_calloc(size_t count, size_t size, void *with)
{
	struct place *p = with;
	size_t len;

	if (__builtin_mul_overflow(count, size, &len))
		return NULL;
	void *piece = take_here(p, len);
	if (piece)
		return piece;
	piece = take_small(p->memory, len);
	return piece ? memset(piece, 0, len) : NULL;
}

static void *on_realloc(void *piece, size_t len, void *with)
{
	struct place *p = with;

	if (!piece)
		return on_malloc(len, with);
	if (!is_in(p, piece))
		return realloc(piece, len);
	size_t most = H2_PLACE_SIZE - ((size_t)((char *)piece - (char *)p));
	void *to = take_small(p->memory, len);
	return to ? memcpy(to, piece, len < most ? len : most) : NULL;
}

/* ---- places ---- */

static struct slab *map(struct h2_memory *m)
{
	struct slab *s = calloc(1, sizeof *s);
	void *at =
	    s ? mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;

	if (at == MAP_FAILED) {
		free(s);
		return NULL;
	}
	madvise(at, SLAB_SIZE, MADV_NOHUGEPAGE); /* a huge page would be touched as a whole */
	*s = (struct slab){ .free = UINT64_MAX, .at = at };
	list_push(&m->open, &s->link);
	POISON(at, SLAB_SIZE);
	m->use.slabs++;
	return s;
}

static void unmap(struct h2_memory *m, struct slab *s)
{
	list_remove(&s->link);
	UNPOISON(s->at, SLAB_SIZE);
	munmap(s->at, SLAB_SIZE);
	free(s);
	m->use.slabs--;
}

nghttp2_mem *h2_place_take(struct h2_memory *m)
{
	struct slab *s = list_is_empty(&m->open) ? map(m) : list_entry(m->open.next, struct slab, link);

	if (!s)
		return NULL;
	int which = __builtin_ctzll(s->free);
	struct place *p = (struct place *)(void *)(s->at + (size_t)which * H2_PLACE_SIZE);
	s->free &= s->free - 1;
	if (!s->free)
		list_remove(&s->link);
	UNPOISON(p, H2_PLACE_SIZE);
	*p = (struct place){ .mem = { p, on_malloc, on_free, on_calloc, on_realloc },
		                 .memory = m,
		                 .slab = s,
		                 .used = rounded(sizeof *p) };
	m->use.places++;
	return &p->mem;
}

void h2_place_give(nghttp2_mem *place)
{
	struct place *p = place->mem_user_data;
	struct h2_memory *m = p->memory;
	struct slab *s = p->slab;
	size_t which = (size_t)((char *)p - s->at) / H2_PLACE_SIZE;

	if (madvise(p, H2_PLACE_SIZE, MADV_DONTNEED) != 0) /* where pages are larger than ours */
		memset(p, 0, H2_PLACE_SIZE);
	POISON(p, H2_PLACE_SIZE);
	if (!s->free)
		list_push(&m->open, &s->link);
	s->free |= UINT64_C(1) << which;
	m->use.places--;
	if (s->free == UINT64_MAX && m->use.slabs > 1)
		unmap(m, s);
}

/* ---- the whole ---- */

struct h2_memory *h2_memory_open(void)
{
	struct h2_memory *m = calloc(1, sizeof *m);

	if (m)
		list_init(&m->open);
	return m;
}

void h2_memory_close(struct h2_memory *m)
{
	check(m->use.places == 0 && m->use.slabs <= 1);
	if (m->use.slabs)
		unmap(m, list_entry(m->open.next, struct slab, link));
	for (size_t i = 0; i < CLASSES; i++) {
		while (m->spare[i]) {
			struct spare *s = m->spare[i];
			m->spare[i] = s->next;
			free(s);
		}
	}
	free(m);
}

struct h2_memory_use h2_memory_use(const struct h2_memory *m)
{
	return m->use;
}
