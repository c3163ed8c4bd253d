/* ext_auth.h -- a request that another proxy describes, and what is told of who asks. Part of request's
 * door. */
#pragma once
#include "config/config.h"
#include "request/fault.h"
#include "request/headers.h"

struct request;

/* It is a question of this kind of proxy, whatever becomes of it: its answer is in that one's words. Before
 * request_described. */
void request_asked(struct request *r, enum ext_auth_kind ext_auth);
/* The request that another proxy describes takes the place of the one that brought the description: method,
 * target and host are exchanged, checked and normalised as if they had come themselves. The description is
 * in the fields that this kind of proxy sends (nginx: X-Original-Method, and X-Original-URI with Host or
 * X-Original-URL alone; Traefik and Caddy: X-Forwarded-Method, -Uri, -Host), for Envoy in the request itself:
 * `rest` is what follows the prefix in its target as received, from the slash on; empty where nothing does.
 * DESCRIPTION where a part is missing or repeated. Only for peers that may speak for others. */
enum fault request_described(struct request *r, struct slice rest);
/* Exchanges these three alone. The target must be in origin form. */
enum fault request_retarget(struct request *r, struct slice method, struct slice target, struct slice host);

/* After request_address, of X-Forwarded-Proto, -Host or -Port: what trusted proxies said of the client's own
 * connection. In a list, from the right: as many elements as addresses were followed. Empty where none. */
struct slice request_vouched(const struct request *r, enum header_id id);

/* The path of a target as received, without scheme, authority and query, and not normalised. */
struct slice target_path(struct slice target);

/* The status that says it to this kind of proxy. nginx's auth_request knows 2xx, 401 and 403, and takes all
 * else for a failure of its own: 500. Envoy's ext_authz takes every 5xx for a failure of ours, which its
 * failure_mode_allow may let pass. Sallyport-Status says what was meant. */
unsigned ext_auth_status(enum ext_auth_kind ext_auth, unsigned meant);

/* Is its answer to be sent without a body? */
bool request_is_head(const struct request *r);

/* The subject of the client's verified certificate; of a described request's client none is known, since the
 * connection is that of the proxy that asks. */
struct slice request_certificate(const struct request *r);

/* What an upstream is told of who asks: Sallyport-Subject, -Client, -Tenant, -Scope, -Certificate, -Verdict,
 * -Class, -Request-Id; empty values where nothing is known. How many. */
enum { TOLD_OF_OTHERS = 5, TOLD_MAX = 8 }; /* the first ones: words of tokens and certificates */
size_t request_told(const struct request *r, struct header to[static TOLD_MAX]);
