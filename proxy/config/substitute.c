/* substitute.c -- ${env:NAME} and ${file:PATH}, as whole values. What they stand for is never shown. */
#include "config/load.h"

#define VALUE_MAX 65536 /* bytes */

static bool is_variable(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = slice_lower(name.at[i]);
		if (!(c >= 'a' && c <= 'z') && c != '_' && !(i && c >= '0' && c <= '9'))
			return false;
	}
	return name.len > 0;
}

static bool from_environment(struct load *l, const struct node *n, struct slice name, struct slice *value)
{
	struct slice shown = complain_shown(name);

	if (!is_variable(name)) {
		config_complain(l->errors, n->place, "\"%.*s\" is no name of an environment variable", SLICE(shown));
		return false;
	}
	if (!bundle_env(l->bundle, store_copy(&l->scratch, name).at, value)) {
		config_complain(l->errors, n->place, "the environment variable %.*s is not set", SLICE(shown));
		return false;
	}
	return true;
}

static bool from_file(struct load *l, const struct node *n, struct slice path, struct slice *value)
{
	struct parse_with w = { &l->scratch, l->bundle, l->directory };
	struct slice file = { 0 }, shown = complain_shown(path);
	const char *why = "it has no path";

	if (!parse_file(&w, store_copy(&l->scratch, path), &file, &why) ||
	    !bundle_file(l->bundle, file.at, value, &why)) {
		config_complain(l->errors, n->place, "the file \"%.*s\" cannot be read: %s", SLICE(shown),
		                why ? why : "its name has control characters");
		return false;
	}
	if (bundle_is_exposed(l->bundle, file.at))
		config_warn(l->errors, n->place,
		            "%s holds a secret, and everybody on this machine may read it: chmod 600", file.at);
	if (slice_ends(*value, S("\n")))
		value->len--;
	if (slice_ends(*value, S("\r")))
		value->len--;
	return true;
}

/* Is it a whole reference? Then *of is what stands behind the colon. */
static bool is_reference(struct slice text, struct slice prefix, struct slice *of)
{
	if (!slice_starts(text, prefix) || !slice_ends(text, S("}")) || slice_find(text, '}') + 1 != text.len)
		return false;
	*of = slice_head(slice_from(text, prefix.len), text.len - prefix.len - 1);
	return true;
}

/* The value of a scalar that refers to one; false: complained. */
static bool look_up(struct load *l, const struct node *n, struct slice *value)
{
	struct slice of, shown = complain_shown(n->text);
	bool found;

	if (is_reference(n->text, S("${env:"), &of))
		found = from_environment(l, n, of, value);
	else if (is_reference(n->text, S("${file:"), &of))
		found = from_file(l, n, of, value);
	else {
		config_complain(l->errors, n->place, "${...} must be the whole value: ${env:NAME} or ${file:PATH}");
		return false;
	}
	if (!found || (value->len > 0 && value->len <= VALUE_MAX))
		return found;
	config_complain(l->errors, n->place, "what stands behind %.*s is %s", SLICE(shown),
	                value->len ? "longer than 64 KiB" : "empty");
	return false;
}

static void resolve(struct load *l, struct node *n)
{
	struct slice value = { 0 };

	if (!memmem(n->text.at, n->text.len, "${", 2))
		return;
	n->failed = !look_up(l, n, &value);
	n->reference = n->text;
	n->text = store_copy(&l->scratch, value);
	complain_redact(l->errors, value, n->reference);
	n->plain = false;
}

void load_references(struct load *l, struct node *n)
{
	if (n->kind == NODE_SCALAR)
		resolve(l, n);
	for (struct node *child = n->first; child; child = child->next)
		load_references(l, child);
}
