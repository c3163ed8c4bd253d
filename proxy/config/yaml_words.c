/* yaml_words.c -- what libyaml complains of, in plain words: most of its complaints are about indentation,
 * and it does not say so. */
#include "config/yaml.h"
#include "base/text.h"

/* The text of a line, from 1; empty where there is none. */
static struct slice line_at(struct slice text, unsigned n)
{
	struct slice line = { 0 };

	while (n-- && text.len)
		line = slice_cut(&text, '\n');
	return line;
}

static unsigned indent_of(struct slice line)
{
	unsigned n = 0;

	while (n < line.len && line.at[n] == ' ')
		n++;
	return n;
}

static bool is_blank(struct slice line)
{
	struct slice rest = slice_trim(line);

	return rest.len == 0 || rest.at[0] == '#';
}

/* The last line above that is neither empty nor a comment; 0: none. */
static unsigned line_above(struct slice text, unsigned n)
{
	while (--n && is_blank(line_at(text, n)))
		;
	return n;
}

static const char *spaces(unsigned n)
{
	return n == 1 ? "space" : "spaces";
}

/* A line that stands at no column at which something above it stands. */
static bool misplaced(const struct yaml_trouble *t, struct text *to)
{
	unsigned own = indent_of(line_at(t->text, t->line)), block = t->context_column - 1;
	unsigned above = line_above(t->text, t->line);

	if (!strstr(t->context, "parsing a block") || own == block || t->column != own + 1 || !above)
		return false;
	text_printf(to, "the indentation is wrong: this line begins with %u %s, which fits nothing above it; ",
	            own, spaces(own));
	text_add(to, S("the "));
	text_printf(to, "%s that begins at line %u stands at %u, line %u at %u",
	            strstr(t->context, "mapping") ? "mapping" : "list", t->context_line, block, above,
	            indent_of(line_at(t->text, above)));
	return true;
}

/* A list's dash at a mapping's own column. */
static bool dash_for_key(const struct yaml_trouble *t, struct text *to)
{
	struct slice line = line_at(t->text, t->line);
	unsigned own = indent_of(line);

	if (!strstr(t->context, "block mapping") || own != t->context_column - 1 || t->column != own + 1 ||
	    !slice_starts(slice_from(line, own), S("-")))
		return false;
	text_printf(to,
	            "the indentation is wrong: this line begins an item of a list, and here the mapping that "
	            "begins at line %u goes on",
	            t->context_line);
	return true;
}

/* A colon where a value is being read already. */
static bool unexpected_colon(const struct yaml_trouble *t, struct text *to)
{
	struct slice line = line_at(t->text, t->line), before = slice_head(line, t->column - 1);
	unsigned above = line_above(t->text, t->line), own = indent_of(line);
	struct slice last = line_at(t->text, above);

	if (!strstr(t->problem, "mapping values are not allowed"))
		return false;
	if (memmem(before.at, before.len, ": ", 2))
		text_add(to, S("a second colon in one line; put the value in quotes, or on a line of its own"));
	else if (above && own > indent_of(last) && slice_find(last, ':') < last.len)
		text_printf(to,
		            "the indentation is wrong: this line begins with %u %s and so belongs to line %u, "
		            "which has a value already; line %u begins with %u",
		            own, spaces(own), above, above, indent_of(last));
	else if (above && slice_find(last, ':') == last.len)
		text_printf(to, "line %u has no colon, so that this line is read as its continuation", above);
	else
		return false;
	return true;
}

static bool no_colon(const struct yaml_trouble *t, struct text *to)
{
	if (!strstr(t->problem, "could not find expected ':'"))
		return false;
	text_printf(to, "line %u has no colon, so that this line is read as its continuation", t->context_line);
	return true;
}

bool yaml_in_words(const struct yaml_trouble *t, struct text *to)
{
	return misplaced(t, to) || dash_for_key(t, to) || unexpected_colon(t, to) || no_colon(t, to);
}
