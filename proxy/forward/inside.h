/* inside.h -- what the worker's files of forward/ share. Private. */
#pragma once
#include "forward/endpoint.h"

struct upstream;

struct endpoint {
	struct upstream *upstream;
	struct slice text; /* as configured */
	struct endpoint_url url;
	size_t published; /* index of its record; RECORDS where there is none yet: */
	uint64_t sought;  /* generation of the records when it was last looked for, and one */
	struct list idle; /* of struct link, newest last */
	size_t idle_len, open_len, in_flight;
	size_t busiest, peak; /* most in flight: since the last tick; lately, decaying */
	unsigned next_address;
	uint64_t latency_ns; /* EWMA of the time to a response head */
	unsigned failures;   /* in a row */
	unsigned ejections;  /* in a row; doubles the time */
	uint64_t ejected_ns, ejected_until_ns, returned_ns;
	bool refuses; /* its last connection was refused */
	bool refused; /* that is what it was ejected for */
	uint32_t series_ejected;
	bool eligible;  /* as the choice in hand found it */
	char host[300]; /* Host field of the endpoint itself; name to verify */
};

struct upstream {
	const struct config_upstream *config;
	struct forward *forward;
	struct endpoint *endpoints;
	size_t endpoints_len;
	struct tls_client *tls; /* NULL where no endpoint is https */
	unsigned retry_tenths;  /* budget: a request adds one, a retry takes ten */
	uint32_t series_status[6], series_reused, series_retries, series_ejected, series_seconds;
	uint32_t series_connect[4]; /* ok, refused, timeout, tls */
};

enum { CONNECT_OK, CONNECT_REFUSED, CONNECT_TIMEOUT, CONNECT_TLS };

struct link { /* one connection to an endpoint */
	struct wire *wire;
	struct endpoint *endpoint;
	struct request *request; /* whose it is; NULL while idle */
	struct list idle_link;
	uint64_t idle_since_ns;
	bool secure, ready, reused;
};

enum call_state { CALL_START, CALL_CONNECT, CALL_WAIT_HEAD, CALL_BODIES, CALL_TUNNEL, CALL_OVER };

struct upstream_call { /* one request's way on; in its arena */
	enum call_state state;
	struct upstream *upstream;
	struct endpoint *endpoint; /* the one tried last */
	uint64_t *tried;           /* a bit for each that failed us before a byte was written; NULL: none */
	struct link *link;
	struct answer_head head;
	struct block *in;   /* bytes of the answer: its head stays here while the request lives */
	struct block *held; /* content that GUARD looks at, passed on before `first`; NULL: none */
	bool held_whole;    /* and no more of it will come */
	struct slice first; /* content that came with the head, its framing taken off; lies in `in` */
	size_t seen, stash_used;
	uint64_t tried_ns, sent_ns; /* connect begun; head written, then: all of the request */
	uint64_t tunnel_end_ns;     /* 0: none */
	struct list tunnel_link;
	uint8_t retries, interim; /* out of the budget; heads before the answer's own */
	bool written;             /* some of it may have reached an upstream */
	bool up_chunked, up_done, down_done, beyond_stash, unread_sent, tunnel_revoked;
	bool upgrades;    /* counted in upgrades_len */
	struct body body; /* last: of the answer; its trailer is not zeroed */
};

struct forward {
	const struct config *config;
	struct loop *loop;
	const struct forward_published *published;
	struct forward_news news;
	struct upstream *upstreams;
	size_t upstreams_len;
	struct list tunnels;
	size_t tunnels_len;
	size_t upgrades_len; /* requests that may become tunnels: each holds a place */
	bool draining;
};

/* balance.c */
/* One whose bit in `tried` (NULL: none is set) is not set; NULL where all are. */
struct endpoint *balance_choose(struct upstream *u, const uint64_t *tried);
static inline bool is_tried(const uint64_t *tried, size_t i)
{
	return tried && tried[i / 64] >> i % 64 & 1;
}
void balance_failed(struct endpoint *e, bool refused);
void balance_accepted(struct endpoint *e);
void balance_answered(struct endpoint *e, uint64_t took_ns);
/* Nobody answered in that time, and nobody waits any more: it is slower than that. */
void balance_waited(struct endpoint *e, uint64_t waited_ns);
bool endpoint_is_eligible(struct endpoint *e);
/* The next address to connect to; false where none is known. */
bool endpoint_next_address(struct endpoint *e, struct sockaddr_storage *to, socklen_t *len);

/* link.c */
/* REFUSED: nobody listens there. FAILED: for another reason there is no connection. */
enum link_result { LINK_READY, LINK_WAIT, LINK_REFUSED, LINK_FAILED, LINK_TLS, LINK_FULL, LINK_NO_ADDRESS };
/* An idle connection, or a new one begun. `fresh`: never an idle one. */
enum link_result link_take(struct endpoint *e, struct request *r, bool fresh, struct link **to);
enum link_result link_progress(struct link *l); /* of a new one */
/* Kept where keep leaves room for it, or where no more are open than were in use at once lately: a crowd that
 * comes again finds its connections. */
void link_keep(struct link *l);
/* One more request has a connection to it. */
static inline void link_uses(struct endpoint *e)
{
	if (++e->in_flight > e->busiest)
		e->busiest = e->in_flight;
}
void link_close(struct link *l);
/* Once a second: forgets old peaks, closes what is idle too long or one too many. */
void links_age(struct endpoint *e);

/* open.c */
void tunnel_begins(struct forward *f, struct upstream_call *p);

/* head.c */
bool head_write(struct request *r, struct upstream_call *p); /* false: it does not fit a scratch buffer */
/* Is the field, in any spelling, one that the route sets or removes? */
bool head_is_changed(const struct request *r, struct slice name);
/* pump.c */
/* GO_ON: all sent; WAIT; ANSWER with r->fault */
enum step_result pump_up(struct request *r, struct upstream_call *p);
/* Before the head is passed on: is there a body behind it, as far as it has come? GO_ON; ANSWER with r->fault
 * where it ended or is malformed before any content, so that nothing was said yet that is not true. */
enum step_result pump_first(struct request *r, struct upstream_call *p);
/* What has come of an answer that nobody gets, since it has a fault, is dropped; its end with it, where that
 * is there: then the connection can be kept. */
void pump_swallow(const struct request *r, struct upstream_call *p);
void pump_free(struct request *r, struct upstream_call *p); /* the blocks that it holds */
enum step_result pump_down(struct request *r, struct upstream_call *p);
enum step_result pump_tunnel(struct request *r, struct upstream_call *p);
