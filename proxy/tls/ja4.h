/* ja4.h -- what a ClientHello says of its client, and the fingerprint of it. Private to tls/.
 *
 * JA4 as published by FoxIO (TLS client fingerprint, BSD licence):
 *
 *     t13d1516h2_8daaf6152771_e5627efa2ab1
 *
 * transport, version, name given or not, ciphers, extensions, first ALPN protocol _ ciphers sorted _
 * extensions sorted (without SNI and ALPN) and the signature algorithms as sent; both hashed by SHA-256, 12
 * digits of it. */
#pragma once
#include "base/slice.h"

#define CIPHERS_MAX 512 /* all that were ever registered would fit; a longer list is nobody's */
#define EXTENSIONS_MAX 128
#define ALGORITHMS_MAX 128

struct ja4_facts { /* in the order sent, without GREASE (RFC 8701) */
	uint16_t ciphers[CIPHERS_MAX], extensions[EXTENSIONS_MAX], algorithms[ALGORITHMS_MAX];
	size_t ciphers_len, extensions_len, algorithms_len;
	uint16_t version; /* the highest offered */
	bool has_name;
	struct slice protocol; /* the first of ALPN; empty where none */
};

static inline bool is_grease(uint32_t n)
{
	return (n & 0x0f0f) == 0x0a0a && n >> 8 == (n & 0xff);
}

/* `key` is the same without the extensions that come and go as a client resumes a session, is asked to retry
 * or pads: 21 padding, 35 session_ticket, 41 pre_shared_key, 42 early_data, 44 cookie. Sorts the facts. */
void ja4_write(struct ja4_facts *f, char ja4[static 37], char key[static 37]);
