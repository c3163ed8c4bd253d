/* explain.c -- `config explain KEY`. */
#include "config/diagnostics.h"
#include "config/emit.h"
#include "config/table.h"

#define KEY_MAX 256 /* bytes */

struct option_found {
	struct text key; /* as it is written in the reference: listeners[].tls */
	const struct scope *scope;
	const struct row *row; /* NULL: the scope itself */
};

static void add_name(struct text *key, const struct row *row)
{
	if (key->len)
		text_char(key, '.');
	text_add(key, slice_of(row->name));
	text_add(key, row->kind == ROW_LIST ? S("[]") : row->kind == ROW_MAP ? S(".NAME") : S(""));
}

/* May the word stand for a NAME at the key's end? Not where it looks like an option of it, misspelt. */
static bool is_name(const struct scope *s, struct slice word)
{
	struct guess guess = guess_of(word);

	for (size_t i = 0; i < s->rows_len; i++)
		guess_try(&guess, slice_of(s->rows[i].name));
	return word.len && !guess.best.len;
}

/* Follows the key; a name may stand behind a mapping of names, or be left out. */
static bool follow(const struct scope *s, struct slice rest, struct option_found *f)
{
	struct slice part = slice_cut(&rest, '.');
	const struct row *row = scope_find(s, slice_head(part, slice_find(part, '[')));
	struct text before = f->key;

	if (!row)
		return false;
	add_name(&f->key, row);
	f->scope = row_has_scope(row) ? row->scope() : s;
	f->row = row_has_scope(row) ? NULL : row;
	if (!rest.len)
		return true;
	if (row_has_scope(row) && follow(row->scope(), rest, f))
		return true;
	if (row->kind == ROW_MAP) {
		struct slice name = slice_cut(&rest, '.');
		f->scope = row->scope();
		f->row = NULL;
		if (rest.len ? name.len && follow(row->scope(), rest, f) : is_name(row->scope(), name))
			return true;
	}
	f->key = before;
	return false;
}

/* ---- suggestions ---- */

struct option_search {
	struct guess guess;
	struct slice last;  /* the key's last part */
	char best[KEY_MAX]; /* what guess.best points into */
	char same[KEY_MAX]; /* an option whose own name is that part */
};

/* Without brackets and NAMEs, as keys are compared. */
static void try_keys(struct option_search *search, const struct scope *s, const char *prefix)
{
	for (size_t i = 0; i < s->rows_len; i++) {
		char key[KEY_MAX];
		snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] ? "." : "", s->rows[i].name);
		unsigned before = search->guess.distance;
		guess_try(&search->guess, slice_of(key));
		if (search->guess.distance < before) {
			memcpy(search->best, key, sizeof key);
			search->guess.best = slice_of(search->best);
		}
		if (!search->same[0] && slice_same(search->last, slice_of(s->rows[i].name)))
			memcpy(search->same, key, sizeof key);
		if (row_has_scope(&s->rows[i]))
			try_keys(search, s->rows[i].scope(), key);
	}
}

static void suggest(struct slice key)
{
	struct slice rest = key;
	struct option_search search = { .guess = guess_of(key) };
	char hint[GUESS_MAX];

	while (rest.len)
		search.last = slice_cut(&rest, '.');
	try_keys(&search, table_root(), "");
	if (!search.guess.best.len)
		search.guess.best = slice_of(search.same);
	fprintf(stderr, "sallyport: there is no option \"%.*s\"%s\n", SLICE(complain_shown(key)),
	        guess_say(&search.guess, hint));
}

/* ---- telling ---- */

static void print_option(FILE *to, const struct option_found *f)
{
	const struct row *r = f->row;
	char room[KEY_MAX];
	struct text type = TEXT(room);

	row_say_type(r, &type);
	fprintf(to, "%.*s\n    %s\n\n    type     %.*s\n    default  %s\n", SLICE(text_slice(&f->key)), r->text,
	        SLICE(text_slice(&type)), row_say_default(r));
	if (r->min && r->min[0])
		fprintf(to, "    range    %s to %s\n", r->min, r->max);
	fprintf(to, "    changes  at %s\n", r->when == RELOAD ? "reload" : "restart");
}

static void tell_scope(FILE *to, const struct option_found *f)
{
	fprintf(to, "%.*s\n    %s\n\n", SLICE(text_slice(&f->key)), f->scope->text);
	for (size_t i = 0; i < f->scope->rows_len; i++) {
		const struct row *r = &f->scope->rows[i];
		fprintf(to, "    %-24s %s\n", r->name, r->text);
	}
}

static void out_pair(struct out *o, const char *key, const char *value)
{
	out_key(o, key);
	out_text(o, slice_of(value));
}

static void json_option(struct out *o, const struct row *r)
{
	char room[KEY_MAX];
	struct text type = TEXT(room);

	row_say_type(r, &type);
	out_pair(o, "text", r->text);
	out_key(o, "type");
	out_text(o, text_slice(&type));
	out_key(o, "required");
	out_bare(o, r->def || row_has_scope(r) ? S("false") : S("true"));
	if (row_has_scope(r))
		return;
	if (r->def && r->def[0])
		out_pair(o, "default", r->def);
	if (r->min && r->min[0]) {
		out_pair(o, "min", r->min);
		out_pair(o, "max", r->max);
	}
	out_pair(o, "changes", r->when == RELOAD ? "reload" : "restart");
}

static void json_scope(struct out *o, const struct scope *s)
{
	out_pair(o, "text", s->text);
	out_key(o, "options");
	out_map_open(o);
	for (size_t i = 0; i < s->rows_len; i++) {
		out_key(o, s->rows[i].name);
		out_map_open(o);
		json_option(o, &s->rows[i]);
		out_map_close(o);
	}
	out_map_close(o);
}

static void print_json(FILE *to, const struct option_found *f)
{
	struct out o = out_to(to, true);

	out_map_open(&o);
	out_key(&o, "key");
	out_text(&o, text_slice(&f->key));
	if (f->row)
		json_option(&o, f->row);
	else
		json_scope(&o, f->scope);
	out_map_close(&o);
	out_end(&o);
}

bool config_explain(FILE *to, const char *key, bool json)
{
	char room[KEY_MAX];
	struct option_found f = { TEXT(room), table_root(), NULL };

	if (key[0] && (strlen(key) >= KEY_MAX || !follow(table_root(), slice_of(key), &f))) {
		suggest(slice_of(key));
		return false;
	}
	if (!key[0])
		text_add(&f.key, S("(the whole file)"));
	if (json)
		print_json(to, &f);
	else if (f.row)
		print_option(to, &f);
	else
		tell_scope(to, &f);
	return true;
}
