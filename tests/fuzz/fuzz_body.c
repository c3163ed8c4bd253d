/* A field of a form or a JSON body: the first byte chooses.
 * What is found is in normal form, and jansson finds such a member there too. */
#include "limit/body.h"
#include "base/check.h"
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_normal(struct slice found)
{
	char again[BODY_MAX];

	if (!found.len)
		return;
	memcpy(again, found.at, found.len);
	check(slice_same(body_normal(again, found.len), found));
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
		there |= slice_same_nocase(slice_of(name), S("user")) &&
			(json_is_string(value) || json_is_integer(value));
	check(there);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char store[BODY_MAX];
	struct slice body = { (const char *)data + 1, size - 1 };

	if (size < 1 || size > BODY_MAX + 2)
		return 0;
	if (data[0] % 3 == 0) {
		is_normal(body_form(body, S("user"), store));
	} else if (data[0] % 3 == 1) {
		is_normal(body_json(body, S("user.name"), store));
	} else {
		struct slice found = body_json(body, S("user"), store);
		is_normal(found);
		if (found.len)
			agrees(body);
	}
	return 0;
}
