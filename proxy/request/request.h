/* request.h -- one request from first byte to log line, as every room sees it.
 *
 * Made by http/ (HTTP/1.1 and HTTP/2 alike), walked by journey/, freed by http/ after SETTLE. All slices lie
 * in its arena or in the configuration. Deciders read it and set their own part, and see no socket. */
#pragma once
#include "base/deadline.h"
#include "config/config.h"
#include "request/body_field.h"
#include "request/client_facts.h"
#include "request/ext_auth.h"
#include "request/fault.h"
#include "request/mark.h"
#include "request/outcome.h"
#include "request/strip.h"

/* What a station tells the driver. */
enum step_result {
	GO_ON,   /* done: enter the next station */
	WAIT,    /* parked: request_wake() will re-enter this station */
	ANSWER,  /* r->fault, or r->answer, is set: go straight to RESPOND */
	HANG_UP, /* nothing more can be said: to SETTLE */
};

/* What the guard made of an upstream's "it is not there" (guard/). */
enum absence { ABSENCE_NONE, ABSENCE_HELD, ABSENCE_DELIVERED, ABSENCE_ATTESTED };

enum verdict { VERDICT_NONE, VERDICT_VALID, VERDICT_INVALID, VERDICT_UNKNOWN };
enum class_of { CLASS_HUMAN, CLASS_DECLARED, CLASSES };
extern const struct slice class_names[CLASSES];

struct identity { /* set by VERIFY; slices in the request's arena */
	enum verdict verdict;
	struct slice issuer; /* its name in the configuration */
	struct slice subject, client, tenant, scope;
	uint64_t expires_s; /* wall clock seconds; 0 where none */
};

struct client; /* http/: the way back, see http/http.h */
struct client_ops;
struct loop;          /* connection/ */
struct upstream_call; /* forward/: the way on */

struct request {
	/* the walk */
	uint8_t at, was; /* station; the one it went to RESPOND or SETTLE from */
	uint8_t fault;   /* enum fault */
	/* on_short_timeout: its deadline is fixed, and lies in the loop's brief wheel */
	bool over, on_short_timeout;
	bool over_share; /* its client has more than its share, and is to be told so */
	struct list wake_link;
	struct deadline timeout; /* journey/ alone sets it */
	struct journey *journey;
	struct sharer *sharer;  /* journey/: whose place it takes; NULL: nobody's */
	struct list since_link; /* journey/: among the requests in flight, oldest first */
	struct loop *loop;      /* for http/ and the carriers */

	struct arena arena;
	const struct config *config;
	struct client_facts *client_facts;
	const struct client_ops *ops; /* how to read its body and to answer it */
	struct client *client;

	/* as received */
	struct slice method, target;
	uint8_t version; /* 10, 11 or 20 */
	bool has_body, chunked, expects_continue, upgrade_websocket, client_close;
	bool has_query, odd_name; /* odd_name: of a field, see header_is_plain */
	uint64_t content_length;  /* meaningful where has_body and not chunked */
	struct headers headers;

	/* as processed */
	struct slice scheme, host;  /* host: lower case, without port; empty where HTTP/1.0 sent none */
	struct slice authority;     /* as received, with port */
	struct slice path, query;   /* path normalised once; query without '?', as received */
	struct slice way, open_way; /* base/way.h: of a path that is not the same; of one with %2F */
	struct in6_addr address;    /* of the client, behind trusted proxies */
	/* enum ext_auth_kind: whose description method, target and host are; else NONE */
	uint8_t ext_auth;
	bool asked_by_head;         /* with ext_auth: the method that brought the description was HEAD */
	struct slice forwarded_for; /* the trusted part of X-Forwarded-For to continue; may be empty */
	char id[33], span[17];      /* trace id, 32 hex digits; our span id; a NUL behind each */

	/* what the stations found */
	const struct config_route *route;
	const void *route_facts; /* journey/: series and resolved references of the route */
	enum class_of class;
	struct slice detail; /* what exactly was wrong with its credential, a sentence part; or empty */
	struct slice rule;   /* name of the rule that decided the class; empty where none */
	struct identity identity;
	struct refusal refusal;
	struct slice rate_limit, rate_limit_policy, issuer_state; /* fields of the answer; empty where none */
	struct owed_costs owed;
	struct answer answer;
	struct slice stash;         /* the first bytes of the body */
	bool stash_ended;           /* they are all of it */
	const void *revocable;      /* private to verify/; of what may become a tunnel */
	void *waits, *stash_block;  /* private to the station that said WAIT; to http/ */
	struct shared_claim *claim; /* private to journey/: on a code or refresh token, at the fleet's Redis */
	uint64_t exchange, redis_waited_ns; /* private to verify/: the machine's claim, or 0; waited so far */
	struct upstream_call *call;         /* private to forward/ */

	/* for the log line */
	uint64_t marks_ns[MARKS];
	uint16_t status, absence_status; /* sent; of an upstream's absence, see absence */
	uint64_t body_in, body_out;      /* bytes, without framing */
	struct slice upstream, endpoint;
	bool retried, tunnel;  /* a tunnel is counted as such, no longer as a request in flight */
	uint8_t said, absence; /* respond/: head sent, end sent; enum absence */
	uint8_t guarded;       /* its upstream is told: 1 watched, 2 latched */
};

/* Queues the request to be walked at the end of this turn. Callable from any callback; harmless when over. */
void request_wake(struct request *r);
extern void (*request_on_wake)(struct request *r); /* set once by journey/: where it reports to */

/* Ends in a fault: returns ANSWER, or HANG_UP where nothing can be answered. */
enum step_result request_fail(struct request *r, enum fault why);

/* The head is whole: checks fields and target, and splits the target into scheme, authority, host, path and
 * query. Both protocols call it, HTTP/2 (version 20) with scheme and authority set from the pseudo-headers.
 *  - target: origin form, absolute form (HTTP/1, must agree with Host), '*' for OPTIONS. CONNECT: BAD_METHOD.
 *  - Host: one in HTTP/1.1, at most one elsewhere, equal to :authority in HTTP/2; a name, IPv4 or [IPv6], and
 *    perhaps a port. host: lower case, without port and trailing dot.
 *  - scheme: that of the connection; who claims another gets MISDIRECTED (RFC 9110 section 7.4).
 *  - expects_continue: set where a body is announced and the version is 11 or more.
 *  - the fields of HTTP/2 are held to what HTTP/1.1 could carry (RFC 9113 section 8.2).
 * FAULT_NONE, or what is wrong; HEAD_TOO_BIG where the arena is full. */
enum fault request_check(struct request *r);

/* The address behind trusted_proxies, and forwarded_for, the list that vouches for it. While a hop is a
 * trusted proxy, the element that it wrote (from the right) names the next one. Where X-Forwarded-For is
 * there, Forwarded is not read: nearly every proxy maintains the first and passes the second on as the client
 * sent it. A trusted proxy that maintains only Forwarded must remove X-Forwarded-For. "unknown", "unix:" and
 * hidden names (RFC 7239 section 6) end the walk at the hop that wrote them; so does what cannot be read,
 * but where the peer itself wrote it: BAD_FORWARDED. A trusted peer's X-Forwarded-Proto sets scheme. */
enum fault request_address(struct request *r);

/* trace.c: a trace that the client began goes on under its id */
void request_adopt_trace(struct request *r);
/* The client's traceparent where its trace is the one that goes on; NULL where it was none. */
const struct header *request_traced(const struct request *r);
/* The traceparent for whoever comes next. */
struct text;
void request_trace(const struct request *r, struct text *to);
