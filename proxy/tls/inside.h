/* inside.h -- what the files of tls/ share. Private. */
#pragma once
#include "tls/tls.h"
#include <openssl/ssl.h>

struct tls_server {
	const struct config_listener *config;
	const struct ticket_keys *tickets;
	struct tls_host *hosts;         /* one per certificate and policy */
	size_t hosts_len;
	unsigned char alpn[32];         /* wire format, preferred first */
	unsigned alpn_len;
};

struct tls_host {                   /* a context and the names it speaks for */
	SSL_CTX *ctx;
	struct slice *names;            /* lower case, exact or "*.rest"; owned */
	size_t names_len;
	uint64_t policy;
	bool demands;                   /* asks clients for certificates */
};

struct tls_client {
	SSL_CTX *ctx;
	SSL_SESSION *session;           /* of the last handshake; offered to the next */
};

struct tls_layer {                  /* one wire's TLS */
	SSL *ssl;
	struct tls_server *server;      /* NULL: we are the client */
	struct tls_client *client;
	uint64_t policy;
	bool ready, truncated;
	const char *failure;            /* one word, once it has failed */
	char sentence[120];
	char *certificate;              /* RFC 4514 subject; owned; NULL where none */
};

bool layer_open(struct wire *w, SSL_CTX *ctx, struct tls_layer **to);
struct tls_host *server_host(const struct tls_server *s, struct slice name);
void tickets_attach(SSL_CTX *ctx); /* its app data is the tls_server */

/* pem.c: each complains by place and returns false where it cannot. */
bool pem_chain(SSL_CTX *ctx, struct bundle *b, struct slice path, struct config_place place,
	struct config_errors *errors);
bool pem_key(SSL_CTX *ctx, struct bundle *b, const struct config_certificate *c,
             struct config_errors *errors);
bool pem_authorities(SSL_CTX *ctx, struct bundle *b, struct slice path, struct config_place place, bool names,
	struct config_errors *errors);
