/* empty.c -- does a body list anything? Nothing: no bytes, null, [], {} or "", and an object whose lists, of
 * which it has one at least, are all empty ({"items": [], "total": 0}). */
#include "guard/inside.h"
#include <jansson.h>

static bool is_empty(const json_t *v)
{
	return json_is_null(v) || (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_object(v) && !json_object_size(v)) || (json_is_string(v) && !json_string_length(v));
}

static bool lists_nothing(json_t *object)
{
	const char *name;
	json_t *member;
	size_t lists = 0;

	json_object_foreach(object, name, member) {
		if (json_is_array(member) && json_array_size(member))
			return false;
		lists += json_is_array(member);
	}
	return lists > 0;
}

/* Only what may be empty is parsed: a list that holds something is read no farther than its brackets. */
static bool may_be_empty(struct slice body)
{
	struct slice rest = body;

	if (body.len <= 64)
		return true;
	while (rest.len) {
		slice_cut(&rest, '[');
		struct slice inside = rest;
		while (inside.len &&
		       (inside.at[0] == ' ' || inside.at[0] == '\t' || inside.at[0] == '\r' || inside.at[0] == '\n'))
			inside = slice_from(inside, 1);
		if (inside.len && inside.at[0] == ']')
			return true;
	}
	return false;
}

enum holding body_holds(struct slice body, bool whole)
{
	if (!whole)
		return HOLDS_SOMETHING;
	if (!body.len)
		return HOLDS_NOTHING;
	if (!may_be_empty(body))
		return HOLDS_SOMETHING;
	json_t *v = json_loadb(body.at, body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	enum holding holds = !v                                                       ? HOLDS_UNREADABLE
	                     : is_empty(v) || (json_is_object(v) && lists_nothing(v)) ? HOLDS_NOTHING
	                                                                              : HOLDS_SOMETHING;
	json_decref(v);
	return holds;
}
