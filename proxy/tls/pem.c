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

	if (!bundle_file(b, path.at, &bytes, &why)) {
		config_complain(errors, place, "%s cannot be read: %s", path.at, why);
		return NULL;
	}
	return BIO_new_mem_buf(bytes.at, (int)bytes.len);
}

bool pem_chain(SSL_CTX *ctx, struct bundle *b, struct slice path, struct config_place place,
	struct config_errors *errors)
{
	BIO *in = open_pem(b, path, place, errors);
	X509 *cert;
	bool ok;

	if (!in)
		return false;
	cert = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL);
	ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;
	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			ok = false;
		}
	}
	if (!ok)
		config_complain(errors, place,
		                "%s holds no certificate that can be used (PEM, the server's own first)", path.at);
	ERR_clear_error();
	BIO_free(in);
	return ok;
}

bool pem_key(SSL_CTX *ctx, struct bundle *b, const struct config_certificate *c, struct config_errors *errors)
{
	BIO *in = open_pem(b, c->key, c->place, errors);
	bool asked = false;

	if (!in)
		return false;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);
	bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	if (!key)
		config_complain(
		    errors, c->place,
		    asked ? "%s is under a passphrase; Sallyport asks for none: store the key plainly, mode 0600"
		          : "%s holds no private key in PEM form",
		    c->key.at);
	else if (!ok || SSL_CTX_check_private_key(ctx) != 1) {
		config_complain(errors, c->place, "the key %s does not belong to the certificate %s", c->key.at,
		                c->chain.at);
		ok = false;
	}
	ERR_clear_error();
	EVP_PKEY_free(key);
	BIO_free(in);
	return ok;
}

bool pem_authorities(SSL_CTX *ctx, struct bundle *b, struct slice path, struct config_place place, bool names,
	struct config_errors *errors)
{
	BIO *in = open_pem(b, path, place, errors);
	unsigned found = 0;
	X509 *cert;

	if (!in)
		return false;
	while ((cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		found += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1;
		if (names)
			SSL_CTX_add_client_CA(ctx, cert);
		X509_free(cert);
	}
	if (!found)
		config_complain(errors, place, "%s holds no CA certificate in PEM form", path.at);
	ERR_clear_error();
	BIO_free(in);
	return found > 0;
}
