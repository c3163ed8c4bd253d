/* pki.h -- certificates made on the spot, and a bundle that holds them as files. */
#pragma once
#include "tls/tls.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define DAY_S 86400

struct pki {
	X509 *cert;
	EVP_PKEY *key;
};
struct pki_wish {
	const char *cn, *names; /* names: "DNS:a.example,DNS:b.example"; NULL: none */
	const struct pki *by;   /* NULL: by itself */
	bool authority, rsa;
	const char *organisation;
	long ends_s; /* from now; 0: a day */
};

struct pki pki_make(struct pki_wish w);

void pki_free(struct pki *p);

void pki_put_key(struct bundle *b, const char *path, EVP_PKEY *key, const char *passphrase);

/* "NAME.pem" and "NAME.key". */
void pki_put(struct bundle *b, const char *name, const struct pki *p, const struct pki *intermediate);
