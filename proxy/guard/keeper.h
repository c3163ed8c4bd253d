/* keeper.h -- the keeper's side of guard/. Private. */
#pragma once
#include "crypto/crypto.h"
#include "guard/inside.h"

#define FLEET_SECRETS 4
#define FOREIGN_FLIPS 16 /* of one route: more than matter */
#define FLEET_RECORD 256

struct foreign {
	uint64_t tag, told_ms;
};

struct kept_route {
	const struct config_route *config;
	struct guard_route *shared;
	uint64_t name;
	bool was_on;
	uint64_t release_ms, calm_ms; /* Redis's clock: of this machine's last ones, for the fleet; 0: none */
	uint64_t dropped_ms;          /* ... latches told before are over */
	struct foreign flips[FOREIGN_FLIPS];
	uint32_t latched, latches[CAUSES]; /* series */
};

enum fleet_doing { FLEET_NOTHING, FLEET_TELLING, FLEET_TRIMMING, FLEET_EXPIRING, FLEET_READING };

struct guard_fleet {
	unsigned char key[FLEET_SECRETS][SHA256_LEN];
	size_t keys;      /* 0: nothing is shared */
	uint64_t machine; /* whose records are ours */
	enum fleet_doing doing;
	bool urgent; /* there is something new to tell */
	uint64_t newest_ms, read_ns, told_ns, trimmed_ns;
};

struct guard_keeper {
	const struct config *config;
	struct guard_table *table;
	struct siphash_key key;
	struct guard_env world;
	struct ledger ledger;
	struct kept_route *routes;
	size_t routes_len;
	struct guard_fleet fleet;
	uint64_t looked_ns, keys_ns, keys_moved, ledger_ns, counted_ns, wall_s;
	bool complained; /* of a disk that takes nothing */
	bool hurry;      /* what is on disk is to be renewed soon */
};

/* keep.c: what survives a restart */
void keep_keys(struct guard_keeper *k);
void keep_ledger(struct guard_keeper *k);
void keep_take(struct guard_keeper *k);

/* fleet.c */
void fleet_open(struct guard_keeper *k);
void fleet_close(struct guard_keeper *k);
uint64_t fleet_ms(const struct guard_keeper *k);              /* Redis's clock; 0: there is none */
uint64_t fleet_tick(struct guard_keeper *k, uint64_t now_ns); /* when next */
/* An operator's release, of all machines: what is absent now is accepted. */
void route_release(struct kept_route *r, uint64_t now);
