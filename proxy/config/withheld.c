/* withheld.c -- the memory file of the workers: the same pieces, in which what only supervisor and keeper may
 * know is overwritten. Each value keeps its length, so that the same text is the same configuration. */
#include "config/bundle.h"
#include "config/store.h"
#include <unistd.h>

#define WITHIN 16 /* bytes; a shorter value may stand in a text by chance */

struct withheld {
	struct store store; /* wiped as it ends */
	struct slice *value;
	size_t len;
	struct bundle_piece *piece;
	size_t pieces;
};

static void add(struct withheld *w, struct slice value)
{
	if (value.len)
		w->value[w->len++] = value;
}

static struct slice bytes_of(const struct secret *s)
{
	return (struct slice){ (const char *)s->bytes, s->len };
}

static void list_values(struct withheld *w, const struct config_root *c)
{
	w->value = store_take(&w->store, (c->secrets.fleet.len + c->issuers_len + 1) * sizeof *w->value);
	for (size_t i = 0; i < c->secrets.fleet.len; i++)
		add(w, bytes_of(&c->secrets.fleet.at[i]));
	for (size_t i = 0; i < c->issuers_len; i++)
		if (c->issuers[i].opaque)
			add(w, c->issuers[i].opaque->client_secret);
	if (c->redis)
		add(w, bytes_of(&c->redis->keeper.password));
}

static bool is_whole(struct slice bytes, struct slice value)
{
	return slice_starts(bytes, value) && bytes.len <= value.len + 2; /* a line end may follow */
}

/* By another letter for each value, so that no two become the same. */
static struct slice without(struct withheld *w, struct slice bytes, size_t which)
{
	struct slice value = w->value[which], rest;

	if (!memmem(bytes.at, bytes.len, value.at, value.len) || (value.len < WITHIN && !is_whole(bytes, value)))
		return bytes;
	struct slice copy = store_copy(&w->store, bytes);
	rest = copy;
	for (char *at; (at = memmem(rest.at, rest.len, value.at, value.len));) {
		memset(at, 'a' + (int)(which % 26), value.len);
		rest = slice_from(copy, (size_t)(at - copy.at) + value.len);
	}
	return copy;
}

/* A variable with the same value under a name that the text does not mention: whoever forgets the variables
 * that are listed forgets it too. */
static void add_twins(struct withheld *w)
{
	for (char **at = environ; *at; at++) {
		const char *sign = strchr(*at, '=');
		for (size_t i = 0; sign && i < w->len; i++)
			if (slice_same(slice_of(sign + 1), w->value[i]))
				w->piece[w->pieces++] = (struct bundle_piece){
					BUNDLE_ENV, store_copy(&w->store, (struct slice){ *at, (size_t)(sign - *at) }), S(""), 0
				};
	}
}

static size_t count_variables(void)
{
	size_t len = 0;

	while (environ[len])
		len++;
	return len;
}

int bundle_seal_for_workers(const struct bundle *b, const struct config *c)
{
	struct withheld w = { .len = 0 };
	const struct bundle_piece *all;
	size_t len = bundle_pieces(b, &all);

	list_values(&w, &c->root);
	w.piece = store_take(&w.store, (len + count_variables() * w.len) * sizeof *w.piece);
	add_twins(&w); /* first: of two pieces of one name the last one counts */
	for (size_t i = 0; i < len; i++) {
		struct bundle_piece *p = &w.piece[w.pieces++];
		*p = all[i];
		for (size_t v = 0; v < w.len && p->kind != BUNDLE_KEY; v++)
			p->bytes = without(&w, p->bytes, v);
	}
	int fd = bundle_memory_seal(w.piece, w.pieces);
	store_free(&w.store);
	return fd;
}

void bundle_sealed_close(struct bundle_sealed *sealed)
{
	if (sealed->all >= 0)
		close(sealed->all);
	if (sealed->keeper >= 0)
		close(sealed->keeper);
	*sealed = (struct bundle_sealed){ -1, -1 };
}
