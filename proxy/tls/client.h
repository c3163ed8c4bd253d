/* client.h -- TLS towards upstreams and Redis. Part of tls' door. */
#pragma once
#include "config/config.h"
#include "connection/connection.h"

struct tls_client;
struct tls_client *tls_client_open(const struct config_upstream *u, struct bundle *b,
                                   struct config_errors *errors);
struct tls_peer {              /* slices outlive the client */
	struct slice ca;           /* empty: the system's */
	struct slice server_name;  /* empty: the name given to tls_connect */
	struct slice chain, key;   /* of our own certificate; empty: none */
	struct config_place place; /* to complain of */
	bool http;                 /* offer http/1.1 by ALPN */
};
struct tls_client *tls_client_open_for(const struct tls_peer *p, struct bundle *b,
                                       struct config_errors *errors);
/* After the last wire that was connected by it is closed. */
void tls_client_close(struct tls_client *c);
/* name: to verify, and where it is no IP address to send as SNI; the configured server_name goes before it.
 * The name's last session is offered. False: no name, or out of memory; the caller closes the wire. */
bool tls_connect(struct wire *w, struct tls_client *c, struct slice name);
