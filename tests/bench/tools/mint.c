/* mint.c -- RS256 access tokens, one a line, and the key that they verify under. usage: mint COUNT DIRECTORY
 * Writes DIRECTORY/tokens, DIRECTORY/public.pem and DIRECTORY/keys.json (a JWK set). */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t base64url(const void *from, size_t len, char *to)
{
	size_t n = (size_t)EVP_EncodeBlock((unsigned char *)to, from, (int)len);

	while (n && to[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
	to[n] = '\0';
	return n;
}

static FILE *open_in(const char *directory, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		exit(1);
	}
	return f;
}

static void write_keys(EVP_PKEY *key, const char *directory)
{
	FILE *pem = open_in(directory, "public.pem"), *set = open_in(directory, "keys.json");
	BIGNUM *n = NULL;
	unsigned char bytes[512];
	char text[1024];

	EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n);
	base64url(bytes, (size_t)BN_bn2bin(n, bytes), text);
	fprintf(set,
	        "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"bench\","
	        "\"e\":\"AQAB\",\"n\":\"%s\"}]}\n",
	        text);
	PEM_write_PUBKEY(pem, key);
	BN_free(n);
	fclose(set);
	fclose(pem);
}

/* header.payload.signature for the subject user-i, good for a day. */
static void write_token(FILE *to, EVP_PKEY *key, long i)
{
	static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"bench\"}";
	char claims[512], token[4096];
	unsigned char signature[512];
	size_t len, size = sizeof signature;
	long now = (long)time(NULL);
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	snprintf(
	    claims, sizeof claims,
	    "{\"iss\":\"https://issuer.bench/\",\"sub\":\"user-%ld\",\"aud\":\"bench\",\"azp\":\"client-%ld\","
	    "\"scope\":\"read write\",\"iat\":%ld,\"exp\":%ld,\"jti\":\"%ld\"}",
	    i, i % 50, now - 10, now + 86400, i);
	len = base64url(head, sizeof head - 1, token);
	token[len++] = '.';
	len += base64url(claims, strlen(claims), token + len);
	EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key);
	if (EVP_DigestSign(c, signature, &size, (unsigned char *)token, len) != 1)
		exit(1);
	EVP_MD_CTX_free(c);
	token[len++] = '.';
	base64url(signature, size, token + len);
	fprintf(to, "%s\n", token);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: mint COUNT DIRECTORY\n");
		return 2;
	}
	EVP_PKEY *key = EVP_RSA_gen(2048);
	FILE *tokens = open_in(argv[2], "tokens");

	write_keys(key, argv[2]);
	for (long i = 0; i < strtol(argv[1], NULL, 10); i++)
		write_token(tokens, key, i);
	EVP_PKEY_free(key);
	return fclose(tokens) == 0 ? 0 : 1;
}
