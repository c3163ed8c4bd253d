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

static EVP_PKEY *read_key(const char *directory, const char *name)
{
	FILE *in = open_in(directory, name, false);
	EVP_PKEY *key = in ? PEM_read_PrivateKey(in, NULL, NULL, NULL) : NULL;

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
		ok = extend(cert, by, NID_subject_alt_name, names) &&
		     extend(cert, by, NID_ext_key_usage, "serverAuth") &&
		     extend(cert, by, NID_basic_constraints, "critical,CA:FALSE");
	else if (ok)
		ok = extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
			extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
			extend(cert, cert, NID_name_constraints, "critical,permitted;DNS:localhost,"
				"permitted;IP:127.0.0.0/255.0.0.0,"
				"permitted;IP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF");
	if (ok && X509_sign(cert, by ? by_key : key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

bool tls_local_ca(const char *directory, const char **why)
{
	X509 *ca = read_cert(directory, "ca.pem"), *server = read_cert(directory, "server.pem");
	EVP_PKEY *ca_key = read_key(directory, "ca.key"), *server_key = read_key(directory, "server.key");
	bool ok = true;

	*why = "OpenSSL could not make a certificate";
	if (!ca || !ca_key) {
		X509_free(ca);
		EVP_PKEY_free(ca_key);
		X509_free(server);
		server = NULL;
		ca_key = EVP_EC_gen("P-256");
		ca = ca_key ? make_cert("Sallyport local development CA", ca_key, NULL, NULL, 365) : NULL;
		ok = ca && write_pair(directory, "ca.pem", ca, "ca.key", ca_key);
	}
	if (ok && (!server || !server_key || X509_verify(server, ca_key) != 1)) {
		X509_free(server);
		EVP_PKEY_free(server_key);
		server_key = EVP_EC_gen("P-256");
		server = server_key ? make_cert("localhost", server_key, ca, ca_key, 90) : NULL;
		ok = server && write_pair(directory, "server.pem", server, "server.key", server_key);
	}
	if (!ok && ca && server)
		*why = "the certificate files could not be written";
	X509_free(ca);
	X509_free(server);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(server_key);
	ERR_clear_error();
	return ok;
}
