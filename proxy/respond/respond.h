/* respond.h -- what the client gets: the upstream's answer with our fields, or our own; and the access log
 * line.
 *
 * Own answers: RFC 9457 application/problem+json, or a small self-contained page for browsers (by Accept),
 * with a stable reason code in Sallyport-Reason, a request id, Retry-After (jittered) where the client may
 * come back, and WWW-Authenticate (RFC 6750) with 401. Never 404 or 410. The log line is JSON with
 * OpenTelemetry attribute names; it goes through a function to a ring, never to a file. */
#pragma once
#include "base/text.h"
#include "http/http.h"

/* Writes r->answer or r->fault as a whole answer. False: the client is gone. retry_s: 0 where not to be said.
 */
bool respond_own(struct request *r, uint64_t wall_ns);
/* Changes the upstream's head fields into what the client gets (hop-by-hop out, Via, ours, the route's
 * changes). */
void respond_fields(struct request *r, struct headers *fields);
/* The access log line of a request that has ended, without its newline; cut where it does not fit. */
void respond_log(const struct request *r, uint64_t wall_ns, uint64_t now_ns, struct text *to);
/* Retry-After in seconds, 1 to 30 (or what the limit says, rounded up), with 20 % jitter upwards. */
unsigned respond_retry_after(const struct request *r);
