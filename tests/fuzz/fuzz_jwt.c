/* Everything of tokens that strangers write: whole Authorization values, headers, payloads; and what issuers
 * write: key sets and discovery documents. The first byte says which. */
#include "base/check.h"
#include "base/text.h"
#include "issuer/jwks.h"
#include "jose/jwt.h"
#include "verify/credential.h"
#include <stdlib.h>

#define SIZE 16384

static char decoded[SIZE], texts[SIZE];
static const struct jwt_scratch scratch = { decoded, texts, SIZE };
static const struct claims_names names = { { "azp", 3 }, { "org_id", 6 }, { 0 } };
static const struct claims_plan plan = { &names, 1, { 0 }, false };

/* What was taken must be as the rest of the house relies on. */
static void hold(const struct claims *c)
{
	for (enum claim i = 0; i < CLAIMS; i++) {
		struct slice s = claims_get(c, i);
		check(c->part[i].at + c->part[i].len <= c->len);
		if (i != CLAIM_AUDIENCE && i != CLAIM_PERMISSIONS)
			for (size_t j = 0; j < s.len; j++)
				check((unsigned char)s.at[j] >= 0x20 && s.at[j] != 0x7f);
		claims_have(c, i, S("x"));
	}
	check(c->expires_s > 0);
}

static void read_token(struct slice token)
{
	static struct jwt jwt;

	if (jwt_read(token, &plan, &scratch, &jwt) != FAULT_NONE)
		return;
	check(jwt.alg > ALG_NONE && jwt.alg < ALGS);
	check(jwt.signed_part.len + jwt.signature.len < token.len + 1);
	hold(&jwt.claims);
}

static void read_header(struct slice header)
{
	static char room[2 * SIZE];
	struct text t = TEXT(room);

	text_base64url(&t, header.at, header.len);
	text_add(&t, S(".eyJleHAiOjl9.AAAA"));
	if (!t.cut)
		read_token(text_slice(&t));
}

static void read_payload(struct slice payload)
{
	struct claims claims;
	size_t whose;

	if (payload.len <= SIZE && claims_read(payload, &plan, texts, SIZE, &claims, &whose))
		hold(&claims);
}

static void read_keys(struct slice jwks)
{
	const char *why = NULL;
	struct keyset *set = keyset_read(jwks, &why);
	json_t *usable = jwks_keys(jwks, &why);

	check(!set == !usable && (set || why));
	char *text = usable ? jwks_text(usable) : NULL;
	struct keyset *again = text ? keyset_read(slice_of(text), &why) : NULL;
	check(!text || (again && again->len <= set->len)); /* what the keeper publishes, a worker can read */
	keyset_free(again);
	keyset_free(set);
	json_decref(usable);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = { (const char *)data + 1, size - 1 }, token;
	char uri[JWKS_URI_MAX];

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'B':
		if (bearer_read(rest, &token) && bearer_is_token(token))
			read_token(token);
		break;
	case 'H':
		read_header(rest);
		break;
	case 'P':
		read_payload(rest);
		break;
	case 'K':
		read_keys(rest);
		break;
	case 'D':
		if (!jwks_discovery(rest, S("https://i/"), uri, sizeof uri))
			check(jwks_is_safe_url(slice_of(uri)));
		break;
	default:
		jwks_is_safe_url(rest);
	}
	return 0;
}
