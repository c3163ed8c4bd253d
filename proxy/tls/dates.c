/* dates.c -- from when until when what a PEM file holds is valid. */
#include "tls/inside.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

static int64_t seconds(const ASN1_TIME *t, int64_t otherwise)
{
	struct tm parts;

	return t && ASN1_TIME_to_tm(t, &parts) == 1 ? (int64_t)timegm(&parts) : otherwise;
}

static void narrow(const ASN1_TIME *from, const ASN1_TIME *until, int64_t *from_s, int64_t *until_s)
{
	int64_t a = seconds(from, INT64_MIN), b = seconds(until, INT64_MAX);

	if (a > *from_s)
		*from_s = a;
	if (b < *until_s)
		*until_s = b;
}

bool tls_dates(struct slice pem, int64_t *from_s, int64_t *until_s)
{
	BIO *in = BIO_new_mem_buf(pem.at, (int)pem.len);
	STACK_OF(X509_INFO) *all = in ? PEM_X509_INFO_read_bio(in, NULL, NULL, NULL) : NULL;
	bool any = false;

	*from_s = INT64_MIN;
	*until_s = INT64_MAX;
	for (int i = 0; all && i < sk_X509_INFO_num(all); i++) {
		const X509_INFO *one = sk_X509_INFO_value(all, i);
		any |= one->x509 || one->crl;
		if (one->x509)
			narrow(X509_get0_notBefore(one->x509), X509_get0_notAfter(one->x509), from_s, until_s);
		if (one->crl)
			narrow(X509_CRL_get0_lastUpdate(one->crl), X509_CRL_get0_nextUpdate(one->crl), from_s, until_s);
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(in);
	ERR_clear_error();
	return any;
}
