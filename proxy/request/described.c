/* described.c -- a request that another proxy holds and asks about. */
#include "request/request.h"

/* The one field of that name: FAULT_DESCRIPTION where it is missing or repeated. */
static enum fault take(const struct request *r, const char *name, struct slice *to)
{
	unsigned seen = 0;

	for (uint16_t i = 0; i < r->headers.len; i++)
		if (slice_same_nocase(r->headers.at[i].name, slice_of(name))) {
			*to = r->headers.at[i].value;
			seen++;
		}
	return seen == 1 ? FAULT_NONE : FAULT_DESCRIPTION;
}

static enum fault by_fields(struct request *r, const char *method, const char *target, const char *host)
{
	struct slice m, t, h;
	enum fault why = take(r, method, &m);

	if (why == FAULT_NONE)
		why = take(r, target, &t);
	if (why == FAULT_NONE)
		why = take(r, host, &h);
	return why != FAULT_NONE ? why : request_retarget(r, m, t, h);
}

/* Envoy sends the request itself, its path behind the prefix. That path is read as Envoy got it: taken from
 * the whole once that is normalised, it might have climbed out of the prefix. */
static enum fault by_prefix(struct request *r, struct slice rest)
{
	if (!rest.len)
		return FAULT_DESCRIPTION;
	return request_retarget(r, r->method, rest, r->authority);
}

void request_asked(struct request *r, enum asker asker)
{
	r->asked_by_head = slice_same(r->method, S("HEAD"));
	r->asker = (uint8_t)asker;
}

enum fault request_described(struct request *r, struct slice rest)
{
	switch ((enum asker)r->asker) {
	case ASKER_NGINX:
		return by_fields(r, "X-Original-Method", "X-Original-URI", "Host");
	case ASKER_ENVOY:
		return by_prefix(r, rest);
	case ASKER_TRAEFIK:
	case ASKER_CADDY:
		return by_fields(r, "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host");
	case ASKER_NONE:
		break;
	}
	return FAULT_DESCRIPTION;
}

struct slice target_path(struct slice target)
{
	struct slice path = slice_head(target, slice_find(target, '?'));
	size_t colon = slice_find(path, ':');

	if (!slice_starts(path, S("/")) && slice_starts(slice_from(path, colon), S("://"))) {
		path = slice_from(path, colon + 3);
		path = slice_from(path, slice_find(path, '/'));
	}
	return path;
}

unsigned asker_status(enum asker asker, unsigned meant)
{
	if (asker == ASKER_NGINX && meant != 200 && meant != 401)
		return 403;
	if (asker == ASKER_ENVOY && meant >= 500)
		return meant == 501 || meant == 505 ? 400 : 429; /* 501, 505: it would not help to come again */
	return meant;
}

bool request_is_head(const struct request *r)
{
	return r->asker ? r->asked_by_head : slice_same(r->method, S("HEAD"));
}
