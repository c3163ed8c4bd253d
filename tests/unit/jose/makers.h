/* makers.h -- keys that sign, and the key sets that say so, for tests of verification. */
#pragma once
#include "base/text.h"
#include "jose/keyset.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

struct maker {
	EVP_PKEY *pkey;
	enum alg alg;
	const char *kid; /* NULL: none */
};

const char *maker_alg(enum alg alg);

EVP_PKEY *maker_rsa(bool other);

struct maker maker_make(enum alg alg, const char *kid);

void maker_free(struct maker *m);

/* At the end of a test program. */
void maker_forget(void);

/* Its JWK; `more` is put in as it is, for instance ,"alg":"RS256". */
void maker_jwk(const struct maker *m, struct text *t, const char *more);

/* {"keys":[...]} of n makers, in one of a few static buffers. */
struct slice maker_jwks(const struct maker *m, size_t n);
