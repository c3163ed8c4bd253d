/* introspect_signed.c -- an introspection answer as a signed JWT (RFC 9701): who signed it, and for whom. */
#include "base/strict.h"
#include "issuer/introspect_reply.h"
#include <stdio.h>
#include <stdlib.h>

static struct slice trimmed(struct slice body)
{
	while (body.len && strchr(" \t\r\n", body.at[0]))
		body = slice_from(body, 1);
	while (body.len && strchr(" \t\r\n", body.at[body.len - 1]))
		body.len--;
	return body;
}

bool reply_is_signed(struct slice body)
{
	return slice_starts(trimmed(body), S("ey")); /* base64url of a brace and a quote */
}

static bool is_ours(const struct config_issuer *issuer, const json_t *item)
{
	struct slice name = { json_string_value(item), json_string_length(item) };

	if (!name.len)
		return false;
	return slice_same(name, issuer->opaque->client_id) || texts_have(&issuer->audiences, name);
}

/* By our name at the issuer, or as the API that tokens are for (section 5: the resource server). */
static bool is_for_us(const struct config_issuer *issuer, const json_t *audience)
{
	for (size_t i = 0; i < json_array_size(audience); i++)
		if (is_ours(issuer, json_array_get(audience, i)))
			return true;
	return is_ours(issuer, audience);
}

static const char *check_times(struct reply_signed *s, const json_t *root)
{
	const json_t *issued = json_object_get(root, "iat"), *expires = json_object_get(root, "exp");
	double now = (double)s->wall_s, skew = (double)s->skew_s;

	if (!json_is_number(issued) || json_number_value(issued) < 0)
		return "it does not say when it was issued (iat)";
	if (json_number_value(issued) > now + skew)
		return "it was issued in the future (iat)";
	if (expires && (!json_is_number(expires) || json_number_value(expires) <= now - skew))
		return "it has expired (exp)";
	s->issued_s = (uint64_t)json_number_value(issued);
	return NULL;
}

static const char *check_claims(struct reply_signed *s, const json_t *root)
{
	if (!json_is_object(root))
		return "its claims are no JSON object without doubled members";
	if (!slice_same(strict_text(root, "iss"), s->issuer->issuer))
		return "its iss is another issuer";
	if (!is_for_us(s->issuer, json_object_get(root, "aud")))
		return "its aud is neither opaque.client_id nor among the issuer's audiences";
	if (!json_is_object(json_object_get(root, "token_introspection")))
		return "it has no token_introspection";
	return check_times(s, root);
}

static const char *check_signature(struct reply_signed *s)
{
	const struct jwt *jwt = &s->jwt;
	bool is_good = false;
	const char *skipped;
	size_t i;
	json_t *jwk;

	s->is_of_unknown_key = true;
	json_array_foreach((json_t *)(uintptr_t)s->keys, i, jwk) {
		struct jwk key;
		if (is_good || !key_read(jwk, &key, &skipped))
			continue;
		bool suits = (!jwt->kid.len || slice_same(key.kid, jwt->kid)) && key_suits(&key, jwt->alg);
		s->is_of_unknown_key &= !suits;
		is_good = suits && key_verifies(&key, s->crypt, jwt->alg, jwt->signed_part, jwt->signature);
		key_wipe(&key);
	}
	if (s->is_of_unknown_key)
		return "the issuer has no key of that kid and algorithm";
	return is_good ? NULL : "its signature is wrong";
}

/* In compact form with five parts (RFC 7516 section 3.1). */
static bool is_encrypted(struct slice token)
{
	unsigned dots = 0;

	for (size_t i = 0; i < token.len; i++)
		dots += token.at[i] == '.';
	return dots == 4;
}

static const char *judge(struct reply_signed *s, struct slice body, const struct jwt_scratch *scratch,
                         json_t **root)
{
	struct slice payload = { 0 };

	if (is_encrypted(body))
		return "it is encrypted, and nobody here has a key for that";
	enum fault fault = jwt_open(body, JWT_INTROSPECTION, scratch, &s->jwt, &payload);

	if (fault)
		return s->jwt.why ? s->jwt.why : "its algorithm is none of ours";
	*root = strict_read(payload);
	const char *why = check_claims(s, *root);
	return why ? why : check_signature(s);
}

char *reply_open(struct reply_signed *s, struct slice body)
{
	struct slice token = trimmed(body);
	struct jwt_scratch scratch = { .decoded = malloc(token.len + 1), .size = token.len };
	json_t *root = NULL;
	char *said = NULL;

	s->is_of_unknown_key = false;
	const char *why = scratch.decoded ? judge(s, token, &scratch, &root) : "out of memory";
	if (!why)
		said = json_dumps(json_object_get(root, "token_introspection"), JSON_COMPACT);
	if (!said)
		snprintf(s->why, sizeof s->why, "it is a signed answer (RFC 9701), but %s",
		         why ? why : "out of memory");
	json_decref(root);
	free(scratch.decoded);
	return said;
}
