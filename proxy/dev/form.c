/* Reads forms. */
#include "dev/form.h"
#include "base/urlencoded.h"
#include <jansson.h>

bool form_decode(struct form *f, struct slice from, struct slice *to)
{
	char *out = arena_take(&f->arena, from.len ? from.len : 1);
	size_t len = 0;

	if (!out || !urlencoded_decode(from, out, &len))
		return false;
	*to = (struct slice){ out, len };
	return true;
}

struct slice form_get(const struct form *f, const char *name)
{
	for (size_t i = 0; i < f->len; i++)
		if (slice_same(f->at[i].name, slice_of(name)))
			return f->at[i].value;
	return S("");
}

bool form_add(struct form *f, struct slice name, struct slice value)
{
	for (size_t i = 0; i < f->len; i++)
		if (slice_same(f->at[i].name, name))
			return false;
	if (f->len == FORM_MAX)
		return false;
	f->at[f->len].name = name;
	f->at[f->len++].value = value;
	return true;
}

static bool read_urlencoded(struct form *f, struct slice body)
{
	struct slice name, value;

	while (urlencoded_next(&body, &name, &value))
		if (!form_decode(f, name, &name) || !form_decode(f, value, &value) || !form_add(f, name, value))
			return false;
	return true;
}

static bool read_json(struct form *f, struct slice body)
{
	json_t *o = json_loadb(body.at, body.len, JSON_REJECT_DUPLICATES, NULL), *value;
	const char *name;
	bool ok = json_is_object(o);

	json_object_foreach(o, name, value) {
		struct slice n = arena_copy(&f->arena, slice_of(name)), v = S("");
		if (json_is_string(value))
			v = arena_copy(&f->arena, (struct slice){ json_string_value(value), json_string_length(value) });
		ok = ok && json_is_string(value) && n.at && v.at && form_add(f, n, v);
	}
	json_decref(o);
	return ok;
}

bool form_read(struct form *f, struct slice content_type, struct slice body)
{
	struct slice type = slice_trim(slice_cut(&content_type, ';'));

	f->len = 0;
	arena_init(&f->arena, f->store, sizeof f->store);
	if (slice_same_nocase(type, S("application/x-www-form-urlencoded")))
		return read_urlencoded(f, body);
	if (slice_same_nocase(type, S("application/json")))
		return read_json(f, body);
	return false;
}
