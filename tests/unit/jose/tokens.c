/* tokens.c -- what tokens.h promises. */
#include "tokens.h"

size_t maker_jose(unsigned char *signature, size_t len, int half)
{
	const unsigned char *der = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);

	BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, half);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + half, half);
	ECDSA_SIG_free(pair);
	return (size_t)half * 2;
}

void maker_sign(const struct maker *m, struct text *t)
{
	static const char *const digests[] = {
		[ALG_RS256] = "SHA256", [ALG_RS384] = "SHA384", [ALG_RS512] = "SHA512",
		[ALG_PS256] = "SHA256", [ALG_PS384] = "SHA384", [ALG_PS512] = "SHA512",
		[ALG_ES256] = "SHA256", [ALG_ES384] = "SHA384", [ALG_EDDSA] = NULL
	};
	unsigned char signature[1024];
	size_t len = sizeof signature;
	EVP_PKEY_CTX *pctx = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	EVP_DigestSignInit_ex(ctx, &pctx, digests[m->alg], NULL, NULL, m->pkey, NULL);
	if (m->alg >= ALG_PS256 && m->alg <= ALG_PS512) {
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
	}
	EVP_DigestSign(ctx, signature, &len, (const unsigned char *)t->at, t->len);
	EVP_MD_CTX_free(ctx);
	if (m->alg == ALG_ES256 || m->alg == ALG_ES384)
		len = maker_jose(signature, len, m->alg == ALG_ES256 ? 32 : 48);
	text_char(t, '.');
	text_base64url(t, signature, len);
}

struct slice maker_token(const struct maker *m, const char *header, const char *payload)
{
	static char room[16][40000];
	static unsigned next;
	char honest[400];
	struct text t = TEXT(room[next % 16]), h = TEXT(honest);

	next++;
	text_printf(&h, "{\"alg\":\"%s\",\"typ\":\"JWT\"", maker_alg(m->alg));
	if (m->kid)
		text_printf(&h, ",\"kid\":\"%s\"", m->kid);
	text_add(&h, S("}"));
	text_end(&h);
	header = header ? header : honest;
	text_base64url(&t, header, strlen(header));
	text_char(&t, '.');
	text_base64url(&t, payload, strlen(payload));
	maker_sign(m, &t);
	text_end(&t);
	return text_slice(&t);
}
