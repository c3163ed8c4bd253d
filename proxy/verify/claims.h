/* claims.h -- what a token says (RFC 7519, 9068), as a flat record without pointers into JSON. */
#pragma once
#include "base/slice.h"
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
	CLAIMS
};

struct claims {
	uint64_t expires_s, not_before_s, issued_s; /* since 1970; 0 where the token says nothing */
	struct { uint16_t at, len; } part[CLAIMS];  /* in text */
	uint16_t len;                               /* bytes of text */
	const char *text;                           /* lies with whoever holds the record */
};

struct claims_names { /* of the configuration: NUL-terminated behind their ends */
	struct slice client, tenant;
};

/* Reads a payload. text: at least as long as the payload. False: it is no set of claims that can be judged (a
 * claim of the wrong type, no exp, control characters in a name). */
bool claims_read(struct slice payload, const struct claims_names *names, char *text, size_t cap,
                 struct claims *to) __attribute__((warn_unused_result));

struct slice claims_get(const struct claims *c, enum claim which);
/* Is the word one of a list claim's items, or one of the words of CLAIM_SCOPE? */
bool claims_have(const struct claims *c, enum claim which, struct slice word);
