/* outbound.h -- everything that this machine asks an issuer, through one gate: a budget below the issuer's
 * published limits, with ranks; several ways out (egress), each with its own health.
 *
 * An fetch is one document to be had. It waits in its rank's queue until the budget allows it, is tried on
 * the best way out, and where that way fails, at once on the next one, each at most once. What is answered by
 * the issuer, whatever the status, shows that the way works; only what a proxy on the way answers in its
 * stead (407, 502, 503, 504) and no answer at all speak against it. A way that failed is tried last for 1 to
 * 60 s, doubling; after that it must prove itself on an fetch that nobody waits for. */
#pragma once
#include "base/list.h"
#include "issuer/issuer.h"
#include <stdatomic.h>

#define FETCHES_MAX 1024              /* that wait; more are refused, the lowest rank first */
#define FETCH_WAIT_NS (10 * NS_PER_S) /* for the budget */
#define TRY_NS (10 * NS_PER_S)        /* for an answer on the only way ... */
#define TRY_ONE_OF_NS (4 * NS_PER_S)  /* ... and on one of several */
#define WAY_BACKOFF_MAX_NS (60 * NS_PER_S)

enum rank { RANK_KEYS, RANK_REFRESH, RANK_TOKENS, RANKS };         /* the first goes first */
enum budget_of { ENDPOINT_KEYS, ENDPOINT_TOKENS, ENDPOINT_KINDS }; /* each with a budget of its own */

struct outbound;
struct try;

struct issuer_fetch { /* the caller's, at rest until sent and after done; zeroed at first */
	struct list link;
	struct outbound *outbound; /* NULL: at rest */
	enum rank rank;
	struct slice url;                                  /* the caller's, too, as are: */
	struct slice form, user, password, bearer, accept; /* of struct issuer_request */
	void (*done)(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure);
	void *for_whom;
	uint64_t until_ns;
	unsigned tried;  /* bits of the ways */
	struct try *try; /* under way; NULL while it waits */
	char why[160];   /* the last way's failure */
};

struct egress_way {
	const struct config_issuer_egress *config; /* NULL: the plain way */
	char name[96];     /* "direct", "address 10.0.0.5", "proxy http://10.0.0.9:3128" */
	unsigned failures; /* in a row */
	uint64_t bad_until_ns;
	char failure[160];
	uint32_t ok, failed, healthy; /* series */
};

struct allowance {
	struct gcra gcra;
	uint64_t tat;
};

struct outbound {
	const struct config_issuer *config;
	const struct issuer_env *env;
	struct egress_way way[EGRESS_MAX];
	size_t ways;
	struct allowance all, of[ENDPOINT_KINDS];
	struct list waiting[RANKS], flying;
	size_t waiting_len;
	_Atomic uint64_t *sent; /* counts what is started; may be NULL */
	uint32_t held, refused; /* series */
};

/* env outlives it. */
void outbound_open(struct outbound *o, const struct config_issuer *config, const struct issuer_env *env);
/* Nothing that is under way is called back. */
void outbound_close(struct outbound *o);
/* done is called exactly once, perhaps before this returns, unless the fetch is forgotten before. */
void outbound_send(struct outbound *o, struct issuer_fetch *e);
void outbound_forget(struct issuer_fetch *e);
static inline bool issuer_fetch_is_under_way(const struct issuer_fetch *e)
{
	return e->outbound != NULL;
}
/* Sends what may go, gives up what has waited too long; returns when it wants to be called next. */
uint64_t outbound_tick(struct outbound *o);
/* ,"egress":[...] for status. */
struct text;
void outbound_print(const struct outbound *o, struct text *t);

/* egress.c: the ways out */
void egress_open(struct outbound *o);
/* The best of those not tried; NULL: all were. */
struct egress_way *egress_choose(struct outbound *o, const struct issuer_fetch *e, uint64_t now_ns);
void egress_worked(const struct outbound *o, struct egress_way *w);
void egress_failed(struct outbound *o, struct egress_way *w, const char *why, uint64_t now_ns);
