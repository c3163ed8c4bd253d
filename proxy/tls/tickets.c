/* tickets.c -- session tickets (RFC 5077, RFC 8446 section 4.6.1) under keys that all workers, or the fleet,
 * share. */
#include "base/check.h"
#include "base/flip.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "tls/inside.h"
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdatomic.h>

#define SECRETS_USED 3
_Static_assert(SECRETS_USED * 3 == TICKET_KEYS_MAX, "three periods of each secret");

/* ---- making ---- */

static void derive(const struct secret *from, uint64_t period, struct ticket_key *to)
{
	char label[64];
	struct text info = TEXT(label);

	text_add(&info, S("sallyport session ticket "));
	text_u64(&info, period);
	check(crypt_expand((struct slice){ (const char *)from->bytes, from->len }, text_slice(&info), to,
	                   sizeof *to));
}

static void from_fleet(struct ticket_set *to, const CONFIG_SECRETS *fleet, uint64_t period)
{
	to->from_fleet = 1;
	for (size_t i = 0; i < fleet->len && i < SECRETS_USED; i++) {
		derive(&fleet->at[i], period, &to->key[to->len++]);
		derive(&fleet->at[i], period - 1, &to->key[to->len++]);
		derive(&fleet->at[i], period + 1, &to->key[to->len++]);
	}
}

static void at_random(struct ticket_set *to, const struct ticket_set *before)
{
	random_bytes(&to->key[to->len++], sizeof to->key[0]);
	if (before->len && !before->from_fleet) /* of a fleet whose secret was taken away: its tickets end now */
		to->key[to->len++] = before->key[0];
}

void ticket_keys_make(struct ticket_keys *to, const struct config *c, uint64_t wall_s)
{
	const CONFIG_SECRETS *fleet = &c->root.secrets.fleet;
	uint64_t generation = flip_seen(&to->generation);
	const struct ticket_set *now = &to->set[flip_at(generation)];
	struct ticket_set next = { .period = wall_s / TICKET_PERIOD_S };

	if (fleet->len)
		from_fleet(&next, fleet, next.period);
	else if (!now->len || now->from_fleet || now->period != next.period)
		at_random(&next, now);
	if (next.len && memcmp(now, &next, sizeof next) != 0) {
		to->set[flip_at(generation + 1)] = next;
		flip_show(&to->generation, generation + 1);
	}
	secret_wipe(&next, sizeof next);
}

/* ---- using ---- */

/* A set is overwritten only as the next but one is made, twelve hours later; still, a copy that was overtaken
 * is taken again. */
static void take_copy(const struct ticket_keys *from, struct ticket_set *to)
{
	uint64_t seen;

	do {
		seen = flip_seen(&from->generation);
		*to = from->set[flip_at(seen)];
	} while (!flip_held(&from->generation, seen));
	if (to->len > TICKET_KEYS_MAX)
		to->len = 0;
}

bool tickets_exist(const struct ticket_keys *keys)
{
	return keys && atomic_load_explicit(&keys->generation, memory_order_relaxed) > 0;
}

static bool set_mac(EVP_MAC_CTX *mac, unsigned char *key)
{
	OSSL_PARAM params[3] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, 32),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static const EVP_CIPHER *aes(void)
{
	static EVP_CIPHER *cipher;

	if (!cipher)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	return cipher;
}

static struct ticket_key *find(struct ticket_set *keys, const unsigned char name[16])
{
	for (uint32_t i = 0; i < keys->len; i++)
		if (memcmp(name, keys->key[i].name, 16) == 0)
			return &keys->key[i];
	return NULL;
}

/* 1: go on; 2: go on and send a new ticket; 0: no such key, a full handshake; -1: failure. OpenSSL checks the
 * HMAC after this, and only then calls the session resumed. */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
	const struct tls_server *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_set keys = { .len = 0 };
	struct ticket_key *key;
	int result = 0;

	if (tickets_exist(s->tickets))
		take_copy(s->tickets, &keys);
	key = !sealing ? find(&keys, name) : keys.len ? &keys.key[0] : NULL;
	if (key && sealing) {
		memcpy(name, key->name, 16);
		bool ok = RAND_bytes(iv, 16) == 1 && EVP_EncryptInit_ex2(cipher, aes(), key->aes, iv, NULL) == 1;
		result = ok && set_mac(mac, key->mac) ? 1 : -1;
	} else if (key) {
		bool ok = EVP_DecryptInit_ex2(cipher, aes(), key->aes, iv, NULL) == 1 && set_mac(mac, key->mac);
		/* TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4), so each use earns another */
		bool renew = key != keys.key || SSL_version(ssl) == TLS1_3_VERSION;
		result = !ok ? -1 : renew ? 2 : 1;
	}
	secret_wipe(&keys, sizeof keys);
	return result;
}

/* A ticket also stands for the client certificate shown when it was given: no longer than that is valid. */
static SSL_TICKET_RETURN on_session(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                    size_t name_len, SSL_TICKET_STATUS status, void *with)
{
	(void)ssl;
	(void)name;
	(void)name_len;
	(void)with;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	X509 *peer = SSL_SESSION_get0_peer(session);
	if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void tickets_attach(SSL_CTX *ctx)
{
	check(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1 &&
	      SSL_CTX_set_session_ticket_cb(ctx, NULL, on_session, NULL) == 1);
}
