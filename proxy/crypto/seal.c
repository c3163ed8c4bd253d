/* Seals values with AES-256-GCM. */
#include "crypto/seal.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include <openssl/err.h>

#define NONCE_LEN 12
#define TAG_LEN 16

static bool derive(struct slice secret, const char *label, const char *use, unsigned char to[SHA256_LEN])
{
	char whole[128];
	struct text t = TEXT(whole);

	text_add(&t, slice_of(label));
	text_add(&t, slice_of(use));
	return !t.cut && crypt_derive(secret, text_slice(&t), to);
}

void seal_open(struct seal *s, struct slice secret, const char *label)
{
	*s = (struct seal){ 0 };
	s->ready = secret.len && derive(secret, label, " name 1", s->name_key) &&
	           derive(secret, label, " value 1", s->value_key);
}

void seal_close(struct seal *s)
{
	secret_wipe(s, sizeof *s);
}

bool seal_name(const struct seal *s, struct slice of, char to[SEAL_NAME_LEN])
{
	unsigned char mac[SHA256_LEN];
	struct text t = { .at = to, .cap = SEAL_NAME_LEN };

	if (!s->ready || !crypt_hmac((struct slice){ (const char *)s->name_key, sizeof s->name_key }, of, mac))
		return false;
	text_hex(&t, mac, sizeof mac);
	return !t.cut;
}

/* A context for one value. NULL: OpenSSL cannot. */
static EVP_CIPHER_CTX *begin(const struct seal *s, struct slice name, const unsigned char *nonce, int seals)
{
	EVP_CIPHER_CTX *ctx = s->ready ? EVP_CIPHER_CTX_new() : NULL;
	int len;

	if (ctx && EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), s->value_key, nonce, seals, NULL) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)name.at, (int)name.len) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

bool seal_value(const struct seal *s, struct slice name, struct slice value, char *to)
{
	unsigned char *nonce = (unsigned char *)to, *body = nonce + NONCE_LEN, *tag = body + value.len;
	int len = 0, more = 0;

	random_bytes(nonce, NONCE_LEN);
	EVP_CIPHER_CTX *ctx = begin(s, name, nonce, 1);
	bool sealed = ctx &&
	              EVP_CipherUpdate(ctx, body, &len, (const unsigned char *)value.at, (int)value.len) == 1 &&
	              EVP_CipherFinal_ex(ctx, body + len, &more) == 1 &&
	              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	return sealed;
}

bool unseal_value(const struct seal *s, struct slice name, struct slice sealed, char *to, size_t *len)
{
	const unsigned char *nonce = (const unsigned char *)sealed.at, *body = nonce + NONCE_LEN;
	unsigned char tag[TAG_LEN];
	int got = 0, more = 0;

	*len = 0;
	if (sealed.len <= SEAL_OVERHEAD)
		return false;
	size_t body_len = sealed.len - SEAL_OVERHEAD;
	memcpy(tag, body + body_len, sizeof tag);
	EVP_CIPHER_CTX *ctx = begin(s, name, nonce, 0);
	bool ours = ctx && EVP_CipherUpdate(ctx, (unsigned char *)to, &got, body, (int)body_len) == 1 &&
	            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
	            EVP_CipherFinal_ex(ctx, (unsigned char *)to + got, &more) == 1;
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	if (!ours)
		secret_wipe(to, body_len);
	*len = ours ? (size_t)(got + more) : 0;
	return ours;
}
