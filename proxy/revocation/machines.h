/* machines.h -- which machines of a fleet have read a revocation that this one told through Redis.
 *
 * A machine whose reading (revoke_sync.h) met a record of the last seconds adds to the sorted set
 * `revoked-seen`, scored by Redis's clock (ms): `HMAC id name began`: who it is, and when that reading began
 * on that clock. Whatever was told before a reading began was read by it. The HMAC's key is that of the
 * records. Who has to confirm are the members of the heartbeat set `fleet` ("id name"), which holds who beat
 * in the last ten minutes and did not say goodbye. Kept 10 s; the set itself goes a minute after the last
 * one. */
#pragma once
#include "revocation/revoke_sync.h"

#define MACHINES_MAX 256
#define MACHINE_ID 16   /* hex digits */
#define MACHINE_NAME 64 /* bytes */

enum seen_doing { SEEN_NOTHING, SEEN_TELLING, SEEN_TRIMMING, SEEN_EXPIRING, SEEN_LISTING, SEEN_LOOKING };

struct seen_machine {
	char id[MACHINE_ID + 1], name[MACHINE_NAME + 1];
	uint64_t beat_ms; /* when it last beat, on Redis's clock */
	bool confirmed;
};

struct revoke_machines {
	const struct revoke_sync *share;
	const struct revocation_env *env;
	enum seen_doing doing;
	uint64_t read_ms;   /* of the share, as told last */
	uint64_t wanted_ns; /* until then somebody waits for confirmations; 0: nobody does */
	uint64_t look_ns;   /* the next look at them */
	bool listed;        /* the machines are known */
	struct seen_machine machine[MACHINES_MAX];
	size_t len;
};

void machines_open(struct revoke_machines *s, const struct revoke_sync *share,
                   const struct revocation_env *env);
/* Who has read all that has been told by now? Asked until then. */
void machines_want(struct revoke_machines *s, uint64_t until_ns);
/* Every machine of the fleet has confirmed. */
bool machines_by_all(const struct revoke_machines *s);
/* "machines":{"confirmed":["name (id)",...],"unconfirmed":[...]}; of the latter also when they last beat. */
struct text;
void machines_write(const struct revoke_machines *s, struct text *t);
uint64_t machines_tick(struct revoke_machines *s, uint64_t now_ns); /* when next */
