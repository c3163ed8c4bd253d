/* described.h -- a request that another proxy describes, and what is told of who asks. Part of request's
 * door. */
#pragma once
#include "config/config.h"
#include "request/fault.h"
#include "request/headers.h"

struct request;

/* The request that another proxy describes takes the place of the one that brought the description: method,
 * target and host are exchanged, checked and normalised as if they had come themselves. The description is
 * in the fields that this kind of proxy sends (nginx: X-Original-Method, X-Original-URI, Host; Traefik and
 * Caddy: X-Forwarded-Method, -Uri, -Host), for Envoy in the request itself, behind `prefix`, which ends in a
 * slash. DESCRIPTION where a field is missing or repeated. Only for peers that may speak for others. */
enum fault request_described(struct request *r, enum asker asker, struct slice prefix);
/* Exchanges these three alone. The target must be in origin form. */
enum fault request_retarget(struct request *r, struct slice method, struct slice target, struct slice host);

/* Is its answer to be sent without a body? */
bool request_is_head(const struct request *r);

/* What an upstream is told of who asks: Sallyport-Subject, -Client, -Tenant, -Scope, -Certificate, -Verdict,
 * -Class, -Request-Id; empty values where nothing is known. How many. */
enum { TOLD_OF_OTHERS = 5, TOLD_MAX = 8 }; /* the first ones: words of tokens and certificates */
size_t request_told(const struct request *r, struct header to[static TOLD_MAX]);
