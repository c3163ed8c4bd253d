/* pki.c -- what pki.h promises. */
#include "pki.h"

static void pki_extend(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void pki_entry(X509 *cert, const char *field, const char *value)
{
	if (value)
		assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), field, MBSTRING_UTF8,
		                                            (const unsigned char *)value, -1, -1, 0),
		                 1);
}

struct pki pki_make(struct pki_wish w)
{
	static long serial = 1;
	struct pki p = { X509_new(), w.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256") };
	const struct pki *by = w.by ? w.by : &p;

	assert_non_null(p.key);
	X509_set_version(p.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(p.cert), -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(p.cert), w.ends_s ? w.ends_s : DAY_S);
	X509_set_pubkey(p.cert, p.key);
	pki_entry(p.cert, "O", w.organisation);
	pki_entry(p.cert, "CN", w.cn);
	X509_set_issuer_name(p.cert, X509_get_subject_name(by->cert));
	pki_extend(p.cert, NID_basic_constraints, w.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (w.names)
		pki_extend(p.cert, NID_subject_alt_name, w.names);
	assert_true(X509_sign(p.cert, by->key, EVP_sha256()) > 0);
	return p;
}

void pki_free(struct pki *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

/* Certificates, one behind the other, as the file `path`; up to the first NULL. */
static void pki_put_certs(struct bundle *b, const char *path, X509 *first, X509 *second)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *at;

	PEM_write_bio_X509(out, first);
	if (second)
		PEM_write_bio_X509(out, second);
	long len = BIO_get_mem_data(out, &at);
	bundle_put(b, path, (struct slice){ at, (size_t)len });
	BIO_free(out);
}

void pki_put_key(struct bundle *b, const char *path, EVP_PKEY *key, const char *passphrase)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *at;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, key, passphrase ? EVP_aes_128_cbc() : NULL,
	                                               passphrase, passphrase ? (int)strlen(passphrase) : 0, NULL,
	                                               NULL),
	                 1);
	long len = BIO_get_mem_data(out, &at);
	bundle_put(b, path, (struct slice){ at, (size_t)len });
	BIO_free(out);
}

void pki_put(struct bundle *b, const char *name, const struct pki *p, const struct pki *intermediate)
{
	char path[64];

	snprintf(path, sizeof path, "/%s.pem", name);
	pki_put_certs(b, path, p->cert, intermediate ? intermediate->cert : NULL);
	snprintf(path, sizeof path, "/%s.key", name);
	pki_put_key(b, path, p->key, NULL);
}
