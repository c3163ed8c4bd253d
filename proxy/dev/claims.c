/* Signs the claims of a token. */
#include "dev/claims.h"
#include "base/random.h"
#include "base/text.h"
#include <jansson.h>
#include <stdlib.h>

static bool set(json_t *to, const char *name, struct slice value)
{
	return !value.len || json_object_set_new(to, name, json_stringn(value.at, value.len)) == 0;
}

static bool set_time(json_t *to, const char *name, uint64_t s)
{
	return json_object_set_new(to, name, json_integer((json_int_t)s)) == 0;
}

char *claims_sign(const struct token_claims *c, const struct signer *key)
{
	unsigned char random[16];
	char id[33], *signed_text = NULL, *payload = NULL;
	struct text jti = TEXT(id);
	json_t *o = json_object();

	random_bytes(random, sizeof random);
	text_hex(&jti, random, sizeof random);
	if (set(o, "iss", c->issuer) && set(o, "sub", c->subject) && set(o, "aud", c->audience) &&
	    set(o, "azp", c->client) && set(o, "client_id", c->client) && set(o, "org_id", c->tenant) &&
	    set(o, "scope", c->scope) && set(o, "jti", text_slice(&jti)) && set_time(o, "iat", c->issued_s) &&
	    set_time(o, "exp", c->issued_s + c->lasts_s))
		payload = json_dumps(o, JSON_COMPACT);
	if (payload)
		signed_text = signer_sign(key, payload);
	free(payload);
	json_decref(o);
	return signed_text;
}
