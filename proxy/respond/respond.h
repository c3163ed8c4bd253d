/* respond.h -- what the client gets: the upstream's answer with our fields, or our own; and the access log
 * line.
 *
 * Own answers: RFC 9457 application/problem+json, or a small self-contained page for browsers (by Accept),
 * with a stable reason code in Sallyport-Reason, a request id, Retry-After (jittered) where the client may
 * come back, and WWW-Authenticate (RFC 6750) with 401. Never 404 or 410. The log line is JSON with
 * OpenTelemetry attribute names; it goes through a function to a ring, never to a file. */
#pragma once
#include "base/siphash.h"
#include "base/text.h"
#include "http/http.h"

/* Bits of r->said. */
enum { SAID_HEAD = 1, SAID_END = 2 };

/* Writes r->fault, or r->answer (a redirect, a preflight's answer), as a whole answer; sets r->status and
 * r->said. Only while SAID_HEAD is not set. The body is under RESPOND_OWN_MAX and is given to ops->body at
 * once, whatever room() says: the protocols keep what cannot leave yet. False: the client is gone, or
 * nothing can be answered. */
#define RESPOND_OWN_MAX 4096 /* bytes */
bool respond_own(struct request *r, uint64_t wall_ns);

/* Changes the upstream's head fields into what the client gets: hop-by-hop and framing fields and foreign
 * Sallyport-* out; Via with the version that the upstream spoke (10, 11), a Date where it sent none, ours,
 * rate limits, CORS and the route's changes in. A table without room for them is replaced by a larger one
 * from r->arena. */
void respond_fields(struct request *r, struct headers *fields, unsigned version, uint64_t wall_ns);

/* What the route's cors lets scripts of the request's origin read; for preflights too. */
struct cors_grant {
	struct slice origin;    /* to be named; empty: nothing is granted */
	bool credentials, vary; /* vary: other origins get another answer */
};
struct cors_grant cors_grant(const struct request *r);

/* "no-route", "redirect", "preflight"; empty where the upstream answered and nothing went wrong. */
struct slice respond_reason(const struct request *r);
/* Retry-After in seconds, 1 to 30 (or what the limit says, rounded up), with 20 % jitter upwards. */
unsigned respond_retry_after(const struct request *r);

/* The access log line of a request that has ended, without its newline (conf/ACCESS-LOG.md). Long values
 * are cut with an ellipsis, so that it fits RESPOND_LOG_MAX; `to` must have that much room. */
#define RESPOND_LOG_MAX 4095 /* bytes */
void respond_log(const struct request *r, uint64_t wall_ns, uint64_t now_ns, struct text *to);
/* The key under which subjects are hashed in the log (the fleet's or the machine's). Without this call
 * each process takes a random one, and hashes of one subject differ between processes. */
void respond_log_key(struct siphash_key key);
