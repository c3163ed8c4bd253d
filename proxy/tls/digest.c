/* digest.c -- SHA-256 by a digest fetched once and a context used again. */
#include "base/check.h"
#include "tls/inside.h"
#include <openssl/evp.h>

void digest_sha256(struct slice bytes, unsigned char to[static 32])
{
	static EVP_MD *sha256;
	static EVP_MD_CTX *ctx;

	if (!ctx) {
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		ctx = EVP_MD_CTX_new();
		check(sha256 && ctx);
	}
	check(EVP_DigestInit_ex2(ctx, sha256, NULL) == 1 && EVP_DigestUpdate(ctx, bytes.at, bytes.len) == 1 &&
	      EVP_DigestFinal_ex(ctx, to, NULL) == 1);
}
