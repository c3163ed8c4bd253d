/* restart.c -- what a reload may not change: the RESTART rows of options.def. They lie in the root and its
 * groups, each one value. */
#include "config/table.h"
#include "base/check.h"

static const void *at(const void *scope, size_t offset)
{
	return (const char *)scope + offset;
}

static bool same(const struct row *row, const void *a, const void *b)
{
	const struct type *t = &types[row->type];

	check(row->kind == ROW_OPTION && !t->list);
	if (t->format == format_text)
		return slice_same(*(const struct slice *)a, *(const struct slice *)b);
	return memcmp(a, b, t->size) == 0;
}

static bool find(const struct scope *s, const void *a, const void *b, struct text *key)
{
	for (size_t i = 0; i < s->rows_len; i++) {
		const struct row *row = &s->rows[i];
		const void *x = at(a, row->offset), *y = at(b, row->offset);
		size_t before = key->len;
		text_add(key, slice_of(row->name));
		if (!row_has_scope(row) && row->when == RESTART && !same(row, x, y))
			return true;
		text_char(key, '.');
		if (row->kind == ROW_GROUP && find(row->scope(), x, y, key))
			return true;
		key->len = before;
	}
	return false;
}

bool config_needs_restart(const struct config *a, const struct config *b, struct text *key)
{
	return find(table_root(), &a->root, &b->root, key);
}
