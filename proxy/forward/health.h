/* health.h -- what the keeper finds out of endpoints and publishes. Part of forward's door. */
#pragma once
#include "base/text.h"
#include "config/config.h"
#include <stdatomic.h>
#include <sys/socket.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };
struct endpoint_published { /* found by name: "upstream endpoint-url" hashed, full text kept */
	char name[256];
	_Atomic uint32_t copy; /* which of the two is valid; flipped last */
	struct endpoint_state {
		uint64_t checked_ns;              /* monotonic; older than three intervals: unknown */
		uint64_t accepted_ns, refused_ns; /* connections that the keeper tried in the background; 0: none */
		uint32_t health;                  /* enum health_state */
		uint32_t addresses_len;
		struct sockaddr_storage addresses[8];
	} state[2];
};
struct forward_published {
	_Atomic uint64_t generation;
	uint32_t len;
	struct endpoint_published endpoint[ENDPOINTS_MAX];
};

struct forward_keeper;
struct forward_env {
	void *with;
	void (*probe)(void *with, const char *url, const char *unix_socket, const char *host,
	              const struct config_upstream_tls *tls, uint64_t timeout_ns,
	              void (*done)(void *for_whom, int status, const char *failure), void *for_whom);
	/* Looks a name up in a helper process; done is called later, exactly once. len 0: failed. */
	void (*resolve)(void *with, const char *host, uint16_t port,
	                void (*done)(void *for_whom, const struct sockaddr_storage *found, size_t len),
	                void *for_whom);
	/* Is somebody listening there? done is called later, exactly once. */
	void (*dial)(void *with, const struct sockaddr_storage *to, socklen_t len, uint64_t timeout_ns,
	             void (*done)(void *for_whom, bool accepted), void *for_whom);
	uint64_t (*now_ns)(void *with);
};
struct forward_keeper *forward_keeper_open(const struct config *c, struct forward_published *p,
                                           struct forward_env w);
void forward_keeper_close(struct forward_keeper *k);
uint64_t forward_keeper_tick(struct forward_keeper *k); /* when next, ns monotonic */
/* A worker has ejected it since it refused. */
void forward_keeper_refused(struct forward_keeper *k, struct slice upstream, struct slice endpoint);
/* usable: endpoints against which nothing is known. False: there is no i-th upstream. */
struct forward_health {
	struct slice id;
	size_t endpoints, usable;
};
bool forward_keeper_upstream(const struct forward_keeper *k, size_t i, struct forward_health *to);
bool forward_keeper_is_cut_off(const struct forward_keeper *k); /* no endpoint of any upstream is usable */
void forward_keeper_print(const struct forward_keeper *k, struct text *to); /* a JSON list of upstreams */
