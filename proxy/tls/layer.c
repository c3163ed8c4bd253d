/* layer.c -- an SSL object on a wire: our own BIO beneath it, plaintext above it. */
#include "base/check.h"
#include "tls/inside.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

#define RECORD_MAX 16384
#define READ_SLACK (4 * RECORD_MAX) /* bytes read beyond what is wanted, for records that carry none of it */

/* ---- the BIO: reads the socket, queues what the socket does not take, never blocks ---- */

/* What OpenSSL writes while several records are expected, so that they leave in one call. */
static struct {
	struct wire *wire; /* NULL: nothing is gathered */
	size_t len;
	char bytes[PIECE_SIZE + 2 * RECORD_MAX]; /* a piece, its head and what each record adds */
} gather;

static bool flush(void)
{
	size_t len = gather.len;

	gather.len = 0;
	return !len || wire_raw_write(gather.wire, gather.bytes, len);
}

static int bio_read(BIO *b, char *to, int cap)
{
	struct wire *w = BIO_get_data(b);
	struct tls_layer *t = w->layered;
	size_t most = (size_t)cap < t->budget ? (size_t)cap : t->budget;

	BIO_clear_retry_flags(b);
	if (gather.len && !flush()) /* a flight goes out before its answer is waited for */
		return -1;
	ssize_t got = most ? wire_raw_read(w, to, most) : WIRE_LATER;
	t->starved = most && got == WIRE_LATER;
	t->eof |= got == WIRE_END;
	if (got > 0)
		t->budget -= (size_t)got;
	if (got == WIRE_LATER)
		BIO_set_retry_read(b);
	return got > 0 ? (int)got : got == WIRE_END ? 0 : -1;
}

static int bio_write(BIO *b, const char *from, int len)
{
	struct wire *w = BIO_get_data(b);
	size_t size = (size_t)len;

	BIO_clear_retry_flags(b);
	if (gather.wire != w)
		return wire_raw_write(w, from, size) ? len : -1;
	if (size > sizeof gather.bytes - gather.len && !flush())
		return -1;
	if (size > sizeof gather.bytes)
		return wire_raw_write(w, from, size) ? len : -1;
	memcpy(gather.bytes + gather.len, from, size);
	gather.len += size;
	return len;
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

static void gather_begin(struct wire *w)
{
	gather.wire = w;
	gather.len = 0;
}

static bool gather_end(void)
{
	bool ok = flush();

	gather.wire = NULL;
	return ok;
}

/* ---- the layer ---- */

/* What a read that ends finds in the queue it would take for its own failure. Whoever fails empties it;
 * should somebody forget that, it is emptied here, once a turn, since to look costs 200 instructions. */
static void clear_errors(const struct loop *l)
{
	static uint64_t turn;

	if (l->turns == turn)
		return;
	turn = l->turns;
	if (ERR_peek_error())
		ERR_clear_error();
}

/* Remembers why; what OpenSSL has to say further is of no interest. */
static void fail(struct tls_layer *t)
{
	if (!t->failed)
		t->error = ERR_peek_last_error();
	t->failed = true;
	ERR_clear_error();
}

/* After an SSL_read that gave nothing: WIRE_LATER, WIRE_END or WIRE_FAILED. */
static ssize_t read_stopped(struct wire *w, struct tls_layer *t)
{
	if (SSL_want_read(t->ssl) && BIO_should_read(SSL_get_rbio(t->ssl))) { /* whatever the queue holds */
		if (!t->starved) /* the budget is spent, and the socket has more */
			wire_nudge(w);
		return WIRE_LATER;
	}
	switch (SSL_get_error(t->ssl, 0)) {
	case SSL_ERROR_ZERO_RETURN:
		return t->end = WIRE_END;
	case SSL_ERROR_SYSCALL:
		if (t->eof) { /* FIN without close_notify */
			t->truncated = true;
			ERR_clear_error();
			return t->end = WIRE_END;
		}
		break;
	default:
		break;
	}
	fail(t);
	if (!w->failed)
		w->error = EPROTO;
	w->failed = true;
	return t->end = WIRE_FAILED;
}

/* Several records in one call, as long as they are at hand. */
static ssize_t layer_read(struct wire *w, void *to, size_t cap)
{
	struct tls_layer *t = w->layered;
	size_t have = 0, got;
	ssize_t stopped = WIRE_LATER;

	check(t->ready);
	if (t->end)
		return t->end;
	t->budget = cap + READ_SLACK;
	clear_errors(w->loop);
	do {
		if (SSL_read_ex(t->ssl, (char *)to + have, cap - have, &got) != 1) {
			stopped = read_stopped(w, t);
			break;
		}
		have += got;
	} while (have < cap && (SSL_has_pending(t->ssl) || w->readable));
	return have ? (ssize_t)have : stopped;
}

static bool layer_write(struct wire *w, const void *from, size_t len)
{
	struct tls_layer *t = w->layered;
	size_t sent;

	check(t->ready);
	if (w->failed || w->write_failed || w->closed || w->shut || t->failed)
		return false;
	if (len > RECORD_MAX)
		gather_begin(w);
	bool ok = SSL_write_ex(t->ssl, from, len, &sent) == 1 && sent == len;
	if (len > RECORD_MAX)
		ok &= gather_end();
	if (ok)
		return true;
	fail(t);
	w->write_failed = true;
	return false;
}

/* What OpenSSL holds is worth another read, unless it has asked for the rest of it in vain. */
static bool layer_pending(const struct wire *w)
{
	const struct tls_layer *t = w->layered;

	return t->end || (t->ready && !t->starved && SSL_has_pending(t->ssl));
}

static void layer_shut(struct wire *w)
{
	struct tls_layer *t = w->layered;

	if (t->ready && !t->failed && !w->write_failed)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

static void layer_free(struct wire *w)
{
	struct tls_layer *t = w->layered;

	/* so that its session stays usable */
	SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	ERR_clear_error();
	free(t->subject);
	free(t);
	w->layered = NULL;
	w->layer = NULL;
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

/* ---- the handshake ---- */

/* The verified client certificate's subject in RFC 4514 form, in ASCII. One that is too long for those who
 * compare subjects is refused rather than cut, for two could then be the same. */
static bool name_client(struct tls_layer *t)
{
	X509 *cert = SSL_is_server(t->ssl) ? SSL_get0_peer_certificate(t->ssl) : NULL;
	char *at;

	if (!cert)
		return true;
	BIO *text = SSL_get_verify_result(t->ssl) == X509_V_OK ? BIO_new(BIO_s_mem()) : NULL;
	bool ok = text && X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0;
	long len = ok ? BIO_get_mem_data(text, &at) : 0;
	ok = ok && len < SUBJECT_MAX;
	if (ok && len > 0)
		ok = (t->subject = strndup(at, (size_t)len));
	BIO_free(text);
	t->is_certified = ok && X509_digest(cert, EVP_sha256(), t->thumbprint, NULL) == 1;
	return t->is_certified;
}

static enum tls_step handshake_failed(struct tls_layer *t)
{
	fail(t);
	if (t->known) { /* a session that is refused is not offered again */
		SSL_SESSION_free(t->known->session);
		t->known->session = NULL;
	}
	return TLS_FAILED;
}

enum tls_step tls_handshake(struct wire *w)
{
	struct tls_layer *t = w->layered;

	if (t->ready || t->failed)
		return t->ready ? TLS_READY : TLS_FAILED;
	t->budget = READ_SLACK;
	ERR_clear_error();
	gather_begin(w);
	int done = SSL_do_handshake(t->ssl);
	int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, done);
	bool sent = gather_end();
	if (error == SSL_ERROR_WANT_READ && sent) {
		if (!t->starved)
			wire_nudge(w);
		return TLS_WAIT;
	}
	if (error != SSL_ERROR_NONE || !sent)
		return handshake_failed(t);
	if (!name_client(t)) {
		t->refused = true;
		return handshake_failed(t);
	}
	t->ready = true;
	return TLS_READY;
}
