/* tickets.h -- keys of session tickets, shared by the workers. Part of tls' door. */
#pragma once
#include "config/config.h"

#define TICKET_PERIOD_S (12 * 3600)
#define TICKET_KEYS_MAX 9
struct ticket_set {
	uint64_t period; /* wall seconds / TICKET_PERIOD_S at which it was made */
	uint32_t len, from_fleet;
	struct ticket_key {
		unsigned char name[16], aes[32], mac[32];
	} key[TICKET_KEYS_MAX];
};
struct ticket_keys {             /* in memory that only one process writes; zeroed: there are no keys */
	_Atomic uint64_t generation; /* set[generation % 2] is valid; moves last: its writer may die any time */
	struct ticket_set set[2];
};
/* The newest key encrypts, the others still decrypt. With fleet secrets: of this, the last and the next
 * period (a machine whose clock is ahead), for up to three secrets, by HKDF-SHA256. Without: random, a new
 * one with each period, the one before kept. To be called at least once a period; harmless more often. */
void ticket_keys_make(struct ticket_keys *to, const struct config *c, uint64_t wall_s);
