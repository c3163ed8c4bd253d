/* type_names.c -- rows in words, for everything that is generated from the table. */
#include "config/table.h"

static void say_words(const struct row *r, struct text *to)
{
	struct slice word;

	text_add(to, S("one of "));
	for (size_t i = 0; (word = row_word(r, i)).at; i++) {
		text_add(to, i ? S(", ") : S(""));
		text_add(to, word);
	}
}

void row_say_type(const struct row *r, struct text *to)
{
	switch (r->kind) {
	case ROW_WORDS:
		say_words(r, to);
		return;
	case ROW_GROUP:
	case ROW_PART:
		text_add(to, S("mapping"));
		return;
	case ROW_LIST:
		text_add(to, S("list of mappings"));
		return;
	case ROW_MAP:
		text_add(to, S("mappings by name"));
		return;
	case ROW_OPTION:
		break;
	}
	if (r->type == TYPE_PAIRS)
		text_add(to, S("mapping of names to texts"));
	else if (r->type == TYPE_CHOICES)
		text_add(to, S("mapping of names to lists of texts"));
	else if (types[r->type].list)
		text_printf(to, "list of %ss", types[r->type].word);
	else
		text_add(to, slice_of(types[r->type].word));
}

const char *row_say_default(const struct row *r)
{
	return !r->def ? "must be written" : r->def[0] ? r->def : "none";
}

static bool seen_before(const struct scope *const *seen, size_t len, const struct scope *s)
{
	for (size_t i = 0; i < len; i++)
		if (seen[i] == s)
			return true;
	return false;
}

void table_walk(void (*visit)(void *with, const struct scope *s), void *with)
{
	const struct scope *order[64] = { table_root() }; /* a unit test counts the scopes */
	size_t len = 1;

	for (size_t at = 0; at < len; at++) {
		const struct scope *s = order[at];
		size_t put = at + 1; /* what a scope holds comes right after it */
		visit(with, s);
		for (size_t i = 0; i < s->rows_len; i++) {
			const struct scope *below = row_has_scope(&s->rows[i]) ? s->rows[i].scope() : NULL;
			if (!below || len == 64 || seen_before(order, len, below))
				continue;
			memmove(&order[put + 1], &order[put], (len - put) * sizeof order[0]);
			order[put++] = below;
			len++;
		}
	}
}
