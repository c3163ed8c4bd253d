/* Memory of a configuration, freed as a whole. */
#include "config/store.h"
#include "base/check.h"
#include "base/secret.h"
#include <stdalign.h>
#include <stdarg.h>

#define CHUNK 16384 /* bytes; a bigger piece gets a chunk of its own */

struct store_chunk {
	struct store_chunk *older;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

static struct store_chunk *grow(struct store *s, size_t size)
{
	struct store_chunk *c = calloc(1, sizeof *c + size);

	check(c);
	c->size = size;
	c->older = s->newest;
	s->newest = c;
	return c;
}

void *store_take(struct store *s, size_t size)
{
	size_t unit = alignof(max_align_t);
	struct store_chunk *c = s->newest;

	check(size < SIZE_MAX / 2);
	size = (size + unit) / unit * unit; /* at least one byte, so that every piece has its own address */
	if (!c || c->size - c->used < size)
		c = grow(s, size > CHUNK ? size : CHUNK);
	void *piece = c->bytes + c->used;
	c->used += size;
	return piece;
}

struct slice store_copy(struct store *s, struct slice from)
{
	char *to = store_take(s, from.len + 1);

	if (from.len)
		memcpy(to, from.at, from.len);
	return (struct slice){ to, from.len };
}

struct slice store_printf(struct store *s, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	check(len >= 0);
	char *to = store_take(s, (size_t)len + 1);
	vsnprintf(to, (size_t)len + 1, format, again);
	va_end(again);
	return (struct slice){ to, (size_t)len };
}

void store_free(struct store *s)
{
	for (struct store_chunk *c = s->newest, *older; c; c = older) {
		older = c->older;
		secret_wipe(c->bytes, c->used);
		free(c);
	}
	s->newest = NULL;
}
