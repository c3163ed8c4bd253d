/* Reads YAML by libyaml into a tree that knows its lines and columns. */
#include "config/yaml.h"
#include "base/text.h"
#include "config/index.h"
#include <yaml.h>

#define FEW 16 /* children among which a key is found by looking at each */

struct yaml_reader {
	yaml_parser_t parser;
	struct store *store;
	const char *file;
	struct config_errors *errors;
	struct slice text;
	bool stop; /* nothing sensible can follow */
};

static struct config_place place_of(const struct yaml_reader *r, yaml_mark_t mark)
{
	return (struct config_place){ r->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

static void stop(struct yaml_reader *r, yaml_mark_t mark, const char *sentence)
{
	complain_blind(r->errors, place_of(r, mark), "%s", sentence);
	r->stop = true;
}

/* libyaml counts characters, not bytes. */
static char character_at(struct slice text, size_t index)
{
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.at[i] & 0xC0) != 0x80 && index-- == 0)
			return text.at[i];
	return '\0';
}

/* What libyaml says, as a sentence. */
static void syntax_error(struct yaml_reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "it ends in the middle";

	r->stop = true;
	if (strstr(problem, "cannot start any token") && character_at(r->text, p->problem_mark.index) == '\t')
		problem = "a tab may not indent; use spaces";
	const struct yaml_trouble trouble = { r->text,
		                                  problem,
		                                  p->context ? p->context : "",
		                                  (unsigned)p->problem_mark.line + 1,
		                                  (unsigned)p->problem_mark.column + 1,
		                                  (unsigned)p->context_mark.line + 1,
		                                  (unsigned)p->context_mark.column + 1 };
	char said[400];
	struct text words = TEXT(said);
	if (yaml_in_words(&trouble, &words) && text_end(&words)) {
		complain_blind(r->errors, place_of(r, p->problem_mark), "%s", said);
		return;
	}
	if (!p->context) {
		complain_blind(r->errors, place_of(r, p->problem_mark), "this is not YAML: %s", problem);
		return;
	}
	complain_blind(r->errors, place_of(r, p->problem_mark),
	               "this is not YAML: %s, %s that begins at line %lu%s", problem, p->context,
	               (unsigned long)p->context_mark.line + 1,
	               strstr(p->context, "flow") ? "; texts with any of :,[]{}# may need quotes" : "");
}

/* The next event, which the caller deletes; false where reading has stopped. */
static bool next(struct yaml_reader *r, yaml_event_t *event)
{
	if (r->stop)
		return false;
	if (yaml_parser_parse(&r->parser, event))
		return true;
	syntax_error(r);
	return false;
}

void node_append(struct node *to, struct node *child)
{
	child->next = NULL;
	if (to->last)
		to->last->next = child;
	else
		to->first = child;
	to->last = child;
	to->len++;
}

struct node *node_find(const struct node *map, struct slice key)
{
	for (struct node *child = map->first; child; child = child->next)
		if (child->key && slice_same(child->key->text, key))
			return child;
	return NULL;
}

const char *node_what(const struct node *n)
{
	return n->kind == NODE_MAP ? "a mapping" : n->kind == NODE_LIST ? "a list" : "a single value";
}

static struct node *make(struct yaml_reader *r, enum node_kind kind, const yaml_event_t *event)
{
	struct node *n = store_take(r->store, sizeof *n);

	n->kind = kind;
	n->place = place_of(r, event->start_mark);
	n->last_line = (unsigned)event->end_mark.line + 1;
	return n;
}

/* The properties by which YAML goes beyond plain data are refused. */
static void refuse_properties(struct yaml_reader *r, yaml_mark_t mark, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
	if (anchor)
		complain_blind(r->errors, place_of(r, mark),
		               "anchors (&name) are not allowed here; write the value out");
	if (tag)
		complain_blind(r->errors, place_of(r, mark),
		               "tags (!name) are not allowed here; each option has its own type");
}

static struct node *read_node(struct yaml_reader *r, yaml_event_t *event, unsigned depth);

static struct node *read_scalar(struct yaml_reader *r, const yaml_event_t *event)
{
	struct node *n = make(r, NODE_SCALAR, event);

	refuse_properties(r, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
	n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = store_copy(r->store,
	                     (struct slice){ (const char *)event->data.scalar.value, event->data.scalar.length });
	return n;
}

static struct node *read_list(struct yaml_reader *r, const yaml_event_t *start, unsigned depth)
{
	struct node *list = make(r, NODE_LIST, start);
	yaml_event_t event;

	refuse_properties(r, start->start_mark, start->data.sequence_start.anchor,
	                  start->data.sequence_start.tag);
	while (next(r, &event)) {
		bool ended = event.type == YAML_SEQUENCE_END_EVENT;
		struct node *child = ended ? NULL : read_node(r, &event, depth + 1);
		if (ended)
			list->last_line = (unsigned)event.end_mark.line + 1;
		yaml_event_delete(&event);
		if (ended)
			break;
		if (child)
			node_append(list, child);
	}
	return list;
}

/* The value that has this key already; remembers the new one where there is none. */
static struct node *same_key(struct yaml_reader *r, struct node *map, struct node *child, struct index *many)
{
	if (map->len < FEW)
		return node_find(map, child->key->text);
	if (!many->len) {
		*many = index_of(r->store);
		for (struct node *old = map->first; old; old = old->next)
			index_add(many, old->key->text, old);
	}
	return index_add(many, child->key->text, child);
}

static void add_pair(struct yaml_reader *r, struct node *map, struct node *key, struct node *value,
                     struct index *many)
{
	value->key = key;
	struct node *old = same_key(r, map, value, many);
	if (!old) {
		node_append(map, value);
		return;
	}
	struct slice name = complain_shown(key->text);
	complain_blind(r->errors, key->place, "the key \"%.*s\" is given twice; it stands already at %s:%u:%u",
	               SLICE(name), r->file, old->key->place.line, old->key->place.column);
}

static struct node *read_map(struct yaml_reader *r, const yaml_event_t *start, unsigned depth)
{
	struct node *map = make(r, NODE_MAP, start);
	struct index many = { 0 };
	yaml_event_t event;

	refuse_properties(r, start->start_mark, start->data.mapping_start.anchor, start->data.mapping_start.tag);
	while (next(r, &event)) {
		struct node *key = NULL, *value = NULL;
		bool ended = event.type == YAML_MAPPING_END_EVENT;
		if (ended)
			map->last_line = (unsigned)event.end_mark.line + 1;
		else if (event.type != YAML_SCALAR_EVENT)
			stop(r, event.start_mark, "a key must be a single word");
		else
			key = read_scalar(r, &event);
		yaml_event_delete(&event);
		if (ended || !key || !next(r, &event))
			break;
		value = read_node(r, &event, depth + 1);
		yaml_event_delete(&event);
		if (value)
			add_pair(r, map, key, value, &many);
	}
	return map;
}

static struct node *read_node(struct yaml_reader *r, yaml_event_t *event, unsigned depth)
{
	if (depth > YAML_DEPTH_MAX) {
		stop(r, event->start_mark, "this is nested more than 32 levels deep");
		return NULL;
	}
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, event, depth);
	case YAML_MAPPING_START_EVENT:
		return read_map(r, event, depth);
	case YAML_ALIAS_EVENT:
		complain_blind(r->errors, place_of(r, event->start_mark),
		               "aliases (*name) are not allowed here; write the value out");
		return NULL;
	default:
		stop(r, event->start_mark, "this is not a value");
		return NULL;
	}
}

static void refuse_directives(struct yaml_reader *r, const yaml_event_t *start)
{
	if (start->data.document_start.version_directive ||
	    start->data.document_start.tag_directives.start != start->data.document_start.tag_directives.end)
		complain_blind(r->errors, place_of(r, start->start_mark),
		               "directives (%%YAML, %%TAG) are not allowed here");
}

static struct node *read_stream(struct yaml_reader *r)
{
	struct node *root = NULL;
	yaml_event_t event;
	bool ended = false, begun = false;

	while (!ended && next(r, &event)) {
		if (event.type == YAML_DOCUMENT_START_EVENT) {
			if (begun)
				stop(r, event.start_mark, "a file holds one document; this begins a second one");
			begun = true;
			refuse_directives(r, &event);
		} else if (event.type == YAML_STREAM_END_EVENT) {
			if (!root)
				root = make(r, NODE_MAP, &event);
			ended = true;
		} else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_END_EVENT) {
			root = read_node(r, &event, 1);
		}
		yaml_event_delete(&event);
	}
	return root;
}

struct node *yaml_read(struct store *s, struct slice text, const char *file, struct config_errors *e)
{
	struct yaml_reader r = { .store = s, .file = file, .errors = e, .text = text };
	unsigned errors = e->count;

	if (text.len > YAML_SIZE_MAX) {
		config_complain(e, (struct config_place){ file, 0, 0 }, "the file is larger than 1 MiB");
		return NULL;
	}
	if (!yaml_is_text(text, file, e))
		return NULL;
	if (!yaml_parser_initialize(&r.parser)) {
		config_complain(e, (struct config_place){ file, 0, 0 }, "there is no memory to read the file");
		return NULL;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.at, text.len);
	struct node *root = read_stream(&r);
	yaml_parser_delete(&r.parser);
	return e->count == errors ? root : NULL;
}
