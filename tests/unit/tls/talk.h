/* talk.h -- our server on one end of a socket pair, a plain OpenSSL client on the other, in turns. */
#pragma once
#include "pki.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

struct talk {
	struct loop *loop;
	struct wire *wire;  /* our end */
	int fd;             /* the client's */
	SSL *ssl;           /* the client */
	enum tls_step step; /* our handshake */
	int done;           /* the client's; 1: finished, -1: failed */
	struct hello hello;
	const char *failure;
	struct slice why;
};

void talk_open(struct talk *t, int buffer);

void talk_close(struct talk *t);

/* The plain client over the other end; connects with that name and, where given, session. */
void talk_client(struct talk *t, SSL_CTX *ctx, const char *name, SSL_SESSION *session);

void talk_client_step(struct talk *t);

void talk_server_step(struct talk *t, struct tls_server *s);

/* Both ends until both are done. */
void talk_shake(struct talk *t, struct tls_server *s);

/* The client reads one answer byte, so that tickets arrive too. */
SSL_SESSION *talk_session(struct talk *t);
