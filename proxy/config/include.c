/* include.c -- the file and all it includes become one tree. */
#include "config/load.h"

#define INCLUDE_DEPTH_MAX 4
#define INCLUDE_FILES_MAX 1024

static void join_scope(struct load *l, const struct scope *s, struct node *to, struct node *from);
static struct node *read_file(struct load *l, const char *file, struct config_place from, unsigned depth);

/* ---- joining ---- */

static void given_twice(struct load *l, const struct node *again, const struct node *old)
{
	struct slice key = complain_shown(again->key->text);

	config_complain(l->errors, again->key->place, "\"%.*s\" is given twice; it stands already at %s:%u:%u",
	                SLICE(key), old->key->place.file, old->key->place.line, old->key->place.column);
}

/* A list may be written as its one value. */
static void make_list(struct load *l, struct node *n)
{
	if (n->kind == NODE_LIST)
		return;
	struct node *only = store_take(&l->scratch, sizeof *only);
	*only = *n;
	only->key = NULL;
	n->kind = NODE_LIST;
	n->failed = false;
	n->text = n->reference = (struct slice){ 0 };
	n->first = n->last = NULL;
	n->len = 0;
	node_append(n, only);
}

static void join_list(struct load *l, struct node *to, struct node *from)
{
	make_list(l, to);
	make_list(l, from);
	for (struct node *child = from->first, *next; child; child = next) {
		next = child->next;
		node_append(to, child);
	}
}

/* Mappings by name: no name may come from two files. */
static void join_names(struct load *l, struct node *to, struct node *from)
{
	struct index names = index_of(&l->scratch);

	for (struct node *child = to->first; child; child = child->next)
		index_add(&names, child->key->text, child);
	for (struct node *child = from->first, *next; child; child = next) {
		next = child->next;
		struct node *old = index_add(&names, child->key->text, child);
		if (old)
			given_twice(l, child, old);
		else
			node_append(to, child);
	}
}

static void join_row(struct load *l, const struct row *row, struct node *to, struct node *from)
{
	bool maps = to->kind == NODE_MAP && from->kind == NODE_MAP;

	if (row && row_is_list(row) && to->kind != NODE_MAP && from->kind != NODE_MAP)
		join_list(l, to, from);
	else if (row && maps && row->kind == ROW_MAP)
		join_names(l, to, from);
	else if (row && maps && row_has_scope(row))
		join_scope(l, row->scope(), to, from);
	else if (row && maps) /* pairs */
		join_names(l, to, from);
	else
		given_twice(l, from, to);
}

static void join_scope(struct load *l, const struct scope *s, struct node *to, struct node *from)
{
	for (struct node *child = from->first, *next; child; child = next) {
		next = child->next;
		struct node *old = node_find(to, child->key->text);
		if (old)
			join_row(l, scope_find(s, child->key->text), old, child);
		else
			node_append(to, child);
	}
}

/* ---- including ---- */

/* The pattern as seen from where the process stands: relative to the including file. */
static const char *beside(struct load *l, const char *file, struct slice pattern)
{
	const char *slash = strrchr(file, '/');
	struct slice directory = { file, slash ? (size_t)(slash - file) + 1 : 0 };

	if (slice_starts(pattern, S("/")))
		directory.len = 0;
	return store_printf(l->keep, "%.*s%.*s", SLICE(directory), SLICE(pattern)).at;
}

static void refuse(struct load *l, struct config_place place, const char *sentence)
{
	config_complain(l->errors, place, "%s", sentence);
	l->incomplete = true;
}

static void include(struct load *l, struct node *root, const struct node *pattern, unsigned depth)
{
	struct slice paths = { 0 };
	const char *why = NULL;

	if (pattern->kind != NODE_SCALAR || pattern->text.len == 0) {
		refuse(l, pattern->place, "\"include\" takes glob patterns, as conf.d/*.yaml");
		return;
	}
	if (!bundle_glob(l->bundle, beside(l, pattern->place.file, pattern->text), &paths, &why)) {
		struct slice shown = complain_shown(pattern->text);
		config_complain(l->errors, pattern->place, "\"%.*s\" cannot be searched: %s", SLICE(shown), why);
		l->incomplete = true;
		return;
	}
	while (paths.len) {
		struct slice path = slice_cut(&paths, '\0');
		struct node *more = read_file(l, store_copy(l->keep, path).at, pattern->place, depth + 1);
		if (more)
			join_scope(l, table_root(), root, more);
	}
}

/* Takes `include` out of the mapping and does as it says; the main file's is kept for the table. */
static void include_all(struct load *l, struct node *root, unsigned depth)
{
	struct node *list = node_find(root, S("include"));

	if (!list)
		return;
	if (list->kind == NODE_SCALAR)
		make_list(l, list);
	if (list->kind == NODE_MAP) {
		refuse(l, list->place, "\"include\" takes glob patterns, as conf.d/*.yaml");
		return;
	}
	if (depth >= INCLUDE_DEPTH_MAX) {
		refuse(l, list->key->place, "includes are nested more than 4 deep");
		return;
	}
	for (struct node *child = list->first; child; child = child->next)
		include(l, root, child, depth);
}

static void drop(struct node *map, const struct node *child)
{
	struct node *old = map->first;

	map->first = map->last = NULL;
	map->len = 0;
	for (struct node *next; old; old = next) {
		next = old->next;
		if (old != child)
			node_append(map, old);
	}
}

/* ---- reading ---- */

static bool has_literal(const struct node *n)
{
	if (n->kind == NODE_SCALAR)
		return n->text.len && !slice_starts(n->text, S("${"));
	for (const struct node *child = n->first; child; child = child->next)
		if (has_literal(child))
			return true;
	return false;
}

/* Secrets written out in the file must not be shown in the source lines of errors, nor where their key is
 * misspelt. */
static void hide_secrets(struct load *l, const struct node *root)
{
	const struct scope *s = table_root();

	for (const struct node *child = root->first; child; child = child->next) {
		struct guess g = guess_of(child->key->text);
		for (size_t i = 0; i < s->rows_len; i++)
			guess_try(&g, slice_of(s->rows[i].name));
		if (slice_same(g.best, S("secrets")) && has_literal(child))
			complain_hide(l->errors, child->key->place, child->last_line);
	}
}

/* Passwords are refused where they are written out, which must not show them either. */
static void hide_passwords(struct load *l, const struct node *n)
{
	for (const struct node *child = n->first; child; child = child->next) {
		if (n->kind == NODE_MAP) {
			struct guess g = guess_of(child->key->text);
			guess_try(&g, S("password"));
			guess_try(&g, S("sentinel_password"));
			if (g.best.len && has_literal(child))
				complain_hide(l->errors, child->key->place, child->last_line);
		}
		hide_passwords(l, child);
	}
}

/* True where the file has not been read yet. */
static bool enter(struct load *l, const char *file, struct config_place from)
{
	char absolute[PATH_MAX];
	struct slice name = store_copy(&l->scratch, bundle_absolute(l->bundle, slice_of(file), absolute));

	if (l->files.len >= INCLUDE_FILES_MAX) {
		config_complain(l->errors, from, "more than %u files are included", INCLUDE_FILES_MAX);
		return false;
	}
	if (!index_add(&l->files, name, (void *)(uintptr_t)file))
		return true;
	config_complain(l->errors, from, "%s is included twice, or includes itself", file);
	return false;
}

static struct node *read_file(struct load *l, const char *file, struct config_place from, unsigned depth)
{
	const char *why = NULL;
	struct slice text;

	if (!enter(l, file, from)) {
		l->incomplete = true;
		return NULL;
	}
	if (!bundle_file(l->bundle, file, &text, &why)) {
		config_complain(l->errors, from,
		                from.line ? "%s cannot be read: %s" : "%s: the configuration cannot be read: %s",
		                file, why);
		l->incomplete = true;
		return NULL;
	}
	bundle_mark_text(l->bundle, file);
	struct node *root = yaml_read(&l->scratch, text, file, l->errors);
	if (root && root->kind != NODE_MAP)
		refuse(l, root->place, "a configuration is a mapping of options, as `workers: 2`");
	if (!root || root->kind != NODE_MAP) {
		l->incomplete = true;
		return NULL;
	}
	hide_secrets(l, root);
	hide_passwords(l, root);
	load_references(l, root);
	include_all(l, root, depth);
	if (depth > 0)
		drop(root, node_find(root, S("include")));
	return root;
}

struct node *load_tree(struct load *l, const char *path)
{
	char absolute[PATH_MAX];
	struct slice whole = bundle_absolute(l->bundle, slice_of(path), absolute);

	l->file = store_copy(l->keep, slice_of(path)).at;
	while (whole.len > 1 && whole.at[whole.len - 1] != '/')
		whole.len--;
	while (whole.len > 1 && whole.at[whole.len - 1] == '/')
		whole.len--;
	l->directory = store_copy(l->keep, whole);
	struct node *root = read_file(l, l->file, (struct config_place){ 0 }, 0);
	return l->incomplete ? NULL : root;
}
