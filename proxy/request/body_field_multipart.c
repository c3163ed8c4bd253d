/* multipart/form-data (RFC 7578) in one pass: of each part the name and, where that is wanted, the content.
 * What strays from the grammar in any way is not read: upstreams differ in what they make of it. */
#include "request/body_found.h"

static void skip_blanks(struct slice *s)
{
	while (s->len && (s->at[0] == ' ' || s->at[0] == '\t'))
		*s = slice_from(*s, 1);
}

/* A token or a quoted string (RFC 9110 section 5.6.4), decoded behind what is in `to`. */
static bool read_value(struct slice *rest, struct text *to)
{
	bool quoted = slice_starts(*rest, S("\"")), escaped = false;
	size_t at = quoted;

	for (; at < rest->len; at++) {
		char c = rest->at[at];
		if (quoted && !escaped && c == '"')
			break;
		if (!quoted && (c == ';' || c == ' ' || c == '\t' || c == '"'))
			break;
		escaped = quoted && !escaped && c == '\\';
		if (!escaped)
			text_char(to, c);
	}
	if (quoted && at == rest->len)
		return false;
	*rest = slice_from(*rest, at + quoted);
	return !to->cut;
}

bool field_parameter(struct slice field, struct slice name, struct text *to, bool *found)
{
	char store[BODY_FIELD_MAX];

	*found = false;
	slice_cut(&field, ';');
	for (skip_blanks(&field); field.len; skip_blanks(&field)) {
		size_t at = slice_find(field, '=');
		struct slice its = slice_trim(slice_head(field, at));
		struct text other = TEXT(store);
		bool wanted = slice_same_nocase(its, name);
		if (at == field.len || (wanted && *found))
			return false;
		field = slice_from(field, at + 1);
		skip_blanks(&field);
		if (!read_value(&field, wanted ? to : &other))
			return false;
		*found |= wanted;
		skip_blanks(&field);
		if (field.len && field.at[0] != ';')
			return false;
		field = slice_from(field, 1);
	}
	return true;
}

/* Up to CRLF, which goes too. False: there is none. */
static bool read_line(struct slice *rest, struct slice *line)
{
	size_t at = slice_find(*rest, '\r');

	if (at + 1 >= rest->len || rest->at[at + 1] != '\n')
		return false;
	*line = slice_head(*rest, at);
	*rest = slice_from(*rest, at + 2);
	return slice_find(*line, '\n') == line->len;
}

struct part_head {
	bool named, encoded;
	struct slice name;
};

/* The fields of a part up to the empty line; its name in `to`. */
static bool read_head(struct slice *rest, struct text *to, struct part_head *head)
{
	struct slice line;

	*head = (struct part_head){ 0 };
	while (read_line(rest, &line)) {
		size_t from = to->len;
		if (line.len == 0)
			return true;
		struct slice value = line, name = slice_cut(&value, ':');
		if (name.len == line.len || line.at[0] == ' ' || line.at[0] == '\t')
			return false;
		head->encoded |= slice_same_nocase(name, S("content-transfer-encoding"));
		if (!slice_same_nocase(name, S("content-disposition")))
			continue;
		bool again = head->named, extended;
		struct text none = { .at = to->at + from, .cap = to->cap - from };
		if (again || !field_parameter(value, S("name"), to, &head->named) ||
		    !field_parameter(value, S("name*"), &none, &extended) || extended)
			return false;
		head->name = (struct slice){ to->at + from, to->len - from };
	}
	return false;
}

/* The content of a part, without the CRLF and the delimiter behind it. False: it goes on. */
static bool read_content(struct slice *rest, struct slice delimiter, struct slice *content)
{
	for (size_t at = 0; at + 2 + delimiter.len <= rest->len; at++) {
		if (rest->at[at] != '\r' || rest->at[at + 1] != '\n' ||
		    !slice_starts(slice_from(*rest, at + 2), delimiter))
			continue;
		*content = slice_head(*rest, at);
		*rest = slice_from(*rest, at + 2 + delimiter.len);
		return true;
	}
	return false;
}

bool found_in_multipart(struct slice body, struct slice type, struct slice field, struct found *f)
{
	char store[80];
	struct text delimiter = TEXT(store);
	struct slice line, content;
	struct part_head head;
	bool bounded;

	text_add(&delimiter, S("--"));
	if (!field_parameter(type, S("boundary"), &delimiter, &bounded) || !bounded || delimiter.len < 3 ||
	    !slice_starts(body, text_slice(&delimiter)))
		return false;
	body = slice_from(body, delimiter.len);
	while (!slice_starts(body, S("--"))) {
		size_t from = f->text.len;
		if (!read_line(&body, &line) || slice_trim(line).len || !read_head(&body, &f->text, &head))
			return false;
		bool wanted = head.named && slice_same_nocase(head.name, field);
		f->text.len = from;
		if (!read_content(&body, text_slice(&delimiter), &content))
			return false;
		f->bad |= wanted && head.encoded;
		if (wanted) {
			text_add(&f->text, content);
			found_add(f, from);
		}
	}
	return true;
}
