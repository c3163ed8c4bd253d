/* signer.c -- an RSA key that signs tokens: for the built-in issuer of dev mode and for tests. */
#include "base/check.h"
#include "base/text.h"
#include "verify/verify.h"
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

struct signer {
	EVP_PKEY *key;
	char n[400], e[16]; /* base64url */
	char kid[48];       /* thumbprint (RFC 7638) */
};

static bool member(const struct signer *s, const char *name, char *to, size_t cap)
{
	BIGNUM *number = NULL;
	unsigned char bytes[512];
	struct text t = { .at = to, .cap = cap };

	if (EVP_PKEY_get_bn_param(s->key, name, &number) != 1)
		return false;
	int len = BN_num_bytes(number) <= (int)sizeof bytes ? BN_bn2bin(number, bytes) : 0;
	BN_free(number);
	text_base64url(&t, bytes, (size_t)len);
	return len > 0 && text_end(&t);
}

static struct signer *of_key(EVP_PKEY *key)
{
	struct signer *s = key ? calloc(1, sizeof *s) : NULL;
	char canonical[512];
	struct text t = TEXT(canonical), kid;
	unsigned char digest[32];

	ERR_clear_error();
	if (!s) {
		EVP_PKEY_free(key);
		return NULL;
	}
	s->key = key;
	kid = TEXT(s->kid);
	bool ok = EVP_PKEY_is_a(key, "RSA") && member(s, OSSL_PKEY_PARAM_RSA_N, s->n, sizeof s->n) &&
		member(s, OSSL_PKEY_PARAM_RSA_E, s->e, sizeof s->e);
	text_printf(&t, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", s->e, s->n);
	ok = ok && !t.cut && EVP_Digest(t.at, t.len, digest, NULL, EVP_sha256(), NULL) == 1;
	text_base64url(&kid, digest, sizeof digest);
	if (ok && text_end(&kid))
		return s;
	signer_free(s);
	return NULL;
}

struct signer *signer_make(void)
{
	return of_key(EVP_RSA_gen(2048));
}

struct signer *signer_read(const char *pem_path)
{
	FILE *in = fopen(pem_path, "re");
	EVP_PKEY *key = in ? PEM_read_PrivateKey(in, NULL, NULL, NULL) : NULL;

	if (in)
		fclose(in);
	return of_key(key);
}

bool signer_write(const struct signer *s, const char *pem_path)
{
	unlink(pem_path);
	int fd = open(pem_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");

	if (!to) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool ok = PEM_write_PrivateKey(to, s->key, NULL, NULL, 0, NULL, NULL) == 1;
	return fclose(to) == 0 && ok;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->key);
	free(s);
}

char *signer_jwks(const struct signer *s)
{
	char *text = NULL;

	if (asprintf(&text,
	             "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"%s\",\"n\":\"%s\","
	             "\"e\":\"%s\"}]}",
	             s->kid, s->n, s->e) < 0)
		return NULL;
	return text;
}

char *signer_sign(const struct signer *s, const char *payload_json)
{
	size_t payload_len = strlen(payload_json), cap = payload_len * 4 / 3 + 1024;
	unsigned char signature[512];
	size_t signature_len = sizeof signature;
	char head[128], *token = malloc(cap);
	struct text h = TEXT(head), t = { .at = token, .cap = cap };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	check(token && ctx);
	text_printf(&h, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", s->kid);
	text_base64url(&t, h.at, h.len);
	text_char(&t, '.');
	text_base64url(&t, payload_json, payload_len);
	bool ok = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) == 1 &&
		EVP_DigestSign(ctx, signature, &signature_len, (const unsigned char *)t.at, t.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	text_char(&t, '.');
	text_base64url(&t, signature, ok ? signature_len : 0);
	if (ok && text_end(&t))
		return token;
	free(token);
	return NULL;
}
