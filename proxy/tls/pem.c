/* pem.c -- certificates and keys from a bundle's bytes; no file is opened here. */
#include "tls/inside.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* A key under a passphrase is refused, not asked for at a terminal that nobody reads. */
static int no_passphrase(char *to, int cap, int writing, void *with)
{
	(void)to;
	(void)cap;
	(void)writing;
	*(bool *)with = true;
	return -1;
}

static BIO *open_pem(struct bundle *b, struct slice path, struct config_place place,
                     struct config_errors *errors)
{
	struct slice bytes;
	const char *why = "";

	ERR_clear_error();
	if (!bundle_file(b, path.at, &bytes, &why)) {
		config_complain(errors, place, "%s cannot be read: %s", path.at, why);
		return NULL;
	}
	return BIO_new_mem_buf(bytes.at, (int)bytes.len);
}

/* Did reading stop because there was no more, and not at something broken? */
static bool is_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return e == 0 || (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE);
}

static STACK_OF(X509) * read_certs(BIO *in)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	X509 *cert = NULL;

	while (all && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)) && sk_X509_push(all, cert) > 0)
		cert = NULL;
	bool ok = all && !cert && is_end();
	X509_free(cert);
	ERR_clear_error();
	if (ok)
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

static STACK_OF(X509) *
    certs_of(struct bundle *b, struct slice path, struct config_place place, struct config_errors *errors)
{
	BIO *in = open_pem(b, path, place, errors);

	if (!in)
		return NULL;
	STACK_OF(X509) *all = read_certs(in);
	BIO_free(in);
	if (all && sk_X509_num(all) > 0)
		return all;
	config_complain(
	    errors, place,
	    all ? "%s holds no certificate in PEM form" : "%s holds a certificate that cannot be read", path.at);
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

static EVP_PKEY *key_of(struct bundle *b, const struct config_certificate *c, struct config_errors *errors)
{
	BIO *in = open_pem(b, c->key, c->place, errors);
	bool asked = false;

	if (!in)
		return NULL;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);
	if (!key && asked)
		config_complain(
		    errors, c->place,
		    "%s is under a passphrase, and nobody is asked for one: store the key without it, mode 0600",
		    c->key.at);
	else if (!key)
		config_complain(errors, c->place, "%s holds no private key in PEM form", c->key.at);
	ERR_clear_error();
	BIO_free(in);
	return key;
}

bool pem_read(struct pem *to, struct bundle *b, const struct config_certificate *c,
              struct config_errors *errors)
{
	*to = (struct pem){ .chain = certs_of(b, c->chain, c->place, errors) };
	to->key = key_of(b, c, errors);
	if (!to->chain || !to->key)
		return false;
	to->cert = sk_X509_shift(to->chain);
	bool ok = X509_check_private_key(to->cert, to->key) == 1;
	if (!ok)
		config_complain(
		    errors, c->place,
		    "the key %s does not belong to the first certificate of %s (the server's own comes first)",
		    c->key.at, c->chain.at);
	ERR_clear_error();
	return ok;
}

void pem_free(struct pem *p)
{
	X509_free(p->cert);
	sk_X509_pop_free(p->chain, X509_free);
	EVP_PKEY_free(p->key);
}

X509_STORE *pem_store(struct bundle *b, struct slice path, struct config_place place,
                      STACK_OF(X509_NAME) * *names, struct config_errors *errors)
{
	STACK_OF(X509) *all = certs_of(b, path, place, errors);
	X509_STORE *store = all ? X509_STORE_new() : NULL;
	bool ok = store;

	if (names)
		*names = ok ? sk_X509_NAME_new_null() : NULL;
	for (int i = 0; ok && i < sk_X509_num(all); i++) {
		X509 *cert = sk_X509_value(all, i);
		X509_NAME *name = names ? X509_NAME_dup(X509_get_subject_name(cert)) : NULL;
		ok = X509_STORE_add_cert(store, cert) == 1 &&
		     (!names || (name && *names && sk_X509_NAME_push(*names, name) > 0));
	}
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	if (ok)
		return store;
	X509_STORE_free(store);
	return NULL;
}

/* Authorities that no list speaks of stand; a client's own certificate needs a word of its issuer. */
static int on_verified(int ok, X509_STORE_CTX *ctx)
{
	if (ok || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNABLE_TO_GET_CRL ||
	    X509_STORE_CTX_get_error_depth(ctx) == 0)
		return ok;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

bool pem_revoke(X509_STORE *store, struct bundle *b, struct slice path, struct config_place place,
                struct config_errors *errors)
{
	BIO *in = open_pem(b, path, place, errors);
	X509_CRL *list = NULL;
	bool ok = in, any = false;

	while (ok && (list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL))) {
		ok = X509_STORE_add_crl(store, list) == 1;
		any = true;
		X509_CRL_free(list);
	}
	ok = ok && is_end();
	if (in && !(ok && any))
		config_complain(errors, place,
		                ok ? "%s holds no revocation list in PEM form"
		                   : "%s holds a revocation list that cannot be read",
		                path.at);
	BIO_free(in);
	ERR_clear_error();
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	X509_STORE_set_verify_cb(store, on_verified);
	return ok && any;
}

/* One for all upstreams, for they are many certificates: as long as the file's bytes are the same. */
static X509_STORE *shared_store(struct bundle *b, struct slice path, struct slice bytes,
                                struct config_place place, struct config_errors *errors)
{
	static X509_STORE *shared;
	static unsigned char of[32];
	unsigned char digest[32];

	digest_sha256(bytes, digest);
	if (!shared || memcmp(of, digest, sizeof of) != 0) {
		X509_STORE_free(shared);
		shared = pem_store(b, path, place, NULL, errors);
		memcpy(of, digest, sizeof of);
	}
	if (shared)
		X509_STORE_up_ref(shared);
	return shared;
}

/* Through the bundle like any file: a worker opens none, and OpenSSL's own directory of CAs would be searched
 * on the disk in the middle of a handshake. */
X509_STORE *pem_system_store(struct bundle *b, struct config_place place, struct config_errors *errors)
{
	static const char *const paths[] = { "/etc/ssl/certs/ca-certificates.crt",
		                                 "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
		                                 "/etc/ssl/ca-bundle.pem" };
	struct slice bytes;
	const char *why;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (bundle_file(b, paths[i], &bytes, &why))
			return shared_store(b, slice_of(paths[i]), bytes, place, errors);
	config_complain(
	    errors, place,
	    "this machine has no file of CAs (%s or its kin; package ca-certificates): name one in tls.ca",
	    paths[0]);
	return NULL;
}
