/* world.h -- a listener with certificates, a client CA and ticket keys, and a client that trusts them. */
#pragma once
#include "talk.h"

/* One listener with two certificates of one CA, a client CA, and ticket keys. */
struct world {
	struct bundle *b;
	struct pki ca, first, second, wild, client_ca, middle, client, direct, stranger;
	struct config config;
	struct config_certificate certs[4];
	struct config_listener_tls tls;
	struct config_listener listener;
	struct slice protocols[2], client_hosts[2];
	struct ticket_keys keys;
	struct config_errors errors;
	struct tls_server *server;
	SSL_CTX *client_ctx;
};

extern struct world w;

int make_world(void **state);

int free_world(void **state);

int set_up(void **state);

int tear_down(void **state);

void open_server(void);

void demand(int mode, const char *host);

void show(const struct pki *p, const struct pki *between);

struct tls_facts facts_of(struct talk *t);
