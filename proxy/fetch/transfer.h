/* transfer.h -- one GET on its way. */
#pragma once
#include "base/list.h"
#include "fetch/fetch.h"
#include <curl/curl.h>

#define BODY_MAX (1024 * 1024)

struct flight {
	struct list link; /* among the fetcher's waiting or flying */
	CURL *easy;
	CURLU *url;
	struct curl_slist *fields, *connect_to;
	void (*done)(void *with, const struct fetch_answer *a);
	void *with;
	char *from; /* curl's words for the local address; NULL */
	char *body;
	size_t len, room, body_max; /* bytes */
	uint64_t max_age_s;
	bool cut;                   /* the body went over its bound */
	char said[CURL_ERROR_SIZE]; /* by curl, of a failure */
	const char *failure;        /* known before it flew; NULL */
};

/* NULL: no memory. Whatever is wrong with the ask is told in flight->failure, later in its answer. */
struct flight *flight_make(const struct fetch_ask *ask);
void flight_free(struct flight *f);

/* max-age of a header line "Cache-Control: ..." into *max_age_s: 0 for no-store and no-cache; otherwise left
 * alone. */
void flight_cache_control(struct slice line, uint64_t *max_age_s);
