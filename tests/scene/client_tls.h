/* client_tls.h -- what a client over TLS has. */
#pragma once
#include <openssl/ssl.h>

struct http2_client;
struct client_tls {
	SSL *ssl;
	struct http2_client *http2;
};
