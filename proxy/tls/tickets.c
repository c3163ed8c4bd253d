/* tickets.c -- session tickets (RFC 5077, RFC 8446 4.6.1) under keys that all workers, or the fleet, share.
 */
#include "tls/inside.h"
#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdatomic.h>

#define PERIOD_S (12 * 3600)

static void derive(const struct secret *from, uint64_t period, void *to, size_t len)
{
	char label[64];
	struct text info = TEXT(label);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[4];

	text_add(&info, S("sallyport session ticket "));
	text_u64(&info, period);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, from->bytes, from->len);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.at, info.len);
	params[3] = OSSL_PARAM_construct_end();
	check(ctx && EVP_KDF_derive(ctx, to, len, params) == 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* The generation is odd while the keys change; a reader that meets it tries again, and gives up soon. */
void ticket_keys_make(struct ticket_keys *to, const struct config *c, uint64_t wall_s)
{
	const CONFIG_SECRETS *fleet = &c->root.secrets.fleet;
	uint64_t period = wall_s / PERIOD_S, generation = atomic_load(&to->generation) | 1;
	unsigned char fresh[3][80];

	if (fleet->len == 0) {
		memcpy(fresh[1], &to->key[0], 80);
		memcpy(fresh[2], &to->key[1], 80);
		random_bytes(fresh[0], 80);
	} else {
		derive(&fleet->at[0], period, fresh[0], 80);
		derive(&fleet->at[0], period - 1, fresh[1], 80);
		if (fleet->len > 1)
			derive(&fleet->at[1], period, fresh[2], 80);
		else
			derive(&fleet->at[0], period + 1, fresh[2], 80); /* a machine whose clock is ahead of ours */
	}
	atomic_store(&to->generation, generation);
	memcpy(&to->key, fresh, sizeof fresh);
	to->len = fleet->len ? 3 : to->len < 3 ? to->len + 1 : 3;
	atomic_store(&to->generation, generation + 1);
	secret_wipe(fresh, sizeof fresh);
}

static bool take_copy(const struct ticket_keys *from, struct ticket_keys *to)
{
	for (int tries = 0; tries < 100; tries++) {
		uint64_t before = atomic_load_explicit(&from->generation, memory_order_acquire);
		memcpy(to->key, from->key, sizeof to->key);
		to->len = from->len <= 3 ? from->len : 0;
		atomic_thread_fence(memory_order_acquire);
		if (!(before & 1) && before &&
		    atomic_load_explicit(&from->generation, memory_order_relaxed) == before)
			return to->len > 0;
	}
	return false;
}

static bool set_mac(EVP_MAC_CTX *mac, unsigned char *key)
{
	OSSL_PARAM params[3] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, 32),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
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

/* 1: go on; 2: go on and send a new ticket; 0: no such key, a full handshake; -1: failure. */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
	struct tls_server *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_keys keys;
	int found = 0;

	if (!take_copy(s->tickets, &keys))
		return 0;
	if (sealing) {
		memcpy(name, keys.key[0].name, 16);
		found = RAND_bytes(iv, 16) == 1 &&
		                EVP_EncryptInit_ex(cipher, aes(), NULL, keys.key[0].aes, iv) == 1 &&
		                set_mac(mac, keys.key[0].mac)
		            ? 1
		            : -1;
	}
	for (uint32_t i = 0; !sealing && i < keys.len; i++) {
		if (memcmp(name, keys.key[i].name, 16) != 0)
			continue;
		bool ok = EVP_DecryptInit_ex(cipher, aes(), NULL, keys.key[i].aes, iv) == 1 &&
		          set_mac(mac, keys.key[i].mac);
		found = !ok ? -1 : i == 0 ? 1 : 2;
		break;
	}
	secret_wipe(&keys, sizeof keys);
	return found;
}

void tickets_attach(SSL_CTX *ctx)
{
	check(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1);
}
