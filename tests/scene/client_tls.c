/* client_tls.c -- the TLS of a client; it believes every certificate, for scenes are about what follows. */
#include "scene.h"
#include "base/check.h"
#include "client_tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

void client_tls_open(struct scene *s, struct fake_client *c)
{
	static SSL_CTX *context;
	static const unsigned char http1[] = "\x08http/1.1", http2[] = "\x02h2";

	if (!context)
		context = SSL_CTX_new(TLS_client_method());
	check(context);
	c->tls = calloc(1, sizeof *c->tls);
	check(c->tls);
	SSL *ssl = c->tls->ssl = SSL_new(context);
	check(ssl && SSL_set_fd(ssl, c->fd) == 1 && SSL_set_tlsext_host_name(ssl, "scene.test") == 1);
	check(SSL_set_alpn_protos(ssl, c->is_http2 ? http2 : http1, c->is_http2 ? 3 : 9) == 0);
	SSL_set_connect_state(ssl);
	for (int i = 0; i < 400 && SSL_do_handshake(ssl) != 1; i++)
		world_turn(s);
	if (!SSL_is_init_finished(ssl))
		scene_fail(s, "the TLS handshake does not end");
	if (c->is_http2)
		c->tls->http2 = http2_open(c);
}

void client_tls_close(struct fake_client *c)
{
	if (!c->tls)
		return;
	http2_close(c->tls->http2);
	SSL_free(c->tls->ssl);
	free(c->tls);
	c->tls = NULL;
}

ssize_t client_tls_read(struct fake_client *c, char *to, size_t len)
{
	ERR_clear_error();
	int got = SSL_read(c->tls->ssl, to, (int)len);
	if (got > 0)
		return got;
	if (SSL_get_error(c->tls->ssl, got) != SSL_ERROR_WANT_READ)
		return 0;
	errno = EAGAIN;
	return -1;
}

bool client_tls_write(struct fake_client *c, struct slice bytes)
{
	ERR_clear_error();
	return SSL_write(c->tls->ssl, bytes.at, (int)bytes.len) == (int)bytes.len;
}
