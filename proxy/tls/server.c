/* server.c -- the contexts of a listener: one per certificate and client-certificate policy, chosen by server
 * name. */
#include "tls/inside.h"
#include "base/check.h"
#include "base/siphash.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* Fixed key: this hash must be the same in every worker and generation, and protects nothing by secrecy. */
static uint64_t hash(struct slice a, uint64_t before)
{
	return siphash((struct siphash_key){ 0x73616c6c79706f72, before }, a);
}

/* ---- names ---- */

static bool add_name(struct tls_host *h, const char *text, size_t len)
{
	struct slice *more = realloc(h->names, (h->names_len + 1) * sizeof *more);
	char *copy = malloc(len + 1);

	check(more && copy);
	h->names = more;
	for (size_t i = 0; i < len; i++)
		copy[i] = slice_lower(text[i]);
	copy[len] = '\0';
	h->names[h->names_len++] = (struct slice){ copy, len };
	return true;
}

static void read_names(struct tls_host *h)
{
	X509 *cert = SSL_CTX_get0_certificate(h->ctx);
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		if (n->type == GEN_DNS)
			add_name(h, (const char *)ASN1_STRING_get0_data(n->d.dNSName),
			         (size_t)ASN1_STRING_length(n->d.dNSName));
	}
	GENERAL_NAMES_free(names);
}

/* 2: to the letter; 1: by a wildcard of one label (RFC 6125 section 6.4.3); 0: not. */
static int fits(struct slice pattern, struct slice name)
{
	if (slice_same(pattern, name))
		return 2;
	if (!slice_starts(pattern, S("*.")))
		return 0;
	size_t dot = slice_find(name, '.');
	return dot && slice_same(slice_from(pattern, 1), slice_from(name, dot));
}

static bool demands(const struct tls_server *s, struct slice name)
{
	const struct config_listener_tls *t = s->config->tls;

	if (t->client_certificate == 0) /* WORDS: none|optional|required */
		return false;
	for (size_t i = 0; i < t->client_hosts.len; i++)
		if (fits(t->client_hosts.at[i], name))
			return true;
	return t->client_hosts.len == 0;
}

struct tls_host *server_host(const struct tls_server *s, struct slice name)
{
	bool wanted = demands(s, name);
	struct tls_host *best = NULL;
	int best_fit = -1;

	for (size_t i = 0; i < s->hosts_len; i++) {
		struct tls_host *h = &s->hosts[i];
		int fit = 0;
		if (h->demands != wanted)
			continue;
		for (size_t k = 0; k < h->names_len; k++) {
			int f = fits(h->names[k], name);
			fit = f > fit ? f : fit;
		}
		if (fit > best_fit) {
			best = h;
			best_fit = fit;
		}
	}
	return best;
}

static uint64_t policy_of(const struct tls_server *s, bool wanted, struct bundle *b)
{
	const struct config_listener_tls *t = s->config->tls;
	uint64_t h = hash(s->config->address, wanted ? (uint64_t)t->client_certificate + 1 : 0);
	struct slice ca;
	const char *why;

	if (wanted && t->client_ca.len && bundle_file(b, t->client_ca.at, &ca, &why))
		h = hash(ca, h);
	return h | 1;
}

uint64_t tls_policy(const struct tls_server *s, struct slice host)
{
	return server_host(s, host)->policy;
}

/* ---- contexts ---- */

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

static bool set_bounds(SSL_CTX *ctx, const struct tls_server *s, struct config_errors *errors)
{
	const struct config_listener_tls *t = s->config->tls;
	int least = t->min_version == 0 ? TLS1_2_VERSION : TLS1_3_VERSION; /* WORDS: 1.2|1.3 */

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
	                             SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, (size_t)t->tickets);
	if (t->tickets == 0)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (SSL_CTX_set_cipher_list(ctx, t->ciphers.at) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, t->ciphersuites.at) != 1) {
		config_complain(errors, t->place, "OpenSSL knows no cipher of ciphers: or ciphersuites:");
		ERR_clear_error();
		return false;
	}
	return SSL_CTX_set_min_proto_version(ctx, least) == 1 &&
		SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1;
}

static bool set_clients(SSL_CTX *ctx, const struct tls_server *s, struct bundle *b,
                        struct config_errors *errors)
{
	const struct config_listener_tls *t = s->config->tls;
	int mode =
	    t->client_certificate == 2 ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;

	if (!t->client_ca.len) {
		config_complain(errors, t->place,
		                "client_certificate asks for certificates, but client_ca names no CA to trust");
		return false;
	}
	SSL_CTX_set_verify(ctx, mode, NULL);
	return pem_authorities(ctx, b, t->client_ca, t->place, true, errors);
}

static bool open_host(struct tls_server *s, const struct config_certificate *c, bool wanted, struct bundle *b,
	struct config_errors *errors)
{
	struct tls_host *h = &s->hosts[s->hosts_len++];
	uint64_t id[2];

	h->demands = wanted;
	h->ctx = SSL_CTX_new(TLS_server_method());
	check(h->ctx);
	SSL_CTX_set_app_data(h->ctx, s);
	if (!set_bounds(h->ctx, s, errors) || !pem_chain(h->ctx, b, c->chain, c->place, errors) ||
	    !pem_key(h->ctx, b, c, errors) || (wanted && !set_clients(h->ctx, s, b, errors)))
		return false;
	read_names(h);
	h->policy = policy_of(s, wanted, b);
	id[0] = h->policy;
	id[1] = hash(s->config->address, h->policy);
	SSL_CTX_set_session_id_context(h->ctx, (const unsigned char *)id, sizeof id);
	SSL_CTX_set_alpn_select_cb(h->ctx, on_alpn, s);
	tickets_attach(h->ctx);
	return true;
}

struct tls_server *tls_server_open(const struct config_listener *l, const struct config *c, struct bundle *b,
	const struct ticket_keys *tickets, struct config_errors *errors)
{
	struct tls_server *s = calloc(1, sizeof *s);
	const struct config_listener_tls *t = l->tls;
	bool ok = true;

	(void)c;
	check(s);
	s->config = l;
	s->tickets = tickets;
	s->hosts = calloc(t->certificates_len * 2 + 1, sizeof *s->hosts);
	check(s->hosts);
	read_protocols(s);
	for (size_t i = 0; i < t->certificates_len; i++) {
		bool some = t->client_certificate != 0, all = some && t->client_hosts.len == 0;
		ok &= all || open_host(s, &t->certificates[i], false, b, errors);
		ok &= !some || open_host(s, &t->certificates[i], true, b, errors);
	}
	if (ok && s->hosts_len)
		return s;
	tls_server_close(s);
	return NULL;
}

void tls_server_close(struct tls_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->hosts_len; i++) {
		for (size_t k = 0; k < s->hosts[i].names_len; k++)
			free((void *)(uintptr_t)s->hosts[i].names[k].at);
		free(s->hosts[i].names);
		SSL_CTX_free(s->hosts[i].ctx);
	}
	free(s->hosts);
	free(s);
}

bool tls_accept(struct wire *w, struct tls_server *s, const struct hello *hello)
{
	struct tls_layer *t;
	struct tls_host *h = server_host(s, slice_of(hello->server_name_lower));

	if (!layer_open(w, h->ctx, &t))
		return false;
	t->server = s;
	t->policy = h->policy;
	SSL_set_accept_state(t->ssl);
	return true;
}
