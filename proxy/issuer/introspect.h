/* introspect.h -- opaque tokens that the keeper asks about: what introspect.c and introspect_fleet.c share.
 * */
#pragma once
#include "crypto/crypto.h"
#include "issuer/inside.h"
#include "issuer/introspect_reply.h"

enum introspection_outcome {
	OUTCOME_GOOD,
	OUTCOME_REFUSED,
	OUTCOME_FAILED,
	OUTCOME_SHARED,
	OUTCOME_UNUSABLE,
	OUTCOMES
};

struct inquirer { /* one issuer's; source NULL: it is never asked */
	struct source *source;
	unsigned char who[SHA256_LEN];
	struct slice wanted[CLAIMS_WANTED_MAX];
	struct reply_plan plan;
	char *user, *password; /* form-encoded (RFC 6749 section 2.3.1) */
	unsigned failures;     /* in a row */
	uint64_t not_before_ns;
	char failure[220], unusable[160]; /* as last told */
	uint32_t series[OUTCOMES];
};

struct inquiries {
	struct issuer_keeper *keeper;
	struct crypt crypt;
	struct seal seal;    /* of what the fleet shares */
	struct inquirer *of; /* by source */
	struct list under_way;
	size_t len;
};

struct introspection {
	struct list link;
	struct inquiries *all;
	struct inquirer *by;
	struct issuer_fetch fetch;
	unsigned char id[SHA256_LEN];
	uint64_t begun_ns;
	size_t size; /* of text */
	char text[]; /* the form, or the token */
};

static inline struct opaque_table *inquiry_table(const struct introspection *q)
{
	return &q->all->keeper->published->opaque;
}

/* introspect.c: on to the issuer */
void inquiry_send(struct introspection *q);
/* It is over, and the workers are told. */
void inquiry_end(struct introspection *q);

/* introspect_fleet.c: what another machine of the fleet has been told. True: it is being asked, and either
 * the answer is published and the inquiry ended, or it is sent to the issuer. */
bool fleet_ask(struct introspection *q);
void fleet_learn(struct introspection *q, struct slice text); /* what the issuer said */
void fleet_forget(struct introspection *q);                   /* it says so no more */
