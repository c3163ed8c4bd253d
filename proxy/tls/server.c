/* server.c -- the contexts of a listener: one per certificate and client-certificate policy, chosen by the
 * server name of the ClientHello before the SSL object is made, hence before any ticket is looked at. */
#include "base/check.h"
#include "base/text.h"
#include "tls/inside.h"
#include <openssl/err.h>
#include <stdlib.h>

#define SESSION_S 7200         /* how long a ticket is good; */
#define SESSION_CLIENT_S 3600  /* and where it also stands for a client's certificate */
#define CLIENT_CHAIN_MAX 16384 /* bytes of the certificates a client may send */
/* Bytes of early data that are skipped: of a client that has a ticket of whoever served the name before (RFC
 * 8446 section 4.2.10). None are ever taken. */
#define EARLY_SKIPPED_MAX 65536

/* ---- policies ---- */

static bool demands(const struct tls_server *s, struct slice name)
{
	const struct config_listener_tls *t = s->config->tls;
	char lower[256];

	if (t->client_certificate == CLIENT_CERTIFICATE_NONE || t->client_hosts.len == 0)
		return t->client_certificate != CLIENT_CERTIFICATE_NONE;
	if (slice_ends(name, S(".")))
		name.len--;
	if (name.len > sizeof lower)
		return false;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = slice_lower(name.at[i]);
	for (size_t i = 0; i < t->client_hosts.len; i++)
		if (host_fits(t->client_hosts.at[i], (struct slice){ lower, name.len }))
			return true;
	return false;
}

uint64_t tls_policy(const struct tls_server *s, struct slice host)
{
	return s->policy[demands(s, host) ? DEMANDING : PLAIN];
}

/* With the lists of who is revoked, so that no ticket outlives a new one. */
static bool digest_lists(const struct config_listener_tls *t, struct bundle *b, unsigned char ca[static 32],
                         struct config_errors *errors)
{
	unsigned char both[2][32];
	struct slice file;
	const char *why;

	if (!bundle_file(b, t->crl.at, &file, &why)) {
		config_complain(errors, t->place, "%s cannot be read: %s", t->crl.at, why);
		return false;
	}
	memcpy(both[0], ca, 32);
	digest_sha256(file, both[1]);
	digest_sha256((struct slice){ (const char *)both, sizeof both }, ca);
	return true;
}

/* Listener, whether and how certificates are asked for, and by which CAs they are judged. */
static bool digest_policy(struct tls_server *s, int policy, struct bundle *b, struct config_errors *errors)
{
	const struct config_listener_tls *t = s->config->tls;
	unsigned char ca[32] = { 0 };
	char bytes[512];
	struct text of = TEXT(bytes);
	struct slice file;
	const char *why;

	if (policy == DEMANDING) {
		if (!bundle_file(b, t->client_ca.at, &file, &why)) {
			config_complain(errors, t->place, "%s cannot be read: %s", t->client_ca.at, why);
			return false;
		}
		digest_sha256(file, ca);
		if (t->crl.len && !digest_lists(t, b, ca, errors))
			return false;
	}
	text_add(&of, s->config->address);
	text_char(&of, '\n');
	text_char(&of, (char)('0' + (policy == DEMANDING ? t->client_certificate : CLIENT_CERTIFICATE_NONE)));
	text_add(&of, (struct slice){ (const char *)ca, sizeof ca });
	check(!of.cut);
	digest_sha256(text_slice(&of), s->policy_digest[policy]);
	memcpy(&s->policy[policy], s->policy_digest[policy], sizeof s->policy[policy]);
	return true;
}

/* A ticket is only good for the policy and the names under which it was given (RFC 8446 section 4.6.1 binds
 * it to the name alone, and a client may send any). */
static bool bind_tickets(SSL_CTX *ctx, const struct tls_server *s, int policy, struct slice names)
{
	unsigned char digests[2][32], id[32];

	memcpy(digests[0], s->policy_digest[policy], 32);
	digest_sha256(names, digests[1]);
	digest_sha256((struct slice){ (const char *)digests, sizeof digests }, id);
	return SSL_CTX_set_session_id_context(ctx, id, sizeof id) == 1;
}

/* ---- contexts ---- */

/* Ours first. A client that offers only protocols we do not speak is refused (RFC 7301 section 3.2), so that
 * what it says is never taken for something else. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                   unsigned in_len, void *with)
{
	struct tls_server *s = with;

	(void)ssl;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, s->alpn, s->alpn_len, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static void read_protocols(struct tls_server *s)
{
	const CONFIG_TEXTS *p = &s->config->protocols;

	for (size_t i = 0; i < p->len && s->alpn_len + p->at[i].len + 1 <= sizeof s->alpn; i++) {
		s->alpn[s->alpn_len++] = (unsigned char)p->at[i].len;
		memcpy(s->alpn + s->alpn_len, p->at[i].at, p->at[i].len);
		s->alpn_len += (unsigned)p->at[i].len;
	}
}

static bool set_ciphers(SSL_CTX *ctx, const struct config_listener_tls *t, struct config_errors *errors)
{
	bool old = SSL_CTX_set_cipher_list(ctx, t->ciphers.at) == 1;
	bool new = SSL_CTX_set_ciphersuites(ctx, t->ciphersuites.at) == 1;

	if (!old)
		config_complain(errors, t->place, "OpenSSL knows no cipher of tls.ciphers: \"%s\"", t->ciphers.at);
	if (!new)
		config_complain(errors, t->place, "OpenSSL does not know all of tls.ciphersuites: \"%s\"",
		                t->ciphersuites.at);
	ERR_clear_error();
	return old && new;
}

static bool set_groups(SSL_CTX *ctx, const struct config_listener_tls *t, struct config_errors *errors)
{
	char list[TLS_GROUPS_MAX];
	struct slice lacking;

	if (tls_groups(t, list, &lacking) && SSL_CTX_set1_groups_list(ctx, list) == 1)
		return true;
	config_complain(errors, t->place, "OpenSSL knows no group of tls.groups: \"%.200s\"", t->groups.at);
	ERR_clear_error();
	return false;
}

static bool set_clients(SSL_CTX *ctx, const struct tls_server *s, struct bundle *b,
                        struct config_errors *errors)
{
	const struct config_listener_tls *t = s->config->tls;
	bool required = t->client_certificate == CLIENT_CERTIFICATE_REQUIRED;
	STACK_OF(X509_NAME) *names = NULL;
	X509_STORE *store = pem_store(b, t->client_ca, t->place, &names, errors);

	if (store && t->crl.len && !pem_revoke(store, b, t->crl, t->place, errors)) {
		X509_STORE_free(store);
		store = NULL;
	}
	if (!store) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return false;
	}
	SSL_CTX_set1_verify_cert_store(ctx, store);
	X509_STORE_free(store);
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	SSL_CTX_set_verify_depth(ctx, 8);
	SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
	SSL_CTX_set_timeout(ctx, SESSION_CLIENT_S);
	return true;
}

static void set_manners(SSL_CTX *ctx, struct tls_server *s)
{
	const struct config_listener_tls *t = s->config->tls;
	int least = t->min_version == TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
	                             (t->tickets ? 0 : SSL_OP_NO_TICKET));
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, SESSION_S);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_recv_max_early_data(ctx, EARLY_SKIPPED_MAX);
	SSL_CTX_set_app_data(ctx, s);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, s);
	tickets_attach(ctx);
	check(SSL_CTX_set_num_tickets(ctx, (size_t)t->tickets) == 1 &&
	      SSL_CTX_set_min_proto_version(ctx, least) == 1 &&
	      SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1);
}

static SSL_CTX *open_context(struct tls_server *s, int policy, struct slice names, struct bundle *b,
                             struct config_errors *errors)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	check(ctx);
	set_manners(ctx, s);
	if (set_ciphers(ctx, s->config->tls, errors) && set_groups(ctx, s->config->tls, errors) &&
	    (policy == PLAIN || set_clients(ctx, s, b, errors)) && bind_tickets(ctx, s, policy, names))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- hosts ---- */

static bool has_policy(const struct tls_server *s, int policy)
{
	const struct config_listener_tls *t = s->config->tls;

	if (policy == DEMANDING)
		return t->client_certificate != CLIENT_CERTIFICATE_NONE;
	return t->client_certificate == CLIENT_CERTIFICATE_NONE || t->client_hosts.len > 0;
}

static bool use(struct tls_host *h, const struct pem *p, const struct config_certificate *c,
                struct config_errors *errors)
{
	for (int i = 0; i < POLICIES; i++) {
		if (!h->ctx[i] || SSL_CTX_use_cert_and_key(h->ctx[i], p->cert, p->key, p->chain, 1) == 1)
			continue;
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());
		config_complain(errors, c->place, "OpenSSL will not use the certificate %s: %s", c->chain.at,
		                reason ? reason : "it does not say why");
		ERR_clear_error();
		return false;
	}
	return true;
}

/* The host that has the same names with a key of another type: clients get what they can verify. */
static struct tls_host *other_type(struct tls_server *s, struct slice names, int key_type)
{
	for (size_t i = 0; i < s->hosts_len; i++) {
		struct tls_host *h = &s->hosts[i];
		if (slice_same(h->names, names) && h->key_types[0] != key_type && !h->key_types[1])
			return h;
	}
	return NULL;
}

static struct tls_host *new_host(struct tls_server *s, struct slice names, struct bundle *b,
                                 struct config_errors *errors)
{
	struct tls_host *h = &s->hosts[s->hosts_len++];

	h->names = names;
	for (int i = 0; i < POLICIES; i++)
		if (has_policy(s, i) && !(h->ctx[i] = open_context(s, i, names, b, errors)))
			return NULL;
	return h;
}

static bool open_certificate(struct tls_server *s, const struct config_certificate *c, struct bundle *b,
                             struct config_errors *errors)
{
	struct slice names = { NULL, 0 };
	struct tls_host *h;
	struct pem p;
	bool ok = pem_read(&p, b, c, errors);

	if (ok) {
		int type = EVP_PKEY_get_base_id(p.key);
		check(names_read(p.cert, &names));
		h = other_type(s, names, type);
		if (h) {
			h->key_types[1] = type;
			free((void *)(uintptr_t)names.at);
		} else if ((h = new_host(s, names, b, errors))) {
			h->key_types[0] = type;
		}
		ok = h && use(h, &p, c, errors);
	}
	pem_free(&p);
	return ok;
}

static bool open_policies(struct tls_server *s, struct bundle *b, struct config_errors *errors)
{
	const struct config_listener_tls *t = s->config->tls;

	if (t->client_certificate != CLIENT_CERTIFICATE_NONE && !t->client_ca.len) {
		config_complain(errors, t->place,
		                "client_certificate needs client_ca, by which certificates are judged");
		return false;
	}
	for (int i = 0; i < POLICIES; i++)
		if (has_policy(s, i) && !digest_policy(s, i, b, errors))
			return false;
	return true;
}

struct tls_server *tls_server_open(const struct config_listener *l, const struct config *c, struct bundle *b,
                                   const struct ticket_keys *tickets, struct config_errors *errors)
{
	struct tls_server *s = calloc(1, sizeof *s);
	const struct config_listener_tls *t = l->tls;

	(void)c;
	check(s);
	s->config = l;
	s->tickets = tickets;
	s->hosts = calloc(t->certificates_len + 1, sizeof *s->hosts);
	check(s->hosts);
	read_protocols(s);
	bool policies = open_policies(s, b, errors), ok = policies;
	for (size_t i = 0; policies && i < t->certificates_len; i++)
		ok &= open_certificate(s, &t->certificates[i], b, errors);
	if (ok && s->hosts_len && names_index(s))
		return s;
	tls_server_close(s);
	return NULL;
}

void tls_server_close(struct tls_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->hosts_len; i++) {
		free((void *)(uintptr_t)s->hosts[i].names.at);
		for (int k = 0; k < POLICIES; k++)
			SSL_CTX_free(s->hosts[i].ctx[k]);
	}
	free(s->hosts);
	free(s->names);
	free(s);
}

bool tls_accept(struct wire *w, struct tls_server *s, const struct hello *hello)
{
	struct slice name = slice_of(hello ? hello->server_name_lower : "");
	int policy = demands(s, name) ? DEMANDING : PLAIN;
	struct tls_layer *t;

	if (!layer_open(w, s->hosts[names_find(s, name)].ctx[policy], &t))
		return false;
	t->policy = s->policy[policy];
	if (!tickets_exist(s->tickets)) { /* TLS 1.3 would send an empty one */
		SSL_set_options(t->ssl, SSL_OP_NO_TICKET);
		SSL_set_num_tickets(t->ssl, 0);
	}
	SSL_set_accept_state(t->ssl);
	return true;
}
