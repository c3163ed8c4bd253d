/* tls.h -- TLS on a wire, by OpenSSL: contexts, SNI, tickets, client certificates, the ClientHello and its
 * fingerprint.
 *
 * Contexts are made once per worker and configuration. A wire gets a TLS layer by tls_accept or tls_connect;
 * from then on wire_read and wire_write speak plaintext. OpenSSL's error queue is cleared after every failed
 * operation. The ClientHello is read by our own parser from the wire's raw bytes before an SSL object exists.
 */
#pragma once
#include "config/config.h"
#include "connection/connection.h"
#include "tls/client.h"
#include "tls/files.h"
#include "tls/local_ca.h"
#include "tls/tickets.h"

/* ---- the ClientHello (RFC 8446 section 4.1.2) ---- */
enum hello_result { HELLO_MORE, HELLO_DONE, HELLO_BAD, HELLO_NOT_TLS };
struct hello {
	struct slice server_name;    /* lies in server_name_lower of this very struct; empty where none */
	char server_name_lower[256]; /* NUL-terminated */
	char ja4[37], ja4_key[37];   /* see struct client_facts */
	bool offers_h2, offers_h1, offers_tls13, has_ticket;
};
/* From the first byte of the first record; HELLO_MORE until all of it is there. HELLO_BAD: it is malformed,
 * over 16 KiB, or has more ciphers (512) or extensions (128) than any client. Names are letters, digits, - _
 * and dots.
 */
enum hello_result hello_read(struct slice bytes, struct hello *to);

/* ---- the server's side ---- */
struct tls_server; /* one per listener that has tls: */

/* Checks everything (keys match, chains parse, CA loads) and complains by place; NULL then. Files come from
 * the bundle. */
struct tls_server *tls_server_open(const struct config_listener *l, const struct config *c, struct bundle *b,
                                   const struct ticket_keys *tickets, struct config_errors *errors);
void tls_server_close(struct tls_server *s);

/* Hash of listener, SNI policy and client CA under which this host name is served: equal for hosts that may
 * share a connection. It is also part of the session id context. */
/* The listener's groups of key exchange that this library has, best first, as OpenSSL writes them; empty and
 * false where there is none. *lacking: the others, for a message; it lies in `list`. */
#define TLS_GROUPS_MAX 1024
bool tls_groups(const struct config_listener_tls *t, char list[static TLS_GROUPS_MAX], struct slice *lacking);

uint64_t tls_policy(const struct tls_server *s, struct slice host);

/* Puts TLS on the wire, under the policy and certificate of the hello's name (NULL, or no name: the first);
 * the ClientHello itself still lies in wire->ahead. False: out of memory. */
bool tls_accept(struct wire *w, struct tls_server *s, const struct hello *hello);

/* ---- both ---- */
enum tls_step { TLS_WAIT, TLS_READY, TLS_FAILED };
/* After TLS_FAILED the wire itself has not failed: an alert is out or queued, and wire_shut lets it arrive.
 * The wire is read and written only after TLS_READY. */
enum tls_step tls_handshake(struct wire *w);
/* After TLS_FAILED: one word for metrics ("alert", "protocol", "certificate", "closed") and one sentence,
 * which is good until the next call. */
const char *tls_failure(const struct wire *w, struct slice *sentence);

/* Did the peer close without close_notify? Then what ended with the connection may be cut. False on a plain
 * wire. */
bool tls_was_truncated(const struct wire *w);

struct tls_facts {
	struct slice version; /* "1.3", "1.2" */
	bool resumed, h2;
	struct slice certificate; /* verified client certificate's subject: RFC 4514, ASCII, under 512 bytes;
	                           * owned by the wire; empty where none, or where it names nobody */
	struct slice thumbprint;  /* its SHA-256; empty where none */
	uint64_t policy;
};
void tls_facts(const struct wire *w, struct tls_facts *to);

/* Refuse on the ClientHello: an alert record (RFC 8446 section 6) to write raw before shutting. */
enum tls_alert {
	TLS_ALERT_UNRECOGNIZED_NAME = 112,
	TLS_ALERT_INTERNAL_ERROR = 80,
	TLS_ALERT_DECODE_ERROR = 50,
	TLS_ALERT_PROTOCOL_VERSION = 70,
	TLS_ALERT_ACCESS_DENIED = 49
};
void tls_refuse(struct wire *w, enum tls_alert alert);
