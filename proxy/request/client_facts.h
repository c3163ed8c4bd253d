/* client_facts.h -- the connection that a request came by. Part of request's door. */
#pragma once
#include "base/slice.h"
#include <netinet/in.h>

struct sharer; /* journey/: one client, and what it holds of this process */

/* Facts of the connection, computed once; several requests share them. Owned by the connection. */
struct client_facts {
	struct in6_addr peer; /* who connected (or the PROXY header says so); IPv4 mapped */
	uint16_t peer_port, local_port;
	bool tls, resumed, http2, expected_tls; /* the last: plain HTTP came where TLS is spoken */
	struct slice listener;                  /* its address as configured */
	struct slice server_name;               /* SNI, lower case; empty where none */
	uint64_t policy; /* hash of listener, SNI policy and client CA: a Host under another one gets 421 */
	struct slice tls_version; /* "1.3" */
	char ja4[37];             /* as published; NUL-terminated, empty on plain listeners */
	char ja4_key[37];         /* the same without what changes on resumption: for keys of limits and actors */
	struct slice certificate; /* subject of the verified client certificate, RFC 4514; empty where none */
	struct slice thumbprint;  /* SHA-256 of that certificate, which may name nobody; empty where none */
	uint64_t accepted_ns;
	struct sharer *sharer; /* its client, and what that holds; NULL: each request has its own */
};
