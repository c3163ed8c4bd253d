/* credential.h -- where in a request the token is, and what of it goes on.
 *
 * A route takes tokens from one or more places: Authorization: Bearer (RFC 6750), a cookie, a field of its
 * own. Of all these a request may bring one credential only, but for a cookie beside a bearer token. What was
 * not verified does not go on to the upstream, under no spelling that somebody takes for its name. */
#pragma once
#include "request/request.h"

struct carrier {
	enum carrier_kind { CARRIER_BEARER, CARRIER_COOKIE, CARRIER_FIELD } kind;
	struct slice name; /* of the cookie, to the letter; of the field, any case */
};

struct credential {
	const struct carrier *carrier; /* NULL: none was sent */
	struct slice token;
};

/* One word of a route's verify.from: bearer, cookie:NAME, header:NAME. */
struct carrier carrier_read(struct slice word);

/* FAULT_NONE and *to, whose token has not been looked at yet (bearer_is_token); TOKEN_MISSING where none is
 * there; TWO_CREDENTIALS. An empty cookie is none, a quoted one is what stands between the quotes.
 * Authorization counts as a credential whatever its scheme, but another scheme than Bearer is TOKEN_MISSING;
 * to->carrier is set then. Beside an Authorization that is listed before a cookie, the cookie does not count
 * (a stale one must not lock a browser out); where the scheme is another than Bearer, the Authorization does
 * not. */
enum fault credential_find(const struct carrier *carriers, size_t len, const struct headers *headers,
                           struct credential *to) __attribute__((warn_unused_result));

/* What of the credentials goes on: the one that was found, where `forward`; nothing else that comes, or is
 * read by somebody as if it came (name_passes_for), under the name of one of the carriers. False: the arena
 * is full. */
bool credential_pass(struct request *r, const struct carrier *carriers, size_t len,
                     const struct credential *c, bool forward) __attribute__((warn_unused_result));

/* ---- bearer.c ---- */
/* What an Authorization value of the scheme Bearer brings (RFC 6750), be it a token or not. False: another
 * scheme. */
bool bearer_read(struct slice authorization, struct slice *token) __attribute__((warn_unused_result));
/* Is it a b64token (RFC 6750 section 2.1)? */
bool bearer_is_token(struct slice s);
