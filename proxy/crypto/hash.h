/* hash.h -- digests, fetched once from OpenSSL's providers and used for ever after. Part of
 * crypto's door. */
#pragma once
#include "base/slice.h"
#include <openssl/evp.h>

enum hash { HASH_SHA256, HASH_SHA384, HASH_SHA512, HASHES };
#define SHA256_LEN 32
#define HASH_MAX 64 /* bytes */

struct crypt {
	EVP_MD *md[HASHES];
	EVP_MD_CTX *ctx[HASHES]; /* one each, so that none ever changes its algorithm */
	EVP_MD_CTX *spare;       /* receives copies of prepared contexts */
};

bool crypt_open(struct crypt *c) __attribute__((warn_unused_result));
void crypt_close(struct crypt *c);
extern const char *const crypt_names[HASHES]; /* OpenSSL's */

/* Writes the digest, *len bytes, to `to` (HASH_MAX). */
bool crypt_digest(struct crypt *c, enum hash which, struct slice of, unsigned char *to, size_t *len)
    __attribute__((warn_unused_result));

/* HMAC-SHA256, and HKDF-SHA256 (RFC 5869) of a secret with a label. For the keeper: these fetch. */
bool crypt_hmac(struct slice key, struct slice of, unsigned char to[SHA256_LEN])
    __attribute__((warn_unused_result));
/* The same with `len` bytes. */
bool crypt_expand(struct slice secret, struct slice label, void *to, size_t len)
    __attribute__((warn_unused_result));
bool crypt_derive(struct slice secret, struct slice label, unsigned char to[SHA256_LEN])
    __attribute__((warn_unused_result));

/* The HMAC in hex; and whether one of the keys made it, in constant time. */
#define SIGNATURE_LEN (2 * SHA256_LEN)
bool crypt_sign(const unsigned char key[SHA256_LEN], struct slice body, char hex[SIGNATURE_LEN])
    __attribute__((warn_unused_result));
bool crypt_is_signed(const unsigned char (*keys)[SHA256_LEN], size_t len, struct slice body,
                     struct slice signature) __attribute__((warn_unused_result));
