/* client.c -- TLS towards upstreams: the chain and the name are always verified. */
#include "tls/inside.h"
#include "base/check.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* The last session is offered to the next handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(c->session);
	c->session = session;
	return 1; /* ours now */
}

struct tls_client *tls_client_open(const struct config_upstream *u, struct bundle *b,
                                   struct config_errors *errors)
{
	struct tls_client *c = calloc(1, sizeof *c);

	check(c);
	c->ctx = SSL_CTX_new(TLS_client_method());
	check(c->ctx);
	SSL_CTX_set_app_data(c->ctx, c);
	SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c->ctx, 1);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	bool ok = u->tls.ca.len ? pem_authorities(c->ctx, b, u->tls.ca, u->tls.place, false, errors)
	                        : SSL_CTX_set_default_verify_paths(c->ctx) == 1;
	if (ok)
		return c;
	tls_client_close(c);
	return NULL;
}

void tls_client_close(struct tls_client *c)
{
	if (!c)
		return;
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
	free(c);
}

static bool expect(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *verify = SSL_get0_param(ssl);
	struct in6_addr ip;

	if (inet_pton(AF_INET, name, &ip) == 1 || inet_pton(AF_INET6, name, &ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(verify, name) == 1;
	X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(verify, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

bool tls_connect(struct wire *w, struct tls_client *c, struct slice name)
{
	struct tls_layer *t;
	char text[256];

	if (name.len >= sizeof text || !layer_open(w, c->ctx, &t))
		return false;
	memcpy(text, name.at, name.len);
	text[name.len] = '\0';
	t->client = c;
	SSL_set_connect_state(t->ssl);
	if (c->session && SSL_SESSION_is_resumable(c->session))
		SSL_set_session(t->ssl, c->session);
	bool ok = expect(t->ssl, text);
	ERR_clear_error();
	return ok;
}
