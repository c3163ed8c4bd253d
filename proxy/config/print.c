/* print.c -- the effective configuration: what a file says, and what it leaves unsaid. */
#include "config/emit.h"
#include "config/load.h"

#define VALUE_MAX 128 /* bytes of a number, rate or network as text */

struct print {
	struct out out;
	const struct config_memory *memory;
};

static void print_scope(struct print *p, const struct scope *s, const void *from);

static const void *at(const void *scope, size_t offset)
{
	return (const char *)scope + offset;
}

static struct any_list list_at(const void *field)
{
	struct any_list list;

	memcpy(&list, field, sizeof list);
	return list;
}

static struct any_list scopes_at(const struct row *row, const void *scope)
{
	struct any_list list;

	memcpy(&list.at, at(scope, row->offset), sizeof list.at);
	memcpy(&list.len, at(scope, row->len_offset), sizeof list.len);
	return list;
}

static const void *part_at(const void *field)
{
	const void *part;

	memcpy(&part, field, sizeof part);
	return part;
}

static bool is_secret(const struct print *p, const void *field)
{
	for (size_t i = 0; i < p->memory->secret_len; i++)
		if (p->memory->secret[i] == field)
			return true;
	return false;
}

/* ---- what is there to print ---- */

static bool is_text(const struct type *t)
{
	return t->format == format_text;
}

/* Not written, and without default. */
static bool is_absent_number(const struct row *row, const void *field)
{
	return row->def && !row->def[0] && type_number(&types[row->type], field) == CONFIG_ABSENT;
}

static bool is_shown(const struct row *row, const void *scope)
{
	const void *field = at(scope, row->offset);

	switch (row->kind) {
	case ROW_WORDS:
		return true;
	case ROW_PART:
		return part_at(field) != NULL;
	case ROW_LIST:
	case ROW_MAP:
		return scopes_at(row, scope).len > 0;
	case ROW_GROUP:
		for (size_t i = 0; i < row->scope()->rows_len; i++)
			if (is_shown(&row->scope()->rows[i], field))
				return true;
		return false;
	case ROW_OPTION:
		break;
	}
	if (types[row->type].list)
		return list_at(field).len > 0 || (row->def && row->def[0]);
	if (types[row->type].number)
		return !is_absent_number(row, field);
	if (row->type == TYPE_RATE)
		return ((const struct rate *)field)->per_ns > 0;
	if (row->type == TYPE_PASSWORD)
		return ((const struct secret *)field)->bytes != NULL;
	return !is_text(&types[row->type]) || ((const struct slice *)field)->at;
}

/* ---- printing ---- */

/* As text in `room`, or where it lies if it is text. */
static struct slice formatted(const struct type *t, const void *value, char room[static VALUE_MAX])
{
	struct text text = { .at = room, .cap = VALUE_MAX };

	if (is_text(t))
		return *(const struct slice *)value;
	t->format(value, &text);
	return text_slice(&text);
}

static void print_value(struct print *p, const struct type *t, const void *field)
{
	char room[VALUE_MAX];
	struct slice text = formatted(t, field, room);

	if (is_secret(p, field))
		out_text(&p->out, S("***"));
	else if (t == &types[TYPE_BOOL] || t == &types[TYPE_COUNT] ||
	         (t == &types[TYPE_SHARE] && !slice_ends(text, S("%"))))
		out_bare(&p->out, text);
	else
		out_text(&p->out, text);
}

static void print_values(struct print *p, const struct type *t, const void *field)
{
	struct any_list list = list_at(field);
	char room[VALUE_MAX];

	out_row_open(&p->out);
	for (size_t i = 0; i < list.len; i++) {
		const void *value = (const char *)list.at + i * t->size;
		out_row_text(&p->out, is_secret(p, value) ? S("***") : formatted(t, value, room));
	}
	out_row_close(&p->out);
}

static void print_pairs(struct print *p, const struct config_pairs *pairs)
{
	out_map_open(&p->out);
	for (size_t i = 0; i < pairs->len; i++) {
		out_key_slice(&p->out, pairs->at[i].name);
		print_value(p, &types[TYPE_TEXT], &pairs->at[i].value);
	}
	out_map_close(&p->out);
}

static void print_choices(struct print *p, const struct config_choices *choices)
{
	out_map_open(&p->out);
	for (size_t i = 0; i < choices->len; i++) {
		out_key_slice(&p->out, choices->at[i].name);
		print_values(p, &types[TYPE_TEXT], &choices->at[i].values);
	}
	out_map_close(&p->out);
}

static void print_scopes(struct print *p, const struct row *row, const void *scope)
{
	const struct scope *s = row->scope();
	struct any_list list = scopes_at(row, scope);
	bool map = row->kind == ROW_MAP;

	(map ? out_map_open : out_list_open)(&p->out);
	for (size_t i = 0; i < list.len; i++) {
		const void *one = (const char *)list.at + i * s->size;
		if (map)
			out_key_slice(&p->out, *(const struct slice *)at(one, s->id_offset));
		else
			out_item(&p->out);
		print_scope(p, s, one);
	}
	(map ? out_map_close : out_list_close)(&p->out);
}

static void print_row(struct print *p, const struct row *row, const void *scope)
{
	const void *field = at(scope, row->offset);

	if (row->kind == ROW_WORDS && is_secret(p, field))
		out_text(&p->out, S("***"));
	else if (row->kind == ROW_WORDS)
		out_text(&p->out, row_word(row, (size_t) * (const int *)field));
	else if (row->kind == ROW_GROUP)
		print_scope(p, row->scope(), field);
	else if (row->kind == ROW_PART)
		print_scope(p, row->scope(), part_at(field));
	else if (row->kind == ROW_LIST || row->kind == ROW_MAP)
		print_scopes(p, row, scope);
	else if (row->type == TYPE_PAIRS)
		print_pairs(p, field);
	else if (row->type == TYPE_CHOICES)
		print_choices(p, field);
	else if (types[row->type].list)
		print_values(p, &types[row->type], field);
	else
		print_value(p, &types[row->type], field);
}

/* What is included is part of the whole already. */
static bool is_include(const struct scope *s, const struct row *row)
{
	return s == table_root() && strcmp(row->name, "include") == 0;
}

static void print_scope(struct print *p, const struct scope *s, const void *from)
{
	bool any = false;

	for (size_t i = 0; i < s->rows_len; i++)
		any |= is_shown(&s->rows[i], from) && !is_include(s, &s->rows[i]);
	if (!any) {
		out_bare(&p->out, S("{}"));
		return;
	}
	out_map_open(&p->out);
	for (size_t i = 0; i < s->rows_len; i++) {
		if (!is_shown(&s->rows[i], from) || is_include(s, &s->rows[i]))
			continue;
		out_key(&p->out, s->rows[i].name);
		print_row(p, &s->rows[i], from);
	}
	out_map_close(&p->out);
}

void config_print(FILE *to, const struct config *c, bool json)
{
	struct print p = { out_to(to, json), c->memory };

	print_scope(&p, table_root(), &c->root);
	out_end(&p.out);
}
