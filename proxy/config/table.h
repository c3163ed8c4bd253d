/* table.h -- options.def as data: the second expansion of the rows from which config.h makes structures. */
#pragma once
#include "config/config.h"
#include "config/parse.h"

enum row_kind { ROW_OPTION, ROW_WORDS, ROW_GROUP, ROW_PART, ROW_LIST, ROW_MAP };
enum row_when { RELOAD, RESTART };

struct row {
	enum row_kind kind;
	enum config_type type; /* of a ROW_OPTION */
	enum row_when when;    /* of options and words */
	const char *name, *text;
	const char *def;                    /* NULL: must be written; "": absent */
	const char *min, *max;              /* "": none */
	const char *words;                  /* "a|b|c" */
	size_t offset, len_offset;          /* in the scope's structure; len_offset of lists and maps */
	const struct scope *(*scope)(void); /* of what holds a scope */
};

struct scope {
	const char *name, *where, *text;
	const struct row *rows;
	size_t rows_len;
	size_t size; /* bytes of its structure */
	size_t id_offset, place_offset;
};

const struct scope *table_root(void);
/* Every scope, the root last; NULL past the end. */
const struct scope *table_scope(size_t i);
const struct row *scope_find(const struct scope *s, struct slice name);

static inline bool row_has_scope(const struct row *r)
{
	return r->kind >= ROW_GROUP;
}

/* The i-th of "a|b|c"; at NULL past the end. */
struct slice row_word(const struct row *r, size_t i);
/* Is it a list of several, in YAML? */
static inline bool row_is_list(const struct row *r)
{
	return r->kind == ROW_LIST || (r->kind == ROW_OPTION && types[r->type].list);
}

/* What a row takes, in words: "duration", "list of names", "one of 1.2, 1.3", "mapping". */
struct text;
void row_say_type(const struct row *r, struct text *to);
/* "10s", "none", "must be written". */
const char *row_say_default(const struct row *r);

/* Calls visit for every scope from the root on, in the order of the file, each once. */
void table_walk(void (*visit)(void *with, const struct scope *s), void *with);
