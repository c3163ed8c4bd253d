/* introspect_reply.h -- what an issuer answers when asked for an opaque token: introspection (RFC 7662
 * section 2.2) or userinfo (OpenID Connect Core 1.0 section 5.3.2). */
#pragma once
#include "config/config.h"
#include "jose/jose.h"
#include "published/published.h"

#define REPLY_BYTES_MAX (64 * 1024)

enum reply {
	REPLY_GOOD,      /* and these are its claims */
	REPLY_REFUSED,   /* the token is not valid */
	REPLY_UNUSABLE,  /* the token is valid, but it cannot be judged by what is said of it */
	REPLY_MALFORMED, /* it says nothing that could be relied on */
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

/* ---- signed answers (RFC 9701) ---- */
#define REPLY_ACCEPT "application/token-introspection+jwt, application/json;q=0.5"
struct reply_signed {
	const struct config_issuer *issuer;
	const json_t *keys; /* the issuer's, in force: a JSON array */
	struct crypt *crypt;
	uint64_t wall_s, skew_s;
	/* what was found */
	struct jwt jwt; /* its kid */
	uint64_t issued_s;
	bool is_of_unknown_key; /* perhaps of one not yet fetched */
	char why[160];          /* where it is not believed: a sentence part */
};
/* Does it look like one? */
bool reply_is_signed(struct slice body);
/* What the issuer says in it, as JSON for reply_read; free() it. NULL: it is not believed, s->why. */
char *reply_open(struct reply_signed *s, struct slice body) __attribute__((warn_unused_result));

/* GOOD: `to` holds the claims as JSON, reduced to what is wanted; iss is there (the issuer's own where it
 * said none) and azp (client_id where it said none). Where that is too long, only those scopes and
 * permissions are kept that some route names. UNUSABLE and MALFORMED: *why is a sentence part. */
enum reply reply_read(const struct reply_plan *plan, int status, struct slice body, char to[OPAQUE_TEXT_MAX],
                      size_t *len, const char **why) __attribute__((warn_unused_result));
