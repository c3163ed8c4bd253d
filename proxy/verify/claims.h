/* claims.h -- what a token says (RFC 7519, 9068), as a flat record without pointers into JSON. */
#pragma once
#include "config/config.h"
#include <jansson.h>

enum claim {
	CLAIM_ISSUER,
	CLAIM_SUBJECT,
	CLAIM_CLIENT,      /* by the issuer's client_claim, else client_id */
	CLAIM_TENANT,      /* by the issuer's tenant_claim */
	CLAIM_PARTY,       /* azp */
	CLAIM_SCOPE,       /* scope, or scp; words separated by single spaces */
	CLAIM_ID,          /* jti */
	CLAIM_SESSION,     /* sid */
	CLAIM_AUDIENCE,    /* a list */
	CLAIM_PERMISSIONS, /* a list */
	CLAIM_WANTED,      /* a list: the first of those that routes have conditions for */
	CLAIMS = CLAIM_WANTED + 16
};
#define CLAIMS_WANTED_MAX (CLAIMS - CLAIM_WANTED)

struct claims {
	uint64_t expires_s, not_before_s, issued_s; /* since 1970; 0 where the token says nothing */
	struct { uint16_t at, len; } part[CLAIMS];  /* in text */
	uint16_t len;                               /* bytes of text */
	const char *text;                           /* lies with whoever holds the record */
};

/* What to look for, of the configuration: every slice is NUL-terminated behind its end. */
struct claims_names {
	struct slice client, tenant; /* claims */
	struct slice issuer;         /* the iss for which these names hold; at == NULL: any */
};

struct claims_plan {
	const struct claims_names *names; /* at least one */
	size_t len;
	struct config_texts wanted; /* further claims, at most CLAIMS_WANTED_MAX */
	bool may_last;              /* exp may be absent: somebody else says how long the claims hold */
};

/* Reads a payload. text: at least as long as the payload. *whose: index of the names that hold for its iss;
 * plan->len where none do. False: it is no set of claims that can be judged (a claim of the wrong type, no
 * exp, control characters in a name). Wanted claims are lists of what can be compared as text: strings, true
 * and false, whole numbers; an array's items; anything else is as if it were absent. */
bool claims_read(struct slice payload, const struct claims_plan *plan, char *text, size_t cap,
                 struct claims *to, size_t *whose) __attribute__((warn_unused_result));

struct slice claims_get(const struct claims *c, enum claim which);
/* Is the word one of a list claim's items, or one of the words of CLAIM_SCOPE? */
bool claims_have(const struct claims *c, enum claim which, struct slice word);
