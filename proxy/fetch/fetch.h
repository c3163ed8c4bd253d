/* fetch.h -- HTTP GETs, and POSTs of a form, by libcurl on libevent, for the keeper alone. Never used by a
 * worker.
 *
 * Bounded: 64 under way, 1 MiB of body, http and https only, redirects followed to https only (at most 3;
 * none for probes). Verification is on. A proxy only where asked for, never the environment's. */
#pragma once
#include "base/slice.h"
#include <event2/event.h>

struct fetcher;
struct fetcher *fetcher_open(struct event_base *base);
void fetcher_close(struct fetcher *f); /* unfinished fetches are called back with status 0 */

struct fetch_ask {
	const char *url;
	const char *unix_socket; /* NULL, or a path to connect to instead */
	const char *host;        /* Host field to send; NULL: the URL's */
	const char *ca;          /* PEM file; NULL: the system's */
	const char *chain, *key; /* PEM files of our own certificate; NULL: none */
	const char *proxy;       /* URL of an HTTP proxy; NULL: none, whatever the environment says */
	const char *address;     /* local IP address to connect from; NULL: the kernel's choice */
	bool alone;              /* on a new connection that is not kept */
	const char *server_name; /* name to verify instead of the URL's host; NULL: the URL's */
	uint64_t timeout_ns;
	size_t body_max;             /* 0: the body is dropped */
	bool follow;                 /* not where anything of the following is sent */
	const char *form;            /* a body, urlencoded: POST; NULL: GET */
	const char *user, *password; /* HTTP Basic (RFC 7617); NULL: none */
	const char *bearer;          /* a token (RFC 6750); NULL: none */
	const char *accept;          /* Accept field to send; NULL: anything */
};
struct fetch_answer {
	int status;         /* 0: no HTTP answer */
	struct slice body;  /* empty where it is too long */
	uint64_t max_age_s; /* of Cache-Control; UINT64_MAX where not said */
	uint64_t took_ns;
	const char *failure; /* a sentence part where status is 0, or the body too long; else NULL */
};
void fetch(struct fetcher *f, const struct fetch_ask *ask,
           void (*done)(void *with, const struct fetch_answer *a), void *with);
