/* The other side of verification: a key that signs, for the issuer of dev mode and for tests. */
#include "dev/signer.h"
#include "base/check.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

struct signer {
	EVP_PKEY *pkey;
	char n[700], e[16]; /* base64url */
	char kid[44];       /* RFC 7638: SHA-256 of the key's required members, base64url */
};

static bool describe_number(const EVP_PKEY *pkey, const char *name, char *to, size_t cap)
{
	BIGNUM *number = NULL;
	unsigned char bytes[512];
	struct text t = { .at = to, .cap = cap };

	if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1)
		return false;
	bool fits = BN_num_bytes(number) <= (int)sizeof bytes;
	if (fits)
		text_base64url(&t, bytes, (size_t)BN_bn2bin(number, bytes));
	BN_free(number);
	return fits && text_end(&t);
}

static bool describe(struct signer *s)
{
	char json[800];
	unsigned char digest[SHA256_LEN];
	struct text t = TEXT(json), kid = TEXT(s->kid);

	if (!describe_number(s->pkey, OSSL_PKEY_PARAM_RSA_N, s->n, sizeof s->n) ||
	    !describe_number(s->pkey, OSSL_PKEY_PARAM_RSA_E, s->e, sizeof s->e))
		return false;
	text_printf(&t, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", s->e, s->n);
	if (t.cut || EVP_Digest(t.at, t.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	text_base64url(&kid, digest, sizeof digest);
	return text_end(&kid);
}

/* Takes pkey over, NULL included. */
static struct signer *adopt(EVP_PKEY *pkey)
{
	struct signer *s = pkey ? calloc(1, sizeof *s) : NULL;

	if (!s) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	s->pkey = pkey;
	if (describe(s))
		return s;
	signer_free(s);
	return NULL;
}

struct signer *signer_make(void)
{
	return adopt(EVP_RSA_gen(2048));
}

struct signer *signer_read(const char *pem_path)
{
	FILE *file = fopen(pem_path, "re");
	EVP_PKEY *pkey = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	if (pkey && (!EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_get_bits(pkey) < 2048)) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return adopt(pkey);
}

bool signer_write(const struct signer *s, const char *pem_path)
{
	char fresh[4096];
	struct text t = TEXT(fresh);

	text_add(&t, slice_of(pem_path));
	text_add(&t, S(".new"));
	if (!text_end(&t) || (unlink(fresh) != 0 && errno != ENOENT))
		return false;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool written = PEM_write_PrivateKey(file, s->pkey, NULL, NULL, 0, NULL, NULL) == 1;
	written = fflush(file) == 0 && fsync(fd) == 0 && written;
	written = fclose(file) == 0 && written;
	return written && rename(fresh, pem_path) == 0;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->pkey);
	free(s);
}

char *signer_jwks(const struct signer *s)
{
	json_t *root = json_pack("{s:[{s:s, s:s, s:s, s:s, s:s, s:s}]}", "keys", "kty", "RSA", "use", "sig",
	                         "alg", "RS256", "kid", s->kid, "n", s->n, "e", s->e);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}

static bool sign(const struct signer *s, struct text *t)
{
	unsigned char signature[512];
	size_t len = sizeof signature;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, s->pkey, NULL) == 1 &&
	            EVP_DigestSign(ctx, signature, &len, (unsigned char *)t->at, t->len) == 1;

	EVP_MD_CTX_free(ctx);
	text_char(t, '.');
	text_base64url(t, signature, good ? len : 0);
	return good && text_end(t);
}

char *signer_sign(const struct signer *s, const char *payload_json)
{
	char header[160];
	struct text h = TEXT(header);
	size_t cap = strlen(payload_json) * 4 / 3 + 1500;
	struct text t = { .at = malloc(cap), .cap = cap };

	if (!t.at)
		return NULL;
	text_printf(&h, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", s->kid);
	text_base64url(&t, h.at, h.len);
	text_char(&t, '.');
	text_base64url(&t, payload_json, strlen(payload_json));
	if (!t.cut && sign(s, &t))
		return t.at;
	free(t.at);
	return NULL;
}
