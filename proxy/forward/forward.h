/* forward.h -- the way on: endpoints, pools, health, balance, retry, and the pumping of bodies both ways.
 *
 * A worker keeps its own pools. Health and resolved addresses come from the keeper, in memory that workers
 * map read-only; passive ejection is the worker's own knowledge. Balance: power of two choices on in-flight
 * and latency. FORWARD sends the head (and what of the body is at hand) and waits for the response head;
 * RESPOND pumps. */
#pragma once
#include "base/text.h"
#include "http/http.h"
#include "tls/tls.h"

/* ---- what the keeper publishes ---- */
enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };
struct endpoint_published {     /* found by name: "upstream endpoint-url" hashed, full text kept */
	char name[256];
	_Atomic uint32_t copy;      /* which of the two is valid; flipped last */
	struct endpoint_state {
		uint64_t checked_ns;    /* monotonic; older than three intervals: unknown */
		uint64_t accepted_ns, refused_ns; /* connections that the keeper tried in the background; 0: none */
		uint32_t health;        /* enum health_state */
		uint32_t addresses_len;
		struct sockaddr_storage addresses[8];
	} state[2];
};
struct forward_published {
	_Atomic uint64_t generation;
	uint32_t len;
	struct endpoint_published endpoint[ENDPOINTS_MAX];
};

/* ---- the worker's side ---- */
struct forward_news {           /* to the keeper; the functions may be NULL */
	/* An endpoint was ejected since it refused: it is to be tried in the background. */
	void (*refused)(void *with, struct slice upstream, struct slice endpoint);
	void *with;
};
struct forward;
struct forward *forward_open(const struct config *c, struct bundle *b, struct loop *loop,
	const struct forward_published *p, struct forward_news news, struct config_errors *errors);
void forward_close(struct forward *f);
/* FORWARD: WAIT until the response head is there; GO_ON then; ANSWER with an UPSTREAM_* fault. */
enum pace forward_enter(struct forward *f, struct request *r);
void forward_leave(struct forward *f, struct request *r);
/* When the driver's patience with FORWARD or RESPOND ends (ns, monotonic), and with which fault. */
uint64_t forward_deadline(struct forward *f, const struct request *r, enum fault *why);
/* The response head, after GO_ON; fields may be dropped or added by respond/. */
struct answer_head *forward_head(struct request *r);
/* RESPOND: moves both bodies; WAIT, GO_ON when both have ended, HANG_UP where the answer ended in the middle.
 */
enum pace forward_pump(struct forward *f, struct request *r);
/* Undo of everything: connection kept or closed, gauges lowered. Called once, at SETTLE. */
void forward_settle(struct forward *f, struct request *r);
/* The driver's patience with FORWARD is out: true where another endpoint is tried instead (walk it again). */
bool forward_try_another(struct forward *f, struct request *r);
size_t forward_tunnels(const struct forward *f);
/* Whether http.tunnels_max leaves a place beside the tunnels and the requests that may become some. */
bool forward_has_room(const struct forward *f);
/* Once a second: ages pools, ejections and latency, metrics. */
void forward_tick(struct forward *f);
/* Ends the tunnels of those requests. */
void forward_revoke(struct forward *f, bool (*is_revoked)(void *with, const struct request *r), void *with);
/* Jittered end of tunnels at drain. */
void forward_drain(struct forward *f);

/* ---- the keeper's side ---- */
struct forward_keeper;
struct forward_world {
	void *with;
	void (*probe)(void *with, const char *url, const char *unix_socket, const char *host,
		const struct config_upstream_tls *tls, uint64_t timeout_ns,
		void (*done)(void *for_whom, int status, const char *failure), void *for_whom);
	/* Looks a name up in a helper process; done is called later, exactly once. len 0: failed. */
	void (*resolve)(void *with, const char *host, uint16_t port,
		void (*done)(void *for_whom, const struct sockaddr_storage *found, size_t len), void *for_whom);
	/* Is somebody listening there? done is called later, exactly once. */
	void (*dial)(void *with, const struct sockaddr_storage *to, socklen_t len, uint64_t timeout_ns,
		void (*done)(void *for_whom, bool accepted), void *for_whom);
	uint64_t (*now_ns)(void *with);
};
struct forward_keeper *forward_keeper_open(const struct config *c, struct forward_published *p,
                                           struct forward_world w);
void forward_keeper_close(struct forward_keeper *k);
uint64_t forward_keeper_tick(struct forward_keeper *k); /* when next, ns monotonic */
/* A worker has ejected it since it refused. */
void forward_keeper_refused(struct forward_keeper *k, struct slice upstream, struct slice endpoint);
/* usable: endpoints against which nothing is known. False: there is no i-th upstream. */
struct forward_health { struct slice id; size_t endpoints, usable; };
bool forward_keeper_upstream(const struct forward_keeper *k, size_t i, struct forward_health *to);
bool forward_keeper_is_cut_off(const struct forward_keeper *k); /* no endpoint of any upstream is usable */
void forward_keeper_tell(const struct forward_keeper *k, struct text *to); /* a JSON list of upstreams */
