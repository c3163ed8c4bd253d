/* jwt.h -- a signed token in compact form (RFC 7515, 7519), read strictly (RFC 8725). Part of jose's door.
 *
 * Reading believes nothing: it only takes the token apart. Refused here: other than three parts, base64url
 * that is not canonical, JSON with duplicate members, algorithms that are not ours (none, HMAC), keys brought
 * along (jwk, jku, x5u, x5c), critical extensions (none is understood), types other than those asked for. An
 * answer about a token (RFC 9701) is never read as a token itself, whatever type it gives itself. */
#pragma once
#include "jose/claims.h"
#include "jose/key.h"
#include "request/request.h"

struct jwt {
	enum alg alg;
	struct slice kid;         /* into kid_bytes; empty where none is named */
	struct slice signed_part; /* into the token: header, dot, payload */
	struct slice signature;   /* into signature_bytes */
	struct claims claims;     /* its text lies in the scratch */
	size_t whose;             /* index of the plan's names that hold for its iss; their number: none do */
	const char *why;          /* of TOKEN_MALFORMED: what is wrong, a sentence part */
	char kid_bytes[KID_MAX];
	char signature_bytes[SIGNATURE_MAX];
};

struct jwt_scratch { /* two buffers of `size` bytes each; a token may be as long */
	char *decoded, *text;
	size_t size;
};

/* At a glance: does it have the form of a JWT in compact form? Of others only their issuer knows anything. */
bool jwt_is_shaped(struct slice token);

enum jwt_type {
	JWT_TOKEN,         /* typ absent, JWT or at+jwt */
	JWT_INTROSPECTION, /* token-introspection+jwt (RFC 9701) */
};
/* All but the claims, whose bytes lie in scratch->decoded; scratch->text is not needed. */
enum fault jwt_open(struct slice token, enum jwt_type type, const struct jwt_scratch *scratch, struct jwt *to,
                    struct slice *payload) __attribute__((warn_unused_result));
/* A token: FAULT_NONE, TOKEN_MALFORMED (to->why) or TOKEN_ALGORITHM. */
enum fault jwt_read(struct slice token, const struct claims_plan *plan, const struct jwt_scratch *scratch,
                    struct jwt *to) __attribute__((warn_unused_result));
