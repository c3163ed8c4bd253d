/* Reads one JWK. */
#include "jose/key.h"
#include "base/check.h"
#include "base/strict.h"
#include "base/text.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

static const struct {
	const char *curve;
	size_t len; /* bytes of a coordinate */
} curves[] = { [KEY_P256] = { "P-256", 32 }, [KEY_P384] = { "P-384", 48 } };

static bool decode(const json_t *jwk, const char *name, unsigned char *to, size_t cap, size_t *len)
{
	struct slice text = strict_text(jwk, name);

	return text.len && text_base64url_decode(text, to, cap, len) && *len;
}

static EVP_PKEY *build(const char *type, OSSL_PARAM_BLD *from)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(from);
	EVP_PKEY *pkey = NULL;

	if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static const char *read_rsa(const json_t *jwk, struct jwk *to)
{
	unsigned char n[SIGNATURE_MAX + 1], e[8];
	size_t n_len, e_len;

	if (!decode(jwk, "n", n, sizeof n, &n_len) || !decode(jwk, "e", e, sizeof e, &e_len))
		return "n or e is missing, too long or no base64url";
	BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL), *exponent = BN_bin2bn(e, (int)e_len, NULL);
	OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
	const char *why = NULL;
	if (!modulus || !exponent || !params)
		why = "out of memory";
	else if (BN_num_bits(modulus) < RSA_BITS_MIN || BN_num_bits(modulus) > RSA_BITS_MAX)
		why = "an RSA key must have 2048 to 8192 bits";
	else if (!BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_is_one(exponent))
		why = "the RSA key is none";
	else if (OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
	         OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_E, exponent) != 1 ||
	         !(to->pkey = build("RSA", params)))
		why = "OpenSSL refused the RSA key";
	else
		to->signature_len = ((size_t)BN_num_bits(modulus) + 7) / 8;
	OSSL_PARAM_BLD_free(params);
	BN_free(modulus);
	BN_free(exponent);
	to->kind = KEY_RSA;
	return why;
}

static const char *read_ec(const json_t *jwk, struct jwk *to)
{
	struct slice curve = strict_text(jwk, "crv");
	unsigned char point[1 + 2 * 48] = { 4 }; /* uncompressed (SEC 1) */
	size_t x_len, y_len;

	if (!slice_same(curve, S("P-256")) && !slice_same(curve, S("P-384")))
		return "the curve is neither P-256 nor P-384";
	to->kind = slice_same(curve, S("P-256")) ? KEY_P256 : KEY_P384;
	size_t half = curves[to->kind].len;
	if (!decode(jwk, "x", point + 1, half, &x_len) || x_len != half ||
	    !decode(jwk, "y", point + 1 + half, half, &y_len) || y_len != half)
		return "x or y has not the curve's length or is no base64url";
	OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
	bool built =
	    params &&
	    OSSL_PARAM_BLD_push_utf8_string(params, OSSL_PKEY_PARAM_GROUP_NAME, curves[to->kind].curve, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(params, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half) == 1 &&
	    (to->pkey = build("EC", params));
	OSSL_PARAM_BLD_free(params);
	to->signature_len = 2 * half;
	return built ? NULL : "the point is not on its curve";
}

static const char *read_okp(const json_t *jwk, struct jwk *to)
{
	unsigned char x[32];
	size_t len;

	if (!slice_same(strict_text(jwk, "crv"), S("Ed25519")))
		return "the curve is not Ed25519";
	if (!decode(jwk, "x", x, sizeof x, &len) || len != sizeof x)
		return "x is not 32 bytes of base64url";
	to->kind = KEY_ED25519;
	to->signature_len = 64;
	to->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x, sizeof x);
	return to->pkey ? NULL : "OpenSSL refused the Ed25519 key";
}

static bool has_verify(const json_t *ops)
{
	size_t i;
	json_t *op;

	json_array_foreach((json_t *)(uintptr_t)ops, i, op)
		if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
			return true;
	return false;
}

/* NULL also where it is null: some issuers write every member. */
static const json_t *member(const json_t *jwk, const char *name)
{
	const json_t *value = json_object_get(jwk, name);

	return json_is_null(value) ? NULL : value;
}

bool key_is_for_others(const json_t *jwk)
{
	const json_t *use = member(jwk, "use"), *ops = member(jwk, "key_ops");

	return (use && !slice_same(strict_text(jwk, "use"), S("sig"))) || (ops && !has_verify(ops)) ||
	       member(jwk, "d");
}

/* What the JWK says of its use (RFC 7517 sections 4.2 to 4.5). */
static const char *read_use(const json_t *jwk, struct jwk *to)
{
	const json_t *use = member(jwk, "use"), *ops = member(jwk, "key_ops");
	const json_t *alg = member(jwk, "alg"), *kid = member(jwk, "kid");

	if (json_object_get(jwk, KEYSET_TWICE))
		return "it has a member twice";
	if (use && !slice_same(strict_text(jwk, "use"), S("sig")))
		return "it is not for signatures";
	if (ops && !has_verify(ops))
		return "its key_ops do not allow verifying";
	if (alg && !(to->only = alg_named(strict_text(jwk, "alg"))))
		return "its alg is not spoken here";
	if (member(jwk, "d"))
		return "it is a private key, published";
	if (!kid)
		return NULL;
	struct slice name = strict_text(jwk, "kid");
	if (!name.at || name.len > KID_MAX)
		return "its kid is no string of at most 255 bytes";
	if (name.len)
		memcpy(to->kid_bytes, name.at, name.len);
	to->kid.len = name.len;
	return NULL;
}

bool key_read(const json_t *jwk, struct jwk *to, const char **why)
{
	struct slice type = strict_text(jwk, "kty");

	*to = (struct jwk){ 0 };
	*why = json_is_object(jwk) ? read_use(jwk, to) : "it is no JSON object";
	if (!*why)
		*why = slice_same(type, S("RSA"))   ? read_rsa(jwk, to)
		       : slice_same(type, S("EC"))  ? read_ec(jwk, to)
		       : slice_same(type, S("OKP")) ? read_okp(jwk, to)
		                                    : "its kty is none of RSA, EC and OKP";
	if (!*why && to->only && !key_suits(to, to->only))
		*why = "its alg does not fit its type";
	if (*why)
		key_wipe(to);
	to->kid.at = to->kid_bytes;
	ERR_clear_error();
	return !*why;
}

void key_wipe(struct jwk *k)
{
	for (int i = 0; i < ALGS; i++)
		EVP_PKEY_CTX_free(k->ctx[i]);
	EVP_MD_CTX_free(k->edwards);
	EVP_PKEY_free(k->pkey);
	*k = (struct jwk){ 0 };
}
