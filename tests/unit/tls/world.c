/* world.c -- what world.h promises. */
#include "world.h"

struct world w;

int make_world(void **state)
{
	(void)state;
	w.b = bundle_record();
	w.ca = pki_make((struct pki_wish){ .cn = "CA", .authority = true });
	w.first =
	    pki_make((struct pki_wish){ .cn = "1", .names = "DNS:one.example,DNS:www.one.example", .by = &w.ca });
	w.second = pki_make((struct pki_wish){ .cn = "2", .names = "DNS:TWO.example", .by = &w.ca, .rsa = true });
	w.wild =
	    pki_make((struct pki_wish){ .cn = "3", .names = "DNS:*.wild.example,DNS:two.example", .by = &w.ca });
	w.client_ca = pki_make((struct pki_wish){ .cn = "Clients", .authority = true });
	w.middle = pki_make((struct pki_wish){ .cn = "Middle", .authority = true, .by = &w.client_ca });
	w.client =
	    pki_make((struct pki_wish){ .cn = "Zo\xc3\xab, robot", .organisation = "Acme", .by = &w.middle });
	w.direct = pki_make((struct pki_wish){ .cn = "direct", .by = &w.client_ca });
	w.stranger = pki_make((struct pki_wish){ .cn = "stranger" });
	pki_put(w.b, "first", &w.first, NULL);
	pki_put(w.b, "second", &w.second, NULL);
	pki_put(w.b, "wild", &w.wild, NULL);
	pki_put(w.b, "clients", &w.client_ca, NULL);
	pki_put(w.b, "strangers", &w.stranger, NULL);
	return 0;
}

int free_world(void **state)
{
	struct pki *all[] = { &w.ca,     &w.first,  &w.second, &w.wild,    &w.client_ca,
		                  &w.middle, &w.client, &w.direct, &w.stranger };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		pki_free(all[i]);
	bundle_close(w.b);
	return 0;
}

int set_up(void **state)
{
	(void)state;
	w.certs[0] = (struct config_certificate){ .chain = S("/first.pem"), .key = S("/first.key") };
	w.certs[1] = (struct config_certificate){ .chain = S("/second.pem"), .key = S("/second.key") };
	w.certs[2] = (struct config_certificate){ .chain = S("/wild.pem"), .key = S("/wild.key") };
	w.tls = (struct config_listener_tls){ .certificates = w.certs,
		                                  .certificates_len = 3,
		                                  .tickets = 1,
		                                  .ciphers = S("ECDHE+AESGCM:ECDHE+CHACHA20"),
		                                  .ciphersuites = S("TLS_AES_128_GCM_SHA256"),
		                                  .groups = S("X25519MLKEM768:X25519:P-256:P-384") };
	w.protocols[0] = S("h2");
	w.protocols[1] = S("http/1.1");
	w.listener = (struct config_listener){ .address = S("127.0.0.1:8443"),
		                                   .tls = &w.tls,
		                                   .protocols = { w.protocols, 2 } };
	memset(&w.keys, 0, sizeof w.keys);
	ticket_keys_make(&w.keys, &w.config, 1000000);
	w.client_ctx = SSL_CTX_new(TLS_client_method());
	X509_STORE_add_cert(SSL_CTX_get_cert_store(w.client_ctx), w.ca.cert);
	SSL_CTX_set_verify(w.client_ctx, SSL_VERIFY_PEER, NULL);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	tls_server_close(w.server);
	w.server = NULL;
	config_errors_free(&w.errors);
	SSL_CTX_free(w.client_ctx);
	return 0;
}

void open_server(void)
{
	tls_server_close(w.server);
	w.server = tls_server_open(&w.listener, &w.config, w.b, &w.keys, &w.errors);
	if (!w.server)
		print_error("%s", w.errors.text);
	assert_non_null(w.server);
}

void demand(int mode, const char *host)
{
	w.tls.client_certificate = mode;
	w.tls.client_ca = S("/clients.pem");
	w.client_hosts[0] = slice_of(host);
	w.tls.client_hosts = (struct config_texts){ w.client_hosts, host ? 1 : 0 };
	open_server();
}

void show(const struct pki *p, const struct pki *between)
{
	SSL_CTX_use_cert_and_key(w.client_ctx, p->cert, p->key, NULL, 1);
	SSL_CTX_clear_chain_certs(w.client_ctx);
	if (between)
		SSL_CTX_add1_chain_cert(w.client_ctx, between->cert);
}

struct tls_facts facts_of(struct talk *t)
{
	struct tls_facts f;

	assert_int_equal(t->step, TLS_READY);
	assert_int_equal(t->done, 1);
	tls_facts(t->wire, &f);
	return f;
}
