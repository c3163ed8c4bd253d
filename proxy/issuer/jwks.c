/* Reads discovery documents and key sets, and merges key sets. */
#include "issuer/jwks.h"
#include "base/ip.h"
#include "base/strict.h"
#include "base/text.h"

static struct slice host_of(struct slice rest)
{
	size_t len = 0;

	if (rest.len && rest.at[0] == '[') {
		len = slice_find(rest, ']');
		return slice_head(rest, len + 1);
	}
	while (len < rest.len && !strchr(":/?#", rest.at[len]))
		len++;
	return slice_head(rest, len);
}

bool jwks_is_safe_url(struct slice url)
{
	struct slice secure = S("https://"), plain = S("http://");
	bool is_secure = slice_starts(url, secure);

	if (!is_secure && !slice_starts(url, plain))
		return false;
	for (size_t i = 0; i < url.len; i++)
		if ((unsigned char)url.at[i] <= 0x20 || (unsigned char)url.at[i] >= 0x7f || url.at[i] == '\\')
			return false;
	struct slice rest = slice_from(url, is_secure ? secure.len : plain.len), authority = rest;
	authority = slice_cut(&authority, '/');
	if (slice_find(authority, '@') < authority.len)
		return false;
	struct slice host = host_of(rest);
	return host.len && (is_secure || host_is_loopback(host));
}

bool jwks_discovery_url(struct slice issuer, char *to, size_t cap)
{
	struct text t = { .at = to, .cap = cap };

	if (!jwks_is_safe_url(issuer))
		return false;
	text_add(&t, slice_head(issuer, issuer.len - (issuer.at[issuer.len - 1] == '/')));
	text_add(&t, S("/.well-known/openid-configuration"));
	return text_end(&t);
}

const char *jwks_discovery(struct slice document, struct slice issuer, char *to, size_t cap)
{
	struct text t = { .at = to, .cap = cap };
	json_t *root = strict_read(document);
	struct slice uri = strict_text(root, "jwks_uri");
	const char *why = NULL;

	if (!json_is_object(root))
		why = "its discovery document is no valid JSON";
	else if (!slice_same(strict_text(root, "issuer"), issuer))
		why = "its discovery document speaks of another issuer";
	else if (!jwks_is_safe_url(uri))
		why = "its discovery document has no jwks_uri that is https";
	else if (uri.len >= cap)
		why = "its jwks_uri is too long";
	if (!why) {
		text_add(&t, uri);
		to[t.len] = '\0';
	}
	json_decref(root);
	return why;
}

bool jwks_signs_introspection(struct slice document)
{
	json_t *root = strict_read(document), *alg;
	const json_t *algs = json_object_get(root, "introspection_signing_alg_values_supported");
	bool signs = false;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)algs, i, alg)
		signs |= alg_named((struct slice){ json_string_value(alg), json_string_length(alg) }) != ALG_NONE;
	json_decref(root);
	return signs;
}

static json_t *reduce(const json_t *jwk)
{
	static const char *const kept[] = { "kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y" };
	json_t *to = json_object();

	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		json_t *member = json_object_get(jwk, kept[i]);
		if (member && !json_is_null(member) && json_object_set(to, kept[i], member) != 0) {
			json_decref(to);
			return NULL;
		}
	}
	return to;
}

static bool has(const json_t *keys, const json_t *jwk)
{
	size_t i;
	json_t *other;

	json_array_foreach((json_t *)(uintptr_t)keys, i, other)
		if (json_equal(other, jwk))
			return true;
	return false;
}

json_t *jwks_keys(struct slice jwks, const char **why)
{
	json_t *all = keyset_array(jwks, why), *usable, *jwk;
	const char *skipped;
	size_t i;

	if (!all)
		return NULL;
	usable = json_array();
	json_array_foreach(all, i, jwk) {
		struct jwk key;
		if (!key_read(jwk, &key, &skipped))
			continue;
		key_wipe(&key);
		json_t *small = reduce(jwk);
		if (small && !has(usable, small))
			json_array_append(usable, small);
		json_decref(small);
	}
	json_decref(all);
	if (json_array_size(usable))
		return usable;
	json_decref(usable);
	*why = "the key set has no key that can verify signatures";
	return NULL;
}

static void note_unreadable(json_t *to, const json_t *jwk)
{
	const char *kid = json_string_value(json_object_get(jwk, "kid")), *why;
	struct jwk key;

	if (!kid || !json_is_object(jwk))
		return;
	if (key_read(jwk, &key, &why))
		key_wipe(&key);
	else if (!key_is_for_others(jwk))
		json_object_set_new(to, kid, json_string(why));
}

json_t *jwks_unreadable(struct slice jwks)
{
	const char *why;
	json_t *all = keyset_array(jwks, &why), *found = json_object(), *usable = jwks_keys(jwks, &why), *jwk;
	size_t i;

	json_array_foreach(all, i, jwk)
		note_unreadable(found, jwk);
	json_array_foreach(usable, i, jwk)
		if (json_object_get(jwk, "kid"))
			json_object_del(found, json_string_value(json_object_get(jwk, "kid")));
	json_decref(usable);
	json_decref(all);
	return found;
}

json_t *jwks_merge(const json_t *latest, const json_t *old, json_t **doubtful)
{
	json_t *merged = json_array(), *missing = json_array(), *jwk;
	size_t i;

	json_array_extend(merged, (json_t *)(uintptr_t)latest);
	json_array_foreach((json_t *)(uintptr_t)old, i, jwk) {
		if (has(latest, jwk) || has(*doubtful, jwk))
			continue; /* still there; or missing twice in a row, hence revoked */
		json_array_append(merged, jwk);
		json_array_append(missing, jwk);
	}
	json_decref(*doubtful);
	*doubtful = missing;
	return merged;
}

json_t *jwks_without(const json_t *keys, const json_t *doubtful)
{
	json_t *rest = json_array(), *jwk;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)keys, i, jwk)
		if (!has(doubtful, jwk))
			json_array_append(rest, jwk);
	return rest;
}

char *jwks_text(const json_t *keys)
{
	json_t *root = json_pack("{s:O}", "keys", keys);
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(root);
	if (text && strlen(text) <= KEYSET_BYTES_MAX && json_array_size(keys) <= KEYSET_KEYS_MAX)
		return text;
	free(text);
	return NULL;
}

bool jwks_has_kid(const json_t *keys, struct slice kid)
{
	size_t i;
	json_t *jwk;

	json_array_foreach((json_t *)(uintptr_t)keys, i, jwk)
		if (slice_same(strict_text(jwk, "kid"), kid))
			return true;
	return false;
}
