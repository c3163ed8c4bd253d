/* key.h -- one public key of an issuer (RFC 7517), ready to verify signatures (RFC 7518, 8037). Part of
 * jose's door.
 *
 * What a key may verify follows from the key: its type, curve, size and, where said, its alg. The token's
 * header is only compared with that. Contexts are made at the first use of an algorithm and kept, so that
 * afterwards nothing is fetched from OpenSSL's providers. */
#pragma once
#include "crypto/crypto.h"
#include <jansson.h>

enum alg {
	ALG_NONE,
	ALG_RS256,
	ALG_RS384,
	ALG_RS512,
	ALG_PS256,
	ALG_PS384,
	ALG_PS512,
	ALG_ES256,
	ALG_ES384,
	ALG_EDDSA,
	ALGS
};

#define KID_MAX 255 /* bytes; longer ones are refused in tokens and skipped in key sets */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define SIGNATURE_MAX (RSA_BITS_MAX / 8)

enum key_kind { KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 };

struct jwk {
	struct slice kid; /* into kid_bytes; empty where the key has none */
	char kid_bytes[KID_MAX];
	enum key_kind kind;
	enum alg only; /* the JWK's alg; ALG_NONE where it has none */
	size_t signature_len;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx[ALGS];
	EVP_MD_CTX *edwards; /* prepared, only ever copied */
};

/* By name, as in a header; ALG_NONE where it is not one of ours. */
enum alg alg_named(struct slice name);

/* A JWK that can verify signatures; false where it cannot (*why says so) and nothing is to be freed. */
bool key_read(const json_t *jwk, struct jwk *to, const char **why) __attribute__((warn_unused_result));
/* Does it say that it is not for verifying signatures (use, key_ops), or that it is private? */
bool key_is_for_others(const json_t *jwk);
/* A member that keyset.h gives to an entry in which some member stands twice. */
#define KEYSET_TWICE "sallyport: a member twice"
void key_wipe(struct jwk *k);

bool key_suits(const struct jwk *k, enum alg alg);
/* Is the signature over `of` this key's? alg must suit the key. Leaves no OpenSSL error behind. */
bool key_verifies(struct jwk *k, struct crypt *c, enum alg alg, struct slice of, struct slice signature);
