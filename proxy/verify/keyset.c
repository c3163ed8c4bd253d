#include "verify/keyset.h"
#include "verify/strict.h"

json_t *keyset_array(struct slice jwks, const char **why)
{
	*why = NULL;
	if (jwks.len > KEYSET_BYTES_MAX) {
		*why = "the key set is over 64 KiB";
		return NULL;
	}
	json_t *root = strict_read(jwks);
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
		struct key *k = s ? &s->at[s->len] : NULL;
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
