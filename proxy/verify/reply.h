/* reply.h -- what an issuer answers when asked for an opaque token: introspection (RFC 7662 section 2.2) or
 * userinfo (OpenID Connect Core 1.0 section 5.3.2). */
#pragma once
#include "config/config.h"
#include "jose/jose.h"
#include "verify/opaque.h"

#define REPLY_BYTES_MAX (64 * 1024)

enum reply {
	REPLY_GOOD,     /* and these are its claims */
	REPLY_REFUSED,  /* the token is not valid */
	REPLY_UNUSABLE, /* the token is valid, but it cannot be judged by what is said of it */
	REPLY_NONSENSE, /* it says nothing that could be relied on */
};

struct reply_plan { /* which claims are wanted of an issuer's answers: those that routes could ask for */
	const struct config_issuer *issuer;
	struct claims_names names;
	struct config_texts wanted;
	const struct config *config; /* NULL: no route names any scope */
};
/* Names claims of every route's conditions, into room for CLAIMS_WANTED_MAX. */
struct reply_plan reply_plan_of(const struct config *c, const struct config_issuer *issuer,
                                struct slice room[CLAIMS_WANTED_MAX]);

/* Can these claims, written by reply_read, be judged by whoever reads them again? */
bool reply_is_readable(const struct reply_plan *plan, struct slice text);

/* GOOD: `to` holds the claims as JSON, reduced to what is wanted; iss is there (the issuer's own where it
 * said none) and azp (client_id where it said none). Where that is too long, only those scopes and
 * permissions are kept that some route names. UNUSABLE and NONSENSE: *why is a sentence part. */
enum reply reply_read(const struct reply_plan *plan, int status, struct slice body, char to[OPAQUE_TEXT_MAX],
                      size_t *len, const char **why)
	__attribute__((warn_unused_result));
