/* Digests and derived keys, all by OpenSSL. */
#include "crypto/hash.h"
#include "base/secret.h"
#include "base/text.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

const char *const crypt_names[HASHES] = { "SHA256", "SHA384", "SHA512" };

bool crypt_open(struct crypt *c)
{
	*c = (struct crypt){ .spare = EVP_MD_CTX_new() };
	bool whole = c->spare;
	for (int i = 0; i < HASHES; i++) {
		c->md[i] = EVP_MD_fetch(NULL, crypt_names[i], NULL);
		c->ctx[i] = EVP_MD_CTX_new();
		whole = whole && c->md[i] && c->ctx[i];
	}
	if (!whole)
		crypt_close(c);
	return whole;
}

void crypt_close(struct crypt *c)
{
	for (int i = 0; i < HASHES; i++) {
		EVP_MD_CTX_free(c->ctx[i]);
		EVP_MD_free(c->md[i]);
	}
	EVP_MD_CTX_free(c->spare);
	*c = (struct crypt){ 0 };
}

bool crypt_digest(struct crypt *c, enum hash which, struct slice of, unsigned char *to, size_t *len)
{
	unsigned int wrote = 0;

	if (EVP_DigestInit_ex2(c->ctx[which], c->md[which], NULL) != 1 ||
	    EVP_DigestUpdate(c->ctx[which], of.at, of.len) != 1 ||
	    EVP_DigestFinal_ex(c->ctx[which], to, &wrote) != 1) {
		ERR_clear_error();
		return false;
	}
	*len = wrote;
	return true;
}

bool crypt_hmac(struct slice key, struct slice of, unsigned char to[SHA256_LEN])
{
	unsigned int len = 0;

	return HMAC(EVP_sha256(), key.at, (int)key.len, (const unsigned char *)of.at, of.len, to, &len) &&
	       len == SHA256_LEN;
}

bool crypt_expand(struct slice secret, struct slice label, void *to, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret.at, secret.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label.at, label.len),
		OSSL_PARAM_construct_end(),
	};
	bool done = ctx && secret.len && EVP_KDF_derive(ctx, to, len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return done;
}

bool crypt_derive(struct slice secret, struct slice label, unsigned char to[SHA256_LEN])
{
	return crypt_expand(secret, label, to, SHA256_LEN);
}

bool crypt_sign(const unsigned char key[SHA256_LEN], struct slice body, char hex[SIGNATURE_LEN])
{
	unsigned char mac[SHA256_LEN];
	struct text t = { .at = hex, .cap = SIGNATURE_LEN };

	if (!crypt_hmac((struct slice){ (const char *)key, SHA256_LEN }, body, mac))
		return false;
	text_hex(&t, mac, sizeof mac);
	return true;
}

bool crypt_is_signed(const unsigned char (*keys)[SHA256_LEN], size_t len, struct slice body,
                     struct slice signature)
{
	char hex[SIGNATURE_LEN];

	for (size_t i = 0; i < len; i++)
		if (crypt_sign(keys[i], body, hex) && secret_same(signature, (struct slice){ hex, sizeof hex }))
			return true;
	return false;
}
