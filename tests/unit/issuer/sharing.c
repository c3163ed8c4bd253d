/* sharing.c -- what sharing.h promises. */
#include "sharing.h"

static bool asking_fleet_get(void *with, struct slice key, void (*done)(void *, struct slice), void *for_whom)
{
	(void)with;
	if (asking.fleet_is_away)
		return false;
	asking.fleet_gets++;
	asking.fleet_done = done;
	asking.fleet_for_whom = for_whom;
	if (asking.fleet_value_len && !slice_same(key, (struct slice){ asking.fleet_key, asking.fleet_key_len }))
		asking.fleet_value_len = 0;
	return true;
}

static void asking_fleet_put(void *with, struct slice key, struct slice value, uint64_t ttl_ms)
{
	(void)with;
	memcpy(asking.fleet_key, key.at, asking.fleet_key_len = key.len);
	if (value.len)
		memcpy(asking.fleet_value, value.at, value.len);
	asking.fleet_value_len = value.len;
	asking.fleet_ttl_ms = ttl_ms;
}

void asking_fleet_answer(void)
{
	struct slice value = { asking.fleet_value_len ? asking.fleet_value : NULL, asking.fleet_value_len };

	asking.fleet_done(asking.fleet_for_whom, value);
	verify_turn(asking.verify);
}

void asking_join(const char *secret)
{
	static struct secret fleet;
	struct issuer_env world = { .fetch = asking_fetch,
		                        .now_ns = asking_now,
		                        .wall_s = asking_wall,
		                        .moved = asking_moved,
		                        .fleet_get = asking_fleet_get,
		                        .fleet_put = asking_fleet_put };

	issuer_keeper_close(asking.keeper);
	memset(&asking.published->opaque.answer, 0, sizeof asking.published->opaque.answer);
	memset(&asking.published->opaque.note, 0, sizeof asking.published->opaque.note);
	memset(asking.verify->question, 0, sizeof asking.verify->question);
	fleet = (struct secret){ (unsigned char *)(uintptr_t)secret, strlen(secret) };
	asking.config.root.secrets.fleet = (struct config_secret_list){ &fleet, strlen(secret) ? 1 : 0 };
	asking.keeper = issuer_keeper_open(&asking.config, NULL, asking.published, world, S("secret"));
	issuer_keeper_tick(asking.keeper);
}
