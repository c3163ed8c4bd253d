/* layer.c -- an SSL object on a wire: our own BIO beneath it, plaintext above it. */
#include "tls/inside.h"
#include "base/check.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* ---- the BIO: reads the socket, queues what the socket does not take, never blocks ---- */

static int bio_read(BIO *b, char *to, int cap)
{
	struct wire *w = BIO_get_data(b);
	ssize_t got = wire_raw_read(w, to, (size_t)cap);

	BIO_clear_retry_flags(b);
	if (got > 0)
		return (int)got;
	if (got == WIRE_LATER)
		BIO_set_retry_read(b);
	return got == WIRE_END ? 0 : -1;
}

static int bio_write(BIO *b, const char *from, int len)
{
	BIO_clear_retry_flags(b);
	return wire_raw_write(BIO_get_data(b), from, (size_t)len) ? len : -1;
}

static long bio_control(BIO *b, int command, long number, void *more)
{
	(void)b;
	(void)number;
	(void)more;
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

/* One per process, for its whole life. */
static const BIO_METHOD *wire_bio(void)
{
	static BIO_METHOD *method;

	if (method)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
	check(method && BIO_meth_set_read(method, bio_read) && BIO_meth_set_write(method, bio_write) &&
		BIO_meth_set_ctrl(method, bio_control) && BIO_meth_set_create(method, bio_create));
	return method;
}

/* ---- the layer ---- */

static void layer_failed(struct wire *w, const char *word)
{
	struct tls_layer *t = w->layered;
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);
	long verified = SSL_get_verify_result(t->ssl);

	if (!t->failure) {
		t->failure = word;
		if (verified != X509_V_OK)
			t->failure = "certificate", reason = X509_verify_cert_error_string(verified);
		else if (reason && strstr(reason, "alert"))
			t->failure = "alert";
		snprintf(t->sentence, sizeof t->sentence, "%s", reason ? reason : "the peer closed the connection");
	}
	ERR_clear_error();
}

static ssize_t layer_read(struct wire *w, void *to, size_t cap)
{
	struct tls_layer *t = w->layered;
	int got = SSL_read(t->ssl, to, cap > INT32_MAX ? INT32_MAX : (int)cap);

	if (got > 0)
		return got;
	switch (SSL_get_error(t->ssl, got)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return WIRE_LATER;
	case SSL_ERROR_ZERO_RETURN:
		return WIRE_END;
	default:
		break;
	}
	if (w->ended && !w->failed) { /* FIN without close_notify */
		t->truncated = true;
		ERR_clear_error();
		return WIRE_END;
	}
	layer_failed(w, "protocol");
	w->failed = true;
	return WIRE_FAILED;
}

static bool layer_write(struct wire *w, const void *from, size_t len)
{
	struct tls_layer *t = w->layered;
	size_t sent;

	if (w->failed || w->write_failed || w->closed || w->shut)
		return false;
	if (SSL_write_ex(t->ssl, from, len, &sent) == 1 && sent == len)
		return true;
	layer_failed(w, "protocol");
	w->write_failed = true;
	return false;
}

static bool layer_pending(const struct wire *w)
{
	const struct tls_layer *t = w->layered;

	return SSL_has_pending(t->ssl); /* records read ahead count, although they are not opened yet */
}

static void layer_shut(struct wire *w)
{
	struct tls_layer *t = w->layered;

	if (t->ready && !t->failure)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

static void layer_free(struct wire *w)
{
	struct tls_layer *t = w->layered;

	SSL_set_quiet_shutdown(t->ssl, 1);
	SSL_set_shutdown(t->ssl,
	                 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* so that its session stays usable */
	SSL_free(t->ssl);
	ERR_clear_error();
	free(t->certificate);
	free(t);
	w->layered = NULL;
}

static const struct wire_layer layer = { layer_read, layer_write, layer_pending, layer_shut, layer_free };

bool layer_open(struct wire *w, SSL_CTX *ctx, struct tls_layer **to)
{
	struct tls_layer *t = calloc(1, sizeof *t);
	BIO *b = BIO_new(wire_bio());

	if (!t || !b || !(t->ssl = SSL_new(ctx))) {
		BIO_free(b);
		free(t);
		ERR_clear_error();
		return false;
	}
	BIO_set_data(b, w);
	SSL_set_bio(t->ssl, b, b);
	SSL_set_app_data(t->ssl, w);
	w->layer = &layer;
	w->layered = t;
	*to = t;
	return true;
}

/* The verified certificate's subject in RFC 4514 form. */
static void name_client(struct tls_layer *t)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	BIO *text = cert && SSL_get_verify_result(t->ssl) == X509_V_OK ? BIO_new(BIO_s_mem()) : NULL;
	char *at;

	if (!text)
		return;
	if (X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >=
	    0) {
		long len = BIO_get_mem_data(text, &at);
		t->certificate = len > 0 ? strndup(at, (size_t)len) : NULL;
	}
	BIO_free(text);
}

enum tls_step tls_handshake(struct wire *w)
{
	struct tls_layer *t = w->layered;

	if (t->ready)
		return TLS_READY;
	if (t->failure)
		return TLS_FAILED;
	int done = SSL_do_handshake(t->ssl);
	if (done == 1) {
		t->ready = true;
		if (t->server)
			name_client(t);
		return TLS_READY;
	}
	int error = SSL_get_error(t->ssl, done);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return TLS_WAIT;
	layer_failed(w, w->ended || w->failed ? "closed" : "protocol");
	return TLS_FAILED;
}

const char *tls_failure(const struct wire *w, struct slice *sentence)
{
	const struct tls_layer *t = w->layered;

	*sentence = slice_of(t->sentence);
	return t->failure ? t->failure : "closed";
}

bool tls_was_truncated(const struct wire *w)
{
	const struct tls_layer *t = w->layered;

	return w->layer && t && t->truncated;
}

void tls_facts(const struct wire *w, struct tls_facts *to)
{
	const struct tls_layer *t = w->layered;
	const unsigned char *alpn;
	unsigned alpn_len;

	*to = (struct tls_facts){ .version = SSL_version(t->ssl) == TLS1_3_VERSION ? S("1.3") : S("1.2") };
	to->resumed = SSL_session_reused(t->ssl);
	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
	to->h2 = alpn_len == 2 && memcmp(alpn, "h2", 2) == 0;
	to->certificate = slice_of(t->certificate);
	to->policy = t->policy;
}

void tls_refuse(struct wire *w, enum tls_alert alert)
{
	unsigned char record[7] = { 21, 3, 1, 0, 2, 2, (unsigned char)alert };

	wire_raw_write(w, record, sizeof record);
}
