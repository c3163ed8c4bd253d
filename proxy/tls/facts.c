/* facts.c -- what a wire's TLS says of itself: how it went, or why it failed. */
#include "tls/inside.h"
#include <openssl/err.h>

void tls_facts(const struct wire *w, struct tls_facts *to)
{
	const struct tls_layer *t = w->layered;
	const unsigned char *alpn;
	unsigned alpn_len;

	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
	*to = (struct tls_facts){
		.version = SSL_version(t->ssl) == TLS1_3_VERSION ? S("1.3") : S("1.2"),
		.resumed = SSL_session_reused(t->ssl),
		.h2 = alpn_len == 2 && memcmp(alpn, "h2", 2) == 0,
		.certificate = slice_of(t->subject),
		.thumbprint = { (const char *)t->thumbprint, t->is_certified ? sizeof t->thumbprint : 0 },
		.policy = t->policy,
	};
}

bool tls_was_truncated(const struct wire *w)
{
	const struct tls_layer *t = w->layered;

	return w->layer && t && t->truncated;
}

const char *tls_failure(const struct wire *w, struct slice *sentence)
{
	static char text[256];
	const struct tls_layer *t = w->layered;
	int reason = ERR_GET_REASON(t->error);
	long verified = SSL_get_verify_result(t->ssl);
	const char *said = ERR_reason_error_string(t->error);
	const char *peer = SSL_is_server(t->ssl) ? "client" : "server", *word = "protocol";

	if (t->refused) {
		word = "certificate";
		snprintf(text, sizeof text, "the %s's certificate has a subject over %d bytes", peer,
		         SUBJECT_MAX - 1);
	} else if (!t->error) {
		word = "closed";
		snprintf(text, sizeof text, "the %s closed the connection during the handshake", peer);
	} else if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255) {
		word = "alert";
		snprintf(text, sizeof text, "the %s refused with the alert \"%s\"", peer,
		         SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
	} else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
		word = "certificate";
		snprintf(text, sizeof text, "the %s's certificate is not trusted: %s", peer,
		         X509_verify_cert_error_string(verified));
	} else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
		word = "certificate";
		snprintf(text, sizeof text, "the %s sent no certificate, and one is required", peer);
	} else {
		snprintf(text, sizeof text, "the handshake failed: %s", said ? said : "OpenSSL does not say why");
	}
	*sentence = slice_of(text);
	return word;
}

void tls_refuse(struct wire *w, enum tls_alert alert)
{
	const unsigned char record[7] = { 21, 3, 1, 0, 2, 2, (unsigned char)alert }; /* fatal */

	wire_raw_write(w, record, sizeof record);
}
