/* Reads JSON from untrusted peers. */
#include "base/strict.h"
#include <stdlib.h>

/* Before the parser recurses: does the nesting stay within the bound? Strings are skipped. */
static bool is_shallow(struct slice bytes)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.at[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > STRICT_DEPTH)
				return false;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return true;
}

static json_t *read(struct slice bytes, size_t flags)
{
	json_error_t error;

	if (!bytes.len || !is_shallow(bytes))
		return NULL;
	char *copy = strict_large_numbers(bytes, &bytes.len);
	json_t *root = json_loadb(copy ? copy : bytes.at, bytes.len, flags, &error);
	free(copy);
	return root;
}

json_t *strict_read(struct slice bytes)
{
	return read(bytes, JSON_REJECT_DUPLICATES);
}

json_t *strict_read_loosely(struct slice bytes)
{
	return read(bytes, 0);
}

struct slice strict_text(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_string(member))
		return (struct slice){ 0 };
	return (struct slice){ json_string_value(member), json_string_length(member) };
}

bool strict_is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
			return false;
	return s.len == 0 || (s.at[0] != ' ' && s.at[s.len - 1] != ' ');
}
