/* sockets.h -- the listening sockets: one per worker slot and address, all the supervisor's. Part of shared's
 * door.
 *
 * * The kernel spreads new connections over the sockets of an address (SO_REUSEPORT) and does not move
 * those that queue when one is closed; so none is closed while its address is configured, and a slot
 * without a worker has its sockets adopted. Bound at once, they listen only when workers are there to
 * accept. */
#pragma once
#include "connection/connection.h"
#include "config/config.h"

struct socket_one {
	struct sockaddr_storage at;
	socklen_t len;
	unsigned slot;
	int fd;
	bool listening;
};

struct sockets {
	struct socket_one *one;
	size_t len, cap;
};

/* Binds what is missing for these listeners and slots 0 to slots-1; all of it or nothing. False: *why is a
 * sentence. */
bool sockets_bind(struct sockets *s, const struct config_listener *l, size_t listeners, unsigned slots,
                  char *why, size_t why_cap);
bool sockets_listen(struct sockets *s, char *why, size_t why_cap);
/* Closes those whose address is not among the listeners. */
void sockets_trim(struct sockets *s, const struct config_listener *l, size_t listeners);
/* -1: none. */
int sockets_find(const struct sockets *s, struct slice address, unsigned slot);
/* Most slots any address has: those of an earlier, larger configuration included. */
unsigned sockets_slots(const struct sockets *s);
void sockets_close(struct sockets *s);
