/* talk.c -- what talk.h promises. */
#include "talk.h"

static void talk_on_ready(struct wire *w)
{
	(void)w;
}

void talk_open(struct talk *t, int buffer)
{
	int fds[2];

	memset(t, 0, sizeof *t);
	t->loop = loop_open();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (buffer)
		assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
	t->fd = fds[1];
	fcntl(t->fd, F_SETFL, O_NONBLOCK);
	t->wire = wire_open(t->loop, fds[0], false);
	assert_non_null(t->wire);
	t->wire->on_ready = talk_on_ready;
}

void talk_close(struct talk *t)
{
	if (t->ssl)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	wire_close(t->wire);
	if (t->fd >= 0)
		close(t->fd);
	loop_turn(t->loop, 0);
	loop_close(t->loop);
	ERR_clear_error();
}

void talk_client(struct talk *t, SSL_CTX *ctx, const char *name, SSL_SESSION *session)
{
	t->ssl = SSL_new(ctx);
	SSL_set_fd(t->ssl, t->fd);
	SSL_set_connect_state(t->ssl);
	if (name)
		SSL_set_tlsext_host_name(t->ssl, name);
	if (session)
		SSL_set_session(t->ssl, session);
}

void talk_client_step(struct talk *t)
{
	ERR_clear_error();
	if (t->done == 0) {
		int done = SSL_do_handshake(t->ssl);
		int error = SSL_get_error(t->ssl, done);
		t->done = done == 1 ? 1 : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	ERR_clear_error();
}

void talk_server_step(struct talk *t, struct tls_server *s)
{
	loop_turn(t->loop, 0);
	if (!t->wire->layer) {
		int state;
		struct slice bytes = wire_peek(t->wire, &state);
		if (hello_read(bytes, &t->hello) != HELLO_DONE)
			return;
		assert_true(tls_accept(t->wire, s, &t->hello));
	}
	if (t->step == TLS_WAIT)
		t->step = tls_handshake(t->wire);
	if (t->step == TLS_FAILED && !t->failure) {
		t->failure = tls_failure(t->wire, &t->why);
		wire_shut(t->wire);
	}
}

void talk_shake(struct talk *t, struct tls_server *s)
{
	for (int i = 0; i < 20 && (t->done == 0 || t->step == TLS_WAIT); i++) {
		talk_client_step(t);
		talk_server_step(t, s);
	}
}

SSL_SESSION *talk_session(struct talk *t)
{
	char byte;

	assert_true(wire_write(t->wire, S("!")));
	assert_int_equal(SSL_read(t->ssl, &byte, 1), 1);
	return SSL_get1_session(t->ssl);
}
