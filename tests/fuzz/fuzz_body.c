/* A field of a form, a JSON body or a multipart form, whole or not: the first byte chooses.
 * What is found is in normal form, and jansson finds such a member there too. */
#include "base/check.h"
#include "request/body_field.h"
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_normal(struct slice found)
{
	static char again[sizeof(struct field_store)];

	if (!found.len)
		return;
	memcpy(again, found.at, found.len);
	check(slice_same(field_normal(again, found.len), found));
}

/* The member is there as a string or an integer, for a reader that takes the last of several. */
static void agrees(struct slice body)
{
	json_t *o = json_loadb(body.at, body.len, JSON_ALLOW_NUL, NULL), *value;
	const char *name;
	bool there = false;

	if (!o) /* jansson wants UTF-8 throughout and numbers that fit a double; we do not look */
		return;
	check(json_is_object(o));
	json_object_foreach(o, name, value)
		there |=
		    slice_same_nocase(slice_of(name), S("user")) && (json_is_string(value) || json_is_integer(value));
	check(there);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct field_store store;
	struct field_source body = { .bytes = { (const char *)data + 1, size - 1 }, .whole = true };
	struct slice found;
	bool json;

	if (size < 1 || size > BODY_FIELD_MAX + 1)
		return 0;
	json = data[0] % 4 == 1 || data[0] % 4 == 2;
	if (data[0] % 4 == 3)
		body.type = S("multipart/form-data; boundary=b");
	body.whole = data[0] % 8 < 4;
	if (body_field(&body, json, data[0] % 4 == 1 ? S("user.name") : S("user"), &store, &found) != FIELD_READ)
		return 0;
	is_normal(found);
	if (data[0] % 8 == 2)
		agrees(body.bytes);
	return 0;
}
