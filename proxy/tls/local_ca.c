/* local_ca.c -- certificates for development: a CA that can sign for this machine's own names only. */
#include "base/random.h"
#include "tls/inside.h"
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#define DAY (24 * 3600)

static const char names[] = "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1";

static FILE *open_in(const char *directory, const char *name, bool writing)
{
	char path[4096];
	int len = snprintf(path, sizeof path, "%s/%s", directory, name);

	if (len < 0 || (size_t)len >= sizeof path)
		return NULL;
	if (!writing)
		return fopen(path, "re");
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static X509 *read_cert(const char *directory, const char *name)
{
	FILE *in = open_in(directory, name, false);
	X509 *cert = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
	time_t week = time(NULL) + 7 * (time_t)DAY;

	if (in)
		fclose(in);
	if (cert && X509_cmp_time(X509_get0_notAfter(cert), &week) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* A key under a passphrase is none of ours: nobody is asked. */
static int no_passphrase(char *to, int cap, int writing, void *with)
{
	(void)to;
	(void)cap;
	(void)writing;
	(void)with;
	return -1;
}

static EVP_PKEY *read_key(const char *directory, const char *name)
{
	FILE *in = open_in(directory, name, false);
	EVP_PKEY *key = in ? PEM_read_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;

	if (in)
		fclose(in);
	return key;
}

static bool write_pair(const char *directory, const char *cert_name, X509 *cert, const char *key_name,
                       EVP_PKEY *key)
{
	FILE *to = open_in(directory, cert_name, true);
	bool ok = to && PEM_write_X509(to, cert) == 1;

	if (to && fclose(to) != 0)
		ok = false;
	to = ok ? open_in(directory, key_name, true) : NULL;
	ok = to && PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL) == 1;
	if (to && fclose(to) != 0)
		ok = false;
	return ok;
}

static bool extend(X509 *cert, X509 *by, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, by, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(cert, e, -1) == 1;

	X509_EXTENSION_free(e);
	return ok;
}

/* A certificate for `key`, signed by `by` (NULL: by itself). */
static X509 *make_cert(const char *common_name, EVP_PKEY *key, X509 *by, EVP_PKEY *by_key, long days)
{
	X509 *cert = X509_new();
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;
	uint64_t serial;
	bool ok;

	random_bytes(&serial, sizeof serial);
	ok = cert && X509_set_version(cert, 2) == 1 &&
	     ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) == 1 &&
	     X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) &&
	     X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY) && X509_set_pubkey(cert, key) == 1 &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
	                                0) == 1 &&
	     X509_set_issuer_name(cert, by ? X509_get_subject_name(by) : name) == 1 &&
	     extend(cert, by ? by : cert, NID_subject_key_identifier, "hash");
	if (ok && by)
		ok = extend(cert, by, NID_authority_key_identifier, "keyid:always") &&
		     extend(cert, by, NID_subject_alt_name, names) &&
		     extend(cert, by, NID_key_usage, "critical,digitalSignature") &&
		     extend(cert, by, NID_ext_key_usage, "serverAuth") &&
		     extend(cert, by, NID_basic_constraints, "critical,CA:FALSE");
	else if (ok)
		ok = extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
		     extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		     extend(cert, cert, NID_name_constraints,
		            "critical,permitted;DNS:localhost,"
		            "permitted;IP:127.0.0.0/255.0.0.0,"
		            "permitted;IP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF");
	if (ok && X509_sign(cert, by ? by_key : key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

struct pair {
	X509 *cert;
	EVP_PKEY *key;
};

static struct pair read_pair(const char *directory, const char *cert, const char *key)
{
	return (struct pair){ read_cert(directory, cert), read_key(directory, key) };
}

static bool is_pair(const struct pair *p)
{
	return p->cert && p->key && X509_check_private_key(p->cert, p->key) == 1;
}

static void free_pair(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

/* A new pair in the place of an old one, signed by `by` (NULL: by itself), and written. */
static bool replace(struct pair *p, const char *directory, const struct pair *by, const char **why)
{
	const char *cert_name = by ? "server.pem" : "ca.pem", *key_name = by ? "server.key" : "ca.key";
	const char *common_name = by ? "localhost" : "Sallyport local development CA";

	free_pair(p);
	*why = "OpenSSL could not make a certificate";
	p->cert = NULL;
	p->key = EVP_EC_gen("P-256");
	if (p->key)
		p->cert = make_cert(common_name, p->key, by ? by->cert : NULL, by ? by->key : NULL, by ? 90 : 365);
	if (!p->cert)
		return false;
	*why = "the certificate files could not be written";
	return write_pair(directory, cert_name, p->cert, key_name, p->key);
}

bool tls_local_ca(const char *directory, const char **why)
{
	struct pair ca = read_pair(directory, "ca.pem", "ca.key");
	struct pair server = read_pair(directory, "server.pem", "server.key");
	bool ok = is_pair(&ca) || replace(&ca, directory, NULL, why);

	if (ok && (!is_pair(&server) || X509_verify(server.cert, ca.key) != 1))
		ok = replace(&server, directory, &ca, why);
	free_pair(&ca);
	free_pair(&server);
	ERR_clear_error();
	return ok;
}
