/* Looks options up in the table. */
#include "config/table.h"
#include <stddef.h>

#define REQUIRED NULL

/* Each scope becomes a function, since only there a row can know the structure that it lies in. */
#define SCOPE(scope_name, scope_where, scope_text) \
	static const struct scope *scope_##scope_name(void) \
	{ \
		typedef struct config_##scope_name here; \
		static const char where[] = scope_where, text[] = scope_text; \
		static const struct row rows[] = {
#define OPTION(field, option_type, option_def, option_min, option_max, option_when, option_text) \
	{ .kind = ROW_OPTION, \
	  .type = TYPE_##option_type, \
	  .when = option_when, \
	  .name = #field, \
	  .text = option_text, \
	  .def = option_def, \
	  .min = option_min, \
	  .max = option_max, \
	  .offset = offsetof(here, field) },
#define WORD(id, word) "|" word
#define WORDS(field, tag, option_words, option_def, option_when, option_text) \
	{ .kind = ROW_WORDS, \
	  .when = option_when, \
	  .name = #field, \
	  .text = option_text, \
	  .def = option_def, \
	  .words = &(option_words)[1], \
	  .offset = offsetof(here, field) },
#define GROUP(field, of, row_text) \
	{ .kind = ROW_GROUP, \
	  .name = #field, \
	  .text = row_text, \
	  .offset = offsetof(here, field), \
	  .scope = scope_##of },
#define PART(field, of, row_text) \
	{ .kind = ROW_PART, \
	  .name = #field, \
	  .text = row_text, \
	  .offset = offsetof(here, field), \
	  .scope = scope_##of },
#define LIST(field, of, row_text) \
	{ .kind = ROW_LIST, \
	  .name = #field, \
	  .text = row_text, \
	  .offset = offsetof(here, field), \
	  .len_offset = offsetof(here, field##_len), \
	  .scope = scope_##of },
#define MAP(field, of, row_text) \
	{ .kind = ROW_MAP, \
	  .name = #field, \
	  .text = row_text, \
	  .offset = offsetof(here, field), \
	  .len_offset = offsetof(here, field##_len), \
	  .scope = scope_##of },
#define END(scope_name) \
	} \
	; \
	static const struct scope scope = { #scope_name, \
		                                where, \
		                                text, \
		                                rows, \
		                                sizeof rows / sizeof rows[0], \
		                                sizeof(here), \
		                                offsetof(here, id), \
		                                offsetof(here, place) }; \
	return &scope; \
	}
#include "config/options.def"

static const struct scope *(*const scopes[])(void) = {
#define SCOPE(name, where, text) scope_##name,
#include "config/options.def"
};

#undef WORD
#define WORD(id, word) [id] = { word, sizeof(word) - 1 },
#define WORDS(name, tag, words, def, when, text) const struct slice tag##_words[] = { words };
#include "config/options.def"

const struct scope *table_scope(size_t i)
{
	return i < sizeof scopes / sizeof scopes[0] ? scopes[i]() : NULL;
}

const struct scope *table_root(void)
{
	return scope_root();
}

const struct row *scope_find(const struct scope *s, struct slice name)
{
	for (size_t i = 0; i < s->rows_len; i++)
		if (slice_same(slice_of(s->rows[i].name), name))
			return &s->rows[i];
	return NULL;
}

struct slice row_word(const struct row *r, size_t i)
{
	struct slice rest = slice_of(r->words), word;

	do
		word = rest.len ? slice_cut(&rest, '|') : (struct slice){ 0 };
	while (i-- && word.at);
	return word;
}
