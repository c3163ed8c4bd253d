/* makers.c -- what makers.h promises. */
#include "makers.h"

const char *maker_alg(enum alg alg)
{
	static const char *const names[] = {
		[ALG_RS256] = "RS256", [ALG_RS384] = "RS384", [ALG_RS512] = "RS512",
		[ALG_PS256] = "PS256", [ALG_PS384] = "PS384", [ALG_PS512] = "PS512",
		[ALG_ES256] = "ES256", [ALG_ES384] = "ES384", [ALG_EDDSA] = "EdDSA"
	};

	return names[alg];
}

/* RSA keys take long to make: all makers share one unless another is asked for. */
static EVP_PKEY *maker_kept[2];

EVP_PKEY *maker_rsa(bool other)
{
	if (!maker_kept[other])
		maker_kept[other] = EVP_RSA_gen(2048);
	EVP_PKEY_up_ref(maker_kept[other]);
	return maker_kept[other];
}

struct maker maker_make(enum alg alg, const char *kid)
{
	EVP_PKEY *pkey = alg == ALG_ES256   ? EVP_EC_gen("P-256")
	                 : alg == ALG_ES384 ? EVP_EC_gen("P-384")
	                 : alg == ALG_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
	                                    : maker_rsa(false);

	return (struct maker){ pkey, alg, kid };
}

void maker_free(struct maker *m)
{
	EVP_PKEY_free(m->pkey);
}

static void maker_number(struct text *t, const EVP_PKEY *pkey, const char *param, const char *member, int len)
{
	unsigned char bytes[1024];
	BIGNUM *n = NULL;

	EVP_PKEY_get_bn_param(pkey, param, &n);
	int real = len ? len : BN_num_bytes(n);
	BN_bn2binpad(n, bytes, real);
	BN_free(n);
	text_printf(t, ",\"%s\":\"", member);
	text_base64url(t, bytes, (size_t)real);
	text_char(t, '"');
}

void maker_forget(void)
{
	EVP_PKEY_free(maker_kept[0]);
	EVP_PKEY_free(maker_kept[1]);
}

void maker_jwk(const struct maker *m, struct text *t, const char *more)
{
	unsigned char raw[32];
	size_t len = sizeof raw;
	int half = m->alg == ALG_ES256 ? 32 : 48;

	text_printf(t, "{\"use\":\"sig\"%s", more);
	if (m->kid)
		text_printf(t, ",\"kid\":\"%s\"", m->kid);
	if (EVP_PKEY_is_a(m->pkey, "RSA")) {
		text_add(t, S(",\"kty\":\"RSA\""));
		maker_number(t, m->pkey, OSSL_PKEY_PARAM_RSA_N, "n", 0);
		maker_number(t, m->pkey, OSSL_PKEY_PARAM_RSA_E, "e", 0);
	} else if (m->alg == ALG_EDDSA) {
		EVP_PKEY_get_raw_public_key(m->pkey, raw, &len);
		text_add(t, S(",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""));
		text_base64url(t, raw, len);
		text_char(t, '"');
	} else {
		text_printf(t, ",\"kty\":\"EC\",\"crv\":\"%s\"", half == 32 ? "P-256" : "P-384");
		maker_number(t, m->pkey, OSSL_PKEY_PARAM_EC_PUB_X, "x", half);
		maker_number(t, m->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, "y", half);
	}
	text_char(t, '}');
}

struct slice maker_jwks(const struct maker *m, size_t n)
{
	static char room[8][16384];
	static unsigned next;
	struct text t = TEXT(room[next % 8]);

	next++;
	text_add(&t, S("{\"keys\":["));
	for (size_t i = 0; i < n; i++) {
		if (i)
			text_char(&t, ',');
		maker_jwk(&m[i], &t, "");
	}
	text_add(&t, S("]}"));
	text_end(&t);
	return text_slice(&t);
}
