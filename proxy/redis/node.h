/* node.h -- where a server stands, and the addresses of names that the keeper publishes. Private to
 * redis/. */
#pragma once
#include "redis/redis.h"

#define HOST_MAX 256

struct redis_node {
	char host[HOST_MAX]; /* name, address without brackets, or the path of a Unix socket */
	uint16_t port;       /* 0: a Unix socket */
	bool secure;
	unsigned turn; /* of its name's addresses: which is next */
};

/* redis://HOST:PORT, rediss://HOST:PORT, unix:/PATH, as the configuration's checks let them through. */
bool node_parse(struct slice url, struct redis_node *to);
/* As servers tell of each other. False: it is no host and port. */
bool node_of(struct slice host, uint64_t port, bool secure, struct redis_node *to);
bool node_same(const struct redis_node *a, const struct redis_node *b);
/* "host:port", for people and metrics; NUL-terminated. */
void node_say(const struct redis_node *n, char to[static HOST_MAX + 8]);
/* How many it has. 0: its name is not published (yet). */
size_t node_addresses(const struct redis_node *n, const struct redis_names *names);
/* The next of them. False: there is none, or its path is too long. */
bool node_address(struct redis_node *n, const struct redis_names *names, struct sockaddr_storage *to,
                  socklen_t *len);
bool node_has_name(const struct redis_node *n); /* to be looked up */
