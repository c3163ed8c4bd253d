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

/* Envoy sends the request itself, its path behind the prefix. What the prefix is cut from is the target as
 * received: the path was normalised with the prefix on it, and might have climbed out of it. */
static enum fault by_prefix(struct request *r, struct slice prefix)
{
	struct slice host = r->authority;

	if (!slice_starts(r->target, prefix))
		return FAULT_DESCRIPTION;
	return request_retarget(r, r->method, slice_from(r->target, prefix.len - 1), host);
}

enum fault request_described(struct request *r, enum asker asker, struct slice prefix)
{
	r->asked_by_head = slice_same(r->method, S("HEAD"));
	r->asker = (uint8_t)asker;
	switch (asker) {
	case ASKER_NGINX:
		return by_fields(r, "X-Original-Method", "X-Original-URI", "Host");
	case ASKER_ENVOY:
		return by_prefix(r, prefix);
	case ASKER_TRAEFIK:
	case ASKER_CADDY:
		return by_fields(r, "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host");
	case ASKER_NONE:
		break;
	}
	return FAULT_DESCRIPTION;
}

bool request_is_head(const struct request *r)
{
	return r->asker ? r->asked_by_head : slice_same(r->method, S("HEAD"));
}
