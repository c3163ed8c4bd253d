/* client.c -- TLS towards upstreams and Redis: the chain and the name are always verified. */
#include "base/check.h"
#include "base/text.h"
#include "tls/inside.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define SESSION_S 3600 /* a certificate is looked at again after this, at the latest */

/* The last session of a name is offered in the next handshake with it. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct wire *w = SSL_get_app_data(ssl);
	struct tls_layer *t = w->layered;

	if (!t->known)
		return 0;
	SSL_SESSION_free(t->known->session);
	t->known->session = session;
	if (!SSL_session_reused(ssl)) /* a session's own time is that of its last ticket */
		t->known->verified_s = time(NULL);
	return 1; /* ours now */
}

static bool set_authorities(struct tls_client *c, struct bundle *b, struct config_errors *errors)
{
	const struct tls_peer *p = &c->peer;
	X509_STORE *store =
	    p->ca.len ? pem_store(b, p->ca, p->place, NULL, errors) : pem_system_store(b, p->place, errors);

	if (!store)
		return false;
	SSL_CTX_set1_cert_store(c->ctx, store);
	X509_STORE_free(store);
	return true;
}

/* Our own certificate, for a server that asks for one. */
static bool set_certificate(struct tls_client *c, struct bundle *b, struct config_errors *errors)
{
	const struct tls_peer *p = &c->peer;
	const struct config_certificate own = { .chain = p->chain, .key = p->key, .place = p->place };
	struct pem pem;

	if (!p->chain.len)
		return true;
	bool ok = pem_read(&pem, b, &own, errors);
	if (ok && SSL_CTX_use_cert_and_key(c->ctx, pem.cert, pem.key, pem.chain, 1) != 1) {
		config_complain(errors, p->place, "%s cannot be used as a client certificate", p->chain.at);
		ok = false;
	}
	pem_free(&pem);
	ERR_clear_error();
	return ok;
}

struct tls_client *tls_client_open(const struct config_upstream *u, struct bundle *b,
                                   struct config_errors *errors)
{
	const struct tls_peer p = { .ca = u->tls.ca,
		                        .server_name = u->tls.server_name,
		                        .http = true,
		                        .chain = u->tls.chain,
		                        .key = u->tls.key,
		                        .place = u->tls.place.line ? u->tls.place : u->place };

	return tls_client_open_for(&p, b, errors);
}

struct tls_client *tls_client_open_for(const struct tls_peer *p, struct bundle *b,
                                       struct config_errors *errors)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	struct tls_client *c = calloc(1, sizeof *c);

	check(c);
	c->peer = *p;
	c->ctx = SSL_CTX_new(TLS_client_method());
	check(c->ctx);
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c->ctx, 1);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	check(SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) == 1);
	if (p->http)
		check(SSL_CTX_set_alpn_protos(c->ctx, alpn, sizeof alpn - 1) == 0); /* 0 is success here */
	if (set_authorities(c, b, errors) && set_certificate(c, b, errors))
		return c;
	tls_client_close(c);
	return NULL;
}

void tls_client_close(struct tls_client *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		SSL_SESSION_free(c->known[i].session);
		free(c->known[i].name);
	}
	SSL_CTX_free(c->ctx);
	free(c);
}

/* Where sessions of that name are kept; NULL where there is no room for one more. */
static struct tls_known *know(struct tls_client *c, const char *name)
{
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		struct tls_known *k = &c->known[i];
		if (!k->name)
			k->name = strdup(name);
		if (!k->name || strcmp(k->name, name) == 0)
			return k->name ? k : NULL;
	}
	return NULL;
}

static void offer_session(SSL *ssl, const struct tls_known *known)
{
	if (!known || !known->session || !SSL_SESSION_is_resumable(known->session))
		return;
	time_t age = time(NULL) - known->verified_s;
	if (age >= 0 && age < SESSION_S)
		SSL_set_session(ssl, known->session);
}

/* The name, or IP address, that the certificate must be for (RFC 6125; no part of a label is wild). */
static bool expect(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *verify = SSL_get0_param(ssl);
	struct in6_addr ip;

	if (inet_pton(AF_INET, name, &ip) == 1 || inet_pton(AF_INET6, name, &ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(verify, name) == 1;
	X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	                                            X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return X509_VERIFY_PARAM_set1_host(verify, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

bool tls_connect(struct wire *w, struct tls_client *c, struct slice name)
{
	char bytes[256];
	struct text text = TEXT(bytes);
	struct tls_layer *t;

	if (c->peer.server_name.len)
		name = c->peer.server_name;
	if (slice_starts(name, S("[")) && slice_ends(name, S("]")))
		name = (struct slice){ name.at + 1, name.len - 2 };
	if (slice_ends(name, S(".")))
		name.len--;
	text_add(&text, name);
	if (!name.len || memchr(name.at, '\0', name.len) || !text_end(&text) || !layer_open(w, c->ctx, &t))
		return false;
	t->known = know(c, bytes);
	SSL_set_connect_state(t->ssl);
	offer_session(t->ssl, t->known);
	bool ok = expect(t->ssl, bytes);
	ERR_clear_error();
	return ok;
}
