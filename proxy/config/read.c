/* read.c -- the engine: reads any scope of the table from a mapping. */
#include "config/load.h"
#include "base/check.h"

static void *at(void *scope, size_t offset)
{
	return (char *)scope + offset;
}

/* ---- one value ---- */

static bool is_nothing(const struct node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	for (size_t i = 0; n->kind == NODE_SCALAR && n->plain && i < sizeof words / sizeof words[0]; i++)
		if (slice_same(n->text, slice_of(words[i])))
			return true;
	return false;
}

static bool want(struct load *l, const char *name, const struct node *n, enum node_kind kind,
                 const char *what)
{
	if (n->failed) {
		l->passed_over++;
		return false;
	}
	if (n->kind == kind && !is_nothing(n))
		return true;
	if (is_nothing(n))
		config_complain(l->errors, n->place, "\"%s\" has no value here; write one or leave it out", name);
	else
		config_complain(l->errors, n->place, "\"%s\" takes %s, and this is %s", name, what, node_what(n));
	return false;
}

/* How a value is spoken of: itself in quotes, or the reference that it came by. */
static struct slice spoken(struct load *l, const struct node *n)
{
	struct slice shown = complain_shown(n->reference.at ? n->reference : n->text);

	return n->reference.at ? store_printf(&l->scratch, "what stands behind %.*s", SLICE(shown))
	                       : store_printf(&l->scratch, "\"%.*s\"", SLICE(shown));
}

static void complain_value(struct load *l, const char *name, const struct type *t, const struct node *n,
                           const char *why)
{
	struct slice what = t->format == format_secret && !n->reference.at ? S("this") : spoken(l, n);

	config_complain(l->errors, n->place, "%s: %.*s is not a valid %s; %s", name, SLICE(what), t->word,
	                why ? why : t->form);
}

static struct parse_with with(struct load *l)
{
	return (struct parse_with){ l->keep, l->bundle, l->directory };
}

static bool read_value(struct load *l, const char *name, const struct type *t, const struct node *n, void *to)
{
	struct parse_with w = with(l);
	const char *why = NULL;

	load_note(l, to, n);
	if (!want(l, name, n, NODE_SCALAR, "a single value"))
		return false;
	struct slice text = store_copy(l->keep, n->text);
	if (t->parse(&w, text, to, &why))
		return true;
	complain_value(l, name, t, n, why);
	return false;
}

static bool number_of(const struct type *t, const char *text, uint64_t *to)
{
	const char *why = NULL;
	uint64_t room = 0;

	if (!text[0])
		return false;
	check(t->parse(NULL, slice_of(text), &room, &why));
	*to = type_number(t, &room);
	return true;
}

static void check_range(struct load *l, const struct row *row, const struct node *n, const void *value)
{
	const struct type *t = &types[row->type];
	uint64_t least, most, is = type_number(t, value);

	if ((number_of(t, row->min, &least) && is < least) || (number_of(t, row->max, &most) && is > most)) {
		struct slice what = spoken(l, n);
		config_complain(l->errors, n->place, "%s: %.*s is out of range; it goes from %s to %s", row->name,
		                SLICE(what), row->min, row->max);
	}
}

/* ---- lists and pairs of values ---- */

static void read_values(struct load *l, const struct row *row, const struct node *n, void *to)
{
	const struct type *t = &types[row->type];
	struct any_list list = { NULL, n->kind == NODE_LIST ? n->len : 1 };

	load_note(l, to, n);
	if (n->kind == NODE_MAP || is_nothing(n) || n->failed) {
		want(l, row->name, n, NODE_LIST, "a list of values");
		return;
	}
	if (list.len == 0 && !row->def)
		config_complain(l->errors, n->place, "\"%s\" needs at least one value", row->name);
	list.at = store_take(l->keep, list.len * t->size);
	char *element = list.at;
	for (const struct node *child = n->kind == NODE_LIST ? n->first : n; child; element += t->size) {
		read_value(l, row->name, t, child, element);
		child = n->kind == NODE_LIST ? child->next : NULL;
	}
	memcpy(to, &list, sizeof list);
}

static void read_pairs(struct load *l, const struct row *row, const struct node *n, void *to)
{
	struct config_pairs pairs = { NULL, 0 };

	load_note(l, to, n);
	if (!want(l, row->name, n, NODE_MAP, "a mapping of names to values"))
		return;
	pairs.at = store_take(l->keep, n->len * sizeof *pairs.at);
	for (const struct node *child = n->first; child; child = child->next) {
		struct config_pair *pair = &pairs.at[pairs.len++];
		pair->name = store_copy(l->keep, child->key->text);
		read_value(l, row->name, &types[TYPE_TEXT], child, &pair->value);
	}
	memcpy(to, &pairs, sizeof pairs);
}

/* One value, or a list of them, for each name. */
static void read_choices(struct load *l, const struct row *row, const struct node *n, void *to)
{
	struct config_choices choices = { NULL, 0 };

	load_note(l, to, n);
	if (!want(l, row->name, n, NODE_MAP, "a mapping of names to values"))
		return;
	choices.at = store_take(l->keep, n->len * sizeof *choices.at);
	for (const struct node *child = n->first; child; child = child->next) {
		struct config_choice *choice = &choices.at[choices.len++];
		choice->name = store_copy(l->keep, child->key->text);
		const struct row named = { .name = choice->name.at, .type = TYPE_TEXTS }; /* at least one value */
		read_values(l, &named, child, &choice->values);
	}
	memcpy(to, &choices, sizeof choices);
}

static void read_words(struct load *l, const struct row *row, const struct node *n, void *to)
{
	char hint[GUESS_MAX];
	struct slice word;

	load_note(l, to, n);
	if (!want(l, row->name, n, NODE_SCALAR, "a single word"))
		return;
	struct guess g = guess_of(n->reference.at ? S("") : n->text);
	for (int i = 0; (word = row_word(row, (size_t)i)).at; i++) {
		guess_try(&g, word);
		if (slice_same(word, n->text)) {
			*(int *)to = i;
			return;
		}
	}
	struct slice what = spoken(l, n);
	config_complain(l->errors, n->place, "%s: %.*s is none of %s%s", row->name, SLICE(what), row->words,
	                guess_say(&g, hint));
}

/* ---- what holds a scope ---- */

static void read_scopes(struct load *l, const struct row *row, const struct node *n, void *scope)
{
	const struct scope *s = row->scope();
	struct any_list list = { NULL, 0 };

	load_note(l, at(scope, row->offset), n);
	bool map = row->kind == ROW_MAP;
	if (!want(l, row->name, n, map ? NODE_MAP : NODE_LIST, map ? "a mapping of names" : "a list of mappings"))
		return;
	list.at = store_take(l->keep, n->len * s->size);
	for (const struct node *child = n->first; child; child = child->next) {
		void *to = (char *)list.at + list.len++ * s->size;
		const char *why = NULL;
		if (map) {
			struct slice *id = at(to, s->id_offset);
			*id = store_copy(l->keep, child->key->text);
			if (!parse_name(NULL, *id, id, &why))
				config_complain(l->errors, child->key->place, "\"%.*s\" is no name; %s",
				                SLICE(complain_shown(*id)), types[TYPE_NAME].form);
		}
		load_scope(l, s, child, to);
	}
	memcpy(at(scope, row->offset), &list.at, sizeof list.at);
	memcpy(at(scope, row->len_offset), &list.len, sizeof list.len);
}

static void read_part(struct load *l, const struct row *row, const struct node *n, void *field)
{
	void *part = store_take(l->keep, row->scope()->size);

	memcpy(field, &part, sizeof part);
	load_scope(l, row->scope(), n, part);
}

static void read_row(struct load *l, const struct row *row, const struct node *n, void *scope)
{
	void *field = at(scope, row->offset);

	switch (row->kind) {
	case ROW_WORDS:
		read_words(l, row, n, field);
		return;
	case ROW_GROUP:
		load_scope(l, row->scope(), n, field);
		return;
	case ROW_PART:
		read_part(l, row, n, field);
		return;
	case ROW_LIST:
	case ROW_MAP:
		read_scopes(l, row, n, scope);
		return;
	case ROW_OPTION:
		break;
	}
	if (row->type == TYPE_PAIRS)
		read_pairs(l, row, n, field);
	else if (row->type == TYPE_CHOICES)
		read_choices(l, row, n, field);
	else if (types[row->type].list)
		read_values(l, row, n, field);
	else if (read_value(l, row->name, &types[row->type], n, field) && types[row->type].number)
		check_range(l, row, n, field);
}

/* ---- what is not written ---- */

static void default_values(struct load *l, const struct row *row, void *to)
{
	const struct type *t = &types[row->type];
	struct parse_with w = with(l);
	struct any_list list = { NULL, 1 };
	const char *why = NULL;

	for (const char *c = row->def; *c; c++)
		list.len += *c == ',';
	list.at = store_take(l->keep, list.len * t->size);
	struct slice rest = slice_of(row->def);
	for (size_t i = 0; i < list.len; i++) {
		struct slice one = store_copy(l->keep, slice_cut(&rest, ','));
		check(t->parse(&w, one, (char *)list.at + i * t->size, &why));
	}
	memcpy(to, &list, sizeof list);
}

static void set_default(struct load *l, const struct row *row, void *scope)
{
	void *field = at(scope, row->offset);
	struct parse_with w = with(l);
	const char *why = NULL;

	if (row->kind == ROW_GROUP)
		load_scope(l, row->scope(), NULL, field);
	if (row->kind == ROW_WORDS)
		for (int i = 0; !slice_same(row_word(row, (size_t)i), slice_of(row->def)); i++)
			*(int *)field = i + 1;
	if (row->kind != ROW_OPTION || !row->def)
		return;
	if (!row->def[0]) {
		static const uint64_t absent = CONFIG_ABSENT;
		if (types[row->type].number)
			memcpy(field, &absent, types[row->type].size);
		return;
	}
	if (types[row->type].list)
		default_values(l, row, field);
	else
		check(types[row->type].parse(&w, store_copy(l->keep, slice_of(row->def)), field, &why));
}

static void complain_missing(struct load *l, const struct row *row, const struct node *n)
{
	config_complain(l->errors, n->place, "\"%s\" must be written here: %s", row->name, row->text);
}

/* Returns the row that was probably meant; NULL where none is near. */
static const struct row *complain_unknown(struct load *l, const struct scope *s, const struct node *key)
{
	struct guess g = guess_of(key->text);
	char hint[GUESS_MAX];

	for (size_t i = 0; i < s->rows_len; i++)
		guess_try(&g, slice_of(s->rows[i].name));
	struct slice shown = complain_shown(key->text);
	config_complain(l->errors, key->place, "there is no option \"%.*s\" %s%s%s", SLICE(shown),
	                s->where[0] ? "in " : "here", s->where, guess_say(&g, hint));
	return scope_find(s, g.best);
}

static unsigned failures(const struct load *l)
{
	return l->errors->count + l->passed_over;
}

void load_scope(struct load *l, const struct scope *s, const struct node *n, void *to)
{
	unsigned errors = failures(l);
	uint64_t given = 0;

	check(s->rows_len <= 64);
	struct config_place place = n ? n->place : (struct config_place){ l->file, 0, 0 };
	memcpy(at(to, s->place_offset), &place, sizeof place);
	if (n) {
		if (!want(l, s->where[0] ? s->where : "the configuration", n, NODE_MAP, "a mapping")) {
			load_break(l, at(to, s->place_offset));
			n = NULL;
		}
	}
	for (const struct node *child = n ? n->first : NULL; child; child = child->next) {
		const struct row *row = scope_find(s, child->key->text);
		unsigned before = failures(l);
		if (row)
			read_row(l, row, child, to);
		else
			row = complain_unknown(l, s, child->key);
		if (!row)
			continue;
		given |= UINT64_C(1) << (row - s->rows); /* the misspelt one is not missed */
		if (failures(l) != before)
			load_break(l, at(to, row->offset));
	}
	for (size_t i = 0; i < s->rows_len; i++) {
		if (given >> i & 1)
			continue;
		if (s->rows[i].kind == ROW_OPTION && !s->rows[i].def && n)
			complain_missing(l, &s->rows[i], n);
		set_default(l, &s->rows[i], to);
	}
	if (failures(l) != errors)
		load_break(l, at(to, s->place_offset));
}
