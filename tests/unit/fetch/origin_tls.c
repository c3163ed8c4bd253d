/* origin_tls.c -- what origin_tls.h promises. */
#include "origin_tls.h"

SSL_CTX *origin_tls(const char *name, const char *pem_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	char san[100];

	snprintf(san, sizeof san, "DNS:%s", name);
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_add_ext(cert, names, -1);
	X509_sign(cert, key, EVP_sha256());
	FILE *file = fopen(pem_path, "w");
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	if (!file || !tls || PEM_write_X509(file, cert) != 1 || SSL_CTX_use_certificate(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(tls, key) != 1)
		abort();
	fclose(file);
	X509_EXTENSION_free(names);
	X509_free(cert);
	EVP_PKEY_free(key);
	return tls;
}
