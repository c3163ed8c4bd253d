/* Writes a configuration as YAML or JSON. */
#include "config/emit.h"
#include "base/check.h"
#include "base/text.h"

struct out out_to(FILE *to, bool json)
{
	return (struct out){ .to = to, .json = json, .empty = true };
}

void out_end(struct out *o)
{
	if (o->json)
		fputc('\n', o->to);
}

void out_json(FILE *to, struct slice text)
{
	size_t cap = 6 * text.len + 1;
	struct text t = { .at = malloc(cap), .cap = cap };

	check(t.at);
	text_json(&t, text);
	fprintf(to, "\"%.*s\"", SLICE(text_slice(&t)));
	free(t.at);
}

/* May it stand without quotes, in a list on one line too? */
static bool is_plain(struct slice s)
{
	static const char marks[] = "._/+-:@";

	if (s.len == 0 || s.at[s.len - 1] == ':' || slice_same_nocase(s, S("null")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = slice_lower(s.at[i]);
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!word && (i == 0 ? c != '/' : !memchr(marks, c, sizeof marks - 1)))
			return false;
	}
	return true;
}

static void value(struct out *o, struct slice text)
{
	if (!o->json && is_plain(text))
		fprintf(o->to, "%.*s", SLICE(text));
	else
		out_json(o->to, text);
}

static void indent(struct out *o)
{
	unsigned levels = o->json || !o->depth ? o->depth : o->depth - 1; /* YAML has no outer braces */

	fprintf(o->to, "%*s", (int)(2 * levels), "");
}

/* Begins a line of a mapping or list. */
static void line(struct out *o)
{
	if (o->json)
		fputs(o->empty ? "\n" : ",\n", o->to);
	o->empty = false;
	if (!o->dash)
		indent(o);
	o->dash = false;
}

void out_key_slice(struct out *o, struct slice name)
{
	line(o);
	value(o, name);
	fputs(":", o->to);
}

void out_key(struct out *o, const char *name)
{
	out_key_slice(o, slice_of(name));
}

static void end_value(struct out *o)
{
	if (!o->json)
		fputc('\n', o->to);
}

void out_text(struct out *o, struct slice text)
{
	fputc(' ', o->to);
	value(o, text);
	end_value(o);
}

void out_bare(struct out *o, struct slice text)
{
	fprintf(o->to, " %.*s", SLICE(text));
	end_value(o);
}

static void open_nested(struct out *o, char mark)
{
	if (o->json) {
		if (o->depth && !o->dash)
			fputc(' ', o->to);
		fputc(mark, o->to);
	} else if (o->depth && !o->dash) {
		fputc('\n', o->to);
	}
	o->depth++;
	o->empty = true;
}

static void close_nested(struct out *o, char mark)
{
	o->depth--;
	if (o->json) {
		if (!o->empty) {
			fputc('\n', o->to);
			indent(o);
		}
		fputc(mark, o->to);
	}
	o->empty = false;
}

void out_map_open(struct out *o)
{
	open_nested(o, '{');
	if (o->json)
		o->dash = false;
}

void out_map_close(struct out *o)
{
	close_nested(o, '}');
}

void out_list_open(struct out *o)
{
	open_nested(o, '[');
}

void out_item(struct out *o)
{
	line(o);
	if (!o->json)
		fputs("- ", o->to);
	o->dash = true;
}

void out_list_close(struct out *o)
{
	close_nested(o, ']');
}

void out_row_open(struct out *o)
{
	fputs(" [", o->to);
	o->empty = true;
}

void out_row_text(struct out *o, struct slice text)
{
	if (!o->empty)
		fputs(", ", o->to);
	o->empty = false;
	value(o, text);
}

void out_row_close(struct out *o)
{
	fputc(']', o->to);
	o->empty = false;
	end_value(o);
}
