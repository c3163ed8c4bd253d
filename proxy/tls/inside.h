/* inside.h -- what the files of tls/ share. Private. */
#pragma once
#include "tls/tls.h"
#include <openssl/ssl.h>

/* ---- server ---- */
enum { PLAIN, DEMANDING, POLICIES }; /* does the policy ask clients for certificates? */

struct tls_name {      /* exact, or "*.rest" */
	struct slice text; /* lower case; lies in its host's names */
	size_t host;
};

struct tls_host {           /* certificates that stand for the same names: one, or one of each key type */
	SSL_CTX *ctx[POLICIES]; /* NULL where the listener has no such policy */
	struct slice names;     /* all of them, sorted, a comma behind each; owned */
	int key_types[2];       /* EVP_PKEY base ids */
};

struct tls_server {
	const struct config_listener *config;
	const struct ticket_keys *tickets;
	uint64_t policy[POLICIES]; /* the first bytes of the digest */
	unsigned char policy_digest[POLICIES][32];
	struct tls_host *hosts; /* the first is the default */
	size_t hosts_len;
	struct tls_name *names; /* sorted */
	size_t names_len;
	unsigned char alpn[32]; /* wire format, preferred first */
	unsigned alpn_len;
};

/* ---- client ---- */
#define KNOWN_MAX 16
struct tls_known { /* a name we spoke to, and its last session */
	char *name;
	SSL_SESSION *session;
	time_t verified_s; /* wall clock: when the certificate was last looked at */
};
struct tls_client {
	SSL_CTX *ctx;
	struct tls_peer peer;
	struct tls_known known[KNOWN_MAX];
};

/* ---- one wire's TLS ---- */
#define SUBJECT_MAX 512 /* bytes of a client certificate's subject as text */

struct tls_layer {
	SSL *ssl;
	struct tls_known *known; /* as a client, where there was room to remember */
	uint64_t policy;
	char *subject;                /* RFC 4514; owned; NULL where none */
	unsigned char thumbprint[32]; /* SHA-256 of the verified client certificate, where is_certified */
	bool is_certified;
	unsigned long error; /* OpenSSL's code, once it has failed */
	size_t budget;       /* bytes that this read may still take from the socket */
	int8_t end;          /* WIRE_END or WIRE_FAILED, once reading is over */
	bool ready, failed, refused, eof, truncated;
	bool starved; /* the socket had nothing when OpenSSL last asked */
};

bool layer_open(struct wire *w, SSL_CTX *ctx, struct tls_layer **to);
void tickets_attach(SSL_CTX *ctx); /* its app data is the tls_server */
bool tickets_exist(const struct ticket_keys *keys);
void digest_sha256(struct slice bytes, unsigned char to[static 32]);

/* names.c: which host stands for a name (lower case); 0, the default, where none does. */
bool names_read(X509 *cert, struct slice *sorted);
bool names_index(struct tls_server *s);
size_t names_find(const struct tls_server *s, struct slice name);

/* pem.c: each complains by place where it cannot. */
struct pem {
	X509 *cert;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};
bool pem_read(struct pem *to, struct bundle *b, const struct config_certificate *c,
              struct config_errors *errors);
void pem_free(struct pem *p);
/* A store of the file's certificates; their subjects too where `names` is given. */
X509_STORE *pem_store(struct bundle *b, struct slice path, struct config_place place,
                      STACK_OF(X509_NAME) * *names, struct config_errors *errors);
/* Puts the file's revocation lists into the store, and has it ask them. */
bool pem_revoke(X509_STORE *store, struct bundle *b, struct slice path, struct config_place place,
                struct config_errors *errors);
/* The system's authorities, shared: X509_STORE_free when done. */
X509_STORE *pem_system_store(struct bundle *b, struct config_place place, struct config_errors *errors);
