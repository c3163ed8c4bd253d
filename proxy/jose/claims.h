/* claims.h -- what a token says (RFC 7519, 9068), as a flat record without pointers into JSON. Part of jose's
 * door. */
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
	CLAIM_BINDING,     /* cnf (RFC 7800): its x5t#S256; "?" where something else is to be proven */
	CLAIM_AUDIENCE,    /* a list; an item that is empty where the token says that there is none */
	CLAIM_PERMISSIONS, /* a list */
	CLAIM_WANTED,      /* a list: the first of those that routes have conditions for */
	CLAIMS = CLAIM_WANTED + CLAIMS_WANTED_MAX
};

struct claims {
	uint64_t expires_s, not_before_s, issued_s; /* since 1970; 0 where the token says nothing */
	struct {
		uint16_t at, len;
	} part[CLAIMS];   /* in text */
	uint16_t len;     /* bytes of text */
	const char *text; /* lies with whoever holds the record */
	const char *why;  /* where claims_read failed: a sentence part */
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
 * plan->len where none do. False: it is no set of claims that can be judged (no exp, or a time that is
 * none; control characters in a name), and to->why says so. What the decision does not need may have any
 * shape: scope and permissions count as far as they are words and strings. Wanted claims are lists of what
 * can be compared as text: strings, true and false, whole numbers; an array's items; anything else is as if
 * it were absent. */
bool claims_read(struct slice payload, const struct claims_plan *plan, char *text, size_t cap,
                 struct claims *to, size_t *whose) __attribute__((warn_unused_result));

/* The member of exactly that name, else the one that its dots lead to, each one object down, at most 4
 * (Auth0's names are URLs, Keycloak's like realm_access.roles). name is NUL-terminated behind its end. */
const json_t *claims_member(const json_t *root, struct slice name);

struct slice claims_get(const struct claims *c, enum claim which);
/* Is the word one of a list claim's items, or one of the words of CLAIM_SCOPE? */
bool claims_have(const struct claims *c, enum claim which, struct slice word);
