/* Checking a signature with a prepared context. */
#include "base/check.h"
#include "jose/key.h"
#include <openssl/err.h>
#include <openssl/rsa.h>

static const struct {
	struct slice name;
	enum key_kind kind;
	enum hash hash;
	int padding; /* of RSA */
} algs[ALGS] = {
	[ALG_RS256] = { { "RS256", 5 }, KEY_RSA, HASH_SHA256, RSA_PKCS1_PADDING },
	[ALG_RS384] = { { "RS384", 5 }, KEY_RSA, HASH_SHA384, RSA_PKCS1_PADDING },
	[ALG_RS512] = { { "RS512", 5 }, KEY_RSA, HASH_SHA512, RSA_PKCS1_PADDING },
	[ALG_PS256] = { { "PS256", 5 }, KEY_RSA, HASH_SHA256, RSA_PKCS1_PSS_PADDING },
	[ALG_PS384] = { { "PS384", 5 }, KEY_RSA, HASH_SHA384, RSA_PKCS1_PSS_PADDING },
	[ALG_PS512] = { { "PS512", 5 }, KEY_RSA, HASH_SHA512, RSA_PKCS1_PSS_PADDING },
	[ALG_ES256] = { { "ES256", 5 }, KEY_P256, HASH_SHA256, 0 },
	[ALG_ES384] = { { "ES384", 5 }, KEY_P384, HASH_SHA384, 0 },
	[ALG_EDDSA] = { { "EdDSA", 5 }, KEY_ED25519, HASH_SHA512, 0 },
};

enum alg alg_named(struct slice name)
{
	for (enum alg a = ALG_NONE + 1; a < ALGS; a++)
		if (slice_same(name, algs[a].name))
			return a;
	return slice_same(name, S("Ed25519")) ? ALG_EDDSA : ALG_NONE; /* as RFC 9864 names it */
}

bool key_suits(const struct jwk *k, enum alg alg)
{
	return alg != ALG_NONE && algs[alg].kind == k->kind && (k->only == ALG_NONE || k->only == alg);
}

static bool set_padding(EVP_PKEY_CTX *ctx, enum alg alg)
{
	if (algs[alg].kind != KEY_RSA)
		return true;
	if (EVP_PKEY_CTX_set_rsa_padding(ctx, algs[alg].padding) != 1)
		return false;
	return algs[alg].padding != RSA_PKCS1_PSS_PADDING ||
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1; /* RFC 7518 section 3.5 */
}

/* The context of this key and algorithm; made at the first call, NULL where OpenSSL cannot. */
static EVP_PKEY_CTX *prepared(struct jwk *k, struct crypt *c, enum alg alg)
{
	if (k->ctx[alg])
		return k->ctx[alg];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	if (!ctx || EVP_PKEY_verify_init(ctx) != 1 || !set_padding(ctx, alg) ||
	    EVP_PKEY_CTX_set_signature_md(ctx, c->md[algs[alg].hash]) != 1) {
		EVP_PKEY_CTX_free(ctx);
		return NULL;
	}
	return k->ctx[alg] = ctx;
}

/* One INTEGER of DER, from big-endian bytes. */
static size_t put_integer(unsigned char *to, const unsigned char *from, size_t len)
{
	while (len > 1 && from[0] == 0)
		from++, len--;
	bool sign = from[0] & 0x80;
	to[0] = 2;
	to[1] = (unsigned char)(len + sign);
	to[2] = 0;
	memcpy(to + 2 + sign, from, len);
	return 2 + sign + len;
}

/* JOSE's r || s (RFC 7518 section 3.4) as the DER that OpenSSL wants; at most 104 bytes for P-384. */
static size_t put_der(unsigned char *to, struct slice signature)
{
	const unsigned char *bytes = (const unsigned char *)signature.at;
	size_t half = signature.len / 2;
	size_t len = put_integer(to + 2, bytes, half);

	len += put_integer(to + 2 + len, bytes + half, half);
	to[0] = 0x30;
	to[1] = (unsigned char)len;
	return 2 + len;
}

static bool verify_digest(struct jwk *k, struct crypt *c, enum alg alg, struct slice of,
                          struct slice signature)
{
	unsigned char digest[HASH_MAX], der[2 + 2 * (2 + 1 + 48)];
	const unsigned char *given = (const unsigned char *)signature.at;
	size_t digest_len, given_len = signature.len;
	EVP_PKEY_CTX *ctx = prepared(k, c, alg);

	if (!ctx || !crypt_digest(c, algs[alg].hash, of, digest, &digest_len))
		return false;
	if (k->kind != KEY_RSA) {
		given_len = put_der(der, signature);
		given = der;
	}
	return EVP_PKEY_verify(ctx, given, given_len, digest, digest_len) == 1;
}

/* Ed25519 hashes by itself; a copy of the prepared context, since such a context may be used up by a use. */
static bool verify_edwards(struct jwk *k, struct crypt *c, struct slice of, struct slice signature)
{
	if (!k->edwards) {
		EVP_MD_CTX *made = EVP_MD_CTX_new();
		if (!made || EVP_DigestVerifyInit_ex(made, NULL, NULL, NULL, NULL, k->pkey, NULL) != 1) {
			EVP_MD_CTX_free(made);
			return false;
		}
		k->edwards = made;
	}
	return EVP_MD_CTX_copy_ex(c->spare, k->edwards) == 1 &&
	       EVP_DigestVerify(c->spare, (const unsigned char *)signature.at, signature.len,
	                        (const unsigned char *)of.at, of.len) == 1;
}

bool key_verifies(struct jwk *k, struct crypt *c, enum alg alg, struct slice of, struct slice signature)
{
	check(key_suits(k, alg));
	if (signature.len != k->signature_len)
		return false;
	bool good =
	    alg == ALG_EDDSA ? verify_edwards(k, c, of, signature) : verify_digest(k, c, alg, of, signature);
	if (!good)
		ERR_clear_error();
	return good;
}
