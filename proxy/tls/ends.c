/* ends.c -- until when the certificates of a file are valid. */
#include "tls/inside.h"
#include <openssl/err.h>
#include <openssl/pem.h>

/* Seconds since 1970; a time that cannot be read is 0, hence over. */
static int64_t end_of(const X509 *cert)
{
	struct tm tm = { 0 };

	return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

bool tls_file_ends(struct bundle *b, struct slice path, bool authorities, int64_t *end_s)
{
	struct slice bytes;
	const char *why;
	bool any = false;
	X509 *cert;

	if (!path.at || !bundle_file(b, path.at, &bytes, &why))
		return false;
	BIO *in = BIO_new_mem_buf(bytes.at, (int)bytes.len);
	while (in && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		int64_t one = end_of(cert);
		X509_free(cert);
		if (!any || (authorities ? one > *end_s : one < *end_s))
			*end_s = one;
		any = true;
	}
	BIO_free(in);
	ERR_clear_error();
	return any;
}
