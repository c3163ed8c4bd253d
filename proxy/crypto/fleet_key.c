/* fleet_key.c -- derives the workers' keys of the fleet's newest secret. */
#include "crypto/fleet_key.h"
#include "base/check.h"
#include "base/secret.h"
#include "crypto/hash.h"

#define KEY_MAX 64 /* bytes */

static const struct fleet_key_row {
	const char *purpose; /* the label too: another one is another key, all over the fleet */
	size_t len;
	bool is_hmac; /* the log's was made before there was HKDF here */
} rows[FLEET_KEYS] = {
	[FLEET_KEY_LIMITS] = { "sallyport: keys of limits in Redis", 64, false },
	[FLEET_KEY_EXCHANGES] = { "sallyport exchange claim name 1", 32, false },
	[FLEET_KEY_LOG] = { "sallyport access log subject", 16, true },
	[FLEET_KEY_GUARD] = { "sallyport guard keys 1", 16, false },
};

static bool derive(const struct config *c, const struct fleet_key_row *row, void *to)
{
	const CONFIG_SECRETS *fleet = &c->root.secrets.fleet;
	unsigned char mac[SHA256_LEN];

	if (!fleet->len)
		return false;
	struct slice secret = { (const char *)fleet->at[0].bytes, fleet->at[0].len };
	if (!row->is_hmac)
		return crypt_expand(secret, slice_of(row->purpose), to, row->len);
	bool done = crypt_hmac(secret, slice_of(row->purpose), mac);
	memcpy(to, mac, row->len);
	secret_wipe(mac, sizeof mac);
	return done;
}

bool fleet_key(const struct config *c, enum fleet_key which, void *to, size_t len)
{
	const struct fleet_key_row *row = &rows[which];
	struct slice key;

	check(len == row->len);
	if (!config_key(c, slice_of(row->purpose), &key))
		return derive(c, row, to);
	if (key.len != len)
		return false;
	memcpy(to, key.at, len);
	return true;
}

bool fleet_keys_put(const struct config *c, struct bundle *b)
{
	unsigned char key[KEY_MAX];
	bool done = true;

	for (size_t i = 0; c->root.secrets.fleet.len && i < FLEET_KEYS; i++) {
		done &= derive(c, &rows[i], key);
		bundle_put_key(b, slice_of(rows[i].purpose), (struct slice){ (const char *)key, rows[i].len });
	}
	secret_wipe(key, sizeof key);
	return done;
}
