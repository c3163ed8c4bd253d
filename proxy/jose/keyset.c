/* Reads a JWKS. */
#include "jose/keyset.h"
#include "base/strict.h"

/* ---- a set in which some member stands twice: that costs the entry it stands in ---- */

/* Walks valid JSON; the depth behind the byte, and whether it lies in a string. */
struct walk {
	struct slice text;
	size_t at;
	int depth;
	bool quoted;
};

static char next_byte(struct walk *w)
{
	char c = w->text.at[w->at++];

	if (w->quoted) {
		w->at += c == '\\';
		w->quoted = c != '"';
		return 0;
	}
	w->quoted = c == '"';
	w->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
	return c;
}

/* Behind the '[' of the root's "keys", written like this and once. False: there is none. */
static bool find_keys(struct walk *w)
{
	struct slice name = S("\"keys\"");
	struct walk found = { 0 };

	while (w->at < w->text.len) {
		size_t begin = w->at;
		char c = next_byte(w);
		if (c != '"' || w->depth != 1 || !slice_starts(slice_from(w->text, begin), name))
			continue;
		w->at = begin + name.len;
		w->quoted = false;
		while (w->at < w->text.len && strchr(" \t\r\n", w->text.at[w->at]))
			w->at++;
		if (w->at == w->text.len || w->text.at[w->at] != ':')
			continue;
		if (found.text.at)
			return false;
		while (w->at < w->text.len && (c = next_byte(w)) != '[' && w->depth == 1)
			;
		if (w->depth != 2)
			return false;
		found = *w;
	}
	*w = found;
	return found.text.at;
}

/* The next element's text; false at the end of the array. */
static bool next_element(struct walk *w, struct slice *to)
{
	size_t begin = w->at;
	char c = 0;

	while (w->depth >= 2 && w->at < w->text.len) {
		c = next_byte(w);
		if ((c == ',' && w->depth == 2) || w->depth < 2)
			break;
	}
	*to = slice_trim((struct slice){ w->text.at + begin, w->at - begin - (w->at > begin) });
	return to->len > 0;
}

static json_t *read_entry(struct slice text)
{
	json_t *entry = strict_read(text);

	if (entry)
		return entry;
	json_t *loose = strict_read_loosely(text), *kid = json_object_get(loose, "kid");
	entry = json_pack("{s:b}", KEYSET_TWICE, true);
	if (json_is_string(kid))
		json_object_set(entry, "kid", kid);
	json_decref(loose);
	return entry;
}

/* The document, its entries read one by one; NULL: the root itself is ambiguous. */
static json_t *read_apart(struct slice jwks)
{
	struct walk w = { .text = jwks };
	struct slice text;
	json_t *loose = strict_read_loosely(jwks);
	bool good = json_is_array(json_object_get(loose, "keys")) && find_keys(&w);

	json_decref(loose);
	if (!good)
		return NULL;
	json_t *keys = json_array();
	while (next_element(&w, &text))
		json_array_append_new(keys, read_entry(text));
	return json_pack("{s:o}", "keys", keys);
}

json_t *keyset_array(struct slice jwks, const char **why)
{
	*why = NULL;
	if (jwks.len > KEYSET_BYTES_MAX) {
		*why = "the key set is over 64 KiB";
		return NULL;
	}
	json_t *root = strict_read(jwks);
	if (!root)
		root = read_apart(jwks);
	json_t *keys = json_object_get(root, "keys");
	if (!root)
		*why = "the key set is no valid JSON";
	else if (!json_is_array(keys))
		*why = "the key set has no array \"keys\"";
	else if (json_array_size(keys) == 0)
		*why = "the key set is empty";
	else if (json_array_size(keys) > KEYSET_KEYS_MAX)
		*why = "the key set has more than 64 keys";
	keys = *why ? NULL : json_incref(keys);
	json_decref(root);
	return keys;
}

struct keyset *keyset_read(struct slice jwks, const char **why)
{
	json_t *keys = keyset_array(jwks, why), *jwk;
	const char *skipped = NULL;
	size_t i;

	if (!keys)
		return NULL;
	struct keyset *s = calloc(1, sizeof *s);
	json_array_foreach(keys, i, jwk) {
		struct jwk *k = s ? &s->at[s->len] : NULL;
		if (k && key_read(jwk, k, &skipped))
			s->len++;
	}
	json_decref(keys);
	if (s && s->len)
		return s;
	free(s);
	*why = "the key set has no key that can verify signatures";
	return NULL;
}

void keyset_free(struct keyset *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->len; i++)
		key_wipe(&s->at[i]);
	free(s);
}

bool keyset_has_kid(const struct keyset *s, struct slice kid)
{
	for (size_t i = 0; s && i < s->len; i++)
		if (slice_same(s->at[i].kid, kid))
			return true;
	return false;
}
