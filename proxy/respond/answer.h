/* answer.h -- an own answer being made. Private to respond/. */
#pragma once
#include "respond/respond.h"

struct own {
	const struct request *r;
	unsigned meant;   /* the status of the fault or answer */
	unsigned status;  /* as sent: another one where a proxy asks and could not pass it on */
	unsigned retry_s; /* 0: not to be said */
	bool page;        /* for a browser */
	struct headers fields;
	struct header room[64];
	struct text values; /* what the values of `fields` lie in */
	char store[4096];
};

/* A value made of pieces: begin, add to o->values, end. One that does not fit is left out. */
static inline size_t own_begin(const struct own *o)
{
	return o->values.len;
}
void own_end(struct own *o, struct slice name, size_t from);
void own_add(struct own *o, struct slice name, struct slice value);

/* Whether the Accept fields prefer text/html to JSON (RFC 9110 section 12.5.1). */
bool accept_prefers_page(const struct headers *h);
/* The body by o->page. */
void page_write(const struct own *o, struct text *to);
/* The policy that lets the page's own style work and nothing else. */
struct slice page_policy(void);

/* WWW-Authenticate (RFC 6750 section 3) for 401, 403 token-scope and 400 two-credentials. */
void challenge_add(struct own *o);
