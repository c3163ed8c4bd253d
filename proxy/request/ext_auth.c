/* ext_auth.c -- a request that another proxy holds and asks about. */
#include "request/request.h"

/* How many fields of that name; *to: the last one. */
static unsigned look(const struct request *r, const char *name, struct slice *to)
{
	unsigned seen = 0;

	for (uint16_t i = 0; i < r->headers.len; i++)
		if (slice_same_nocase(r->headers.at[i].name, slice_of(name))) {
			*to = r->headers.at[i].value;
			seen++;
		}
	return seen;
}

/* Takes "https://authority" off the front of *url; what is left is in origin form. */
static bool cut_authority(struct request *r, struct slice *url, struct slice *authority)
{
	size_t colon = slice_find(*url, ':'), end = 0;
	struct slice scheme = slice_head(*url, colon), rest = slice_from(*url, colon);

	if (!slice_starts(rest, S("://")))
		return false;
	if (slice_same_nocase(scheme, S("https")))
		r->scheme = S("https");
	else if (slice_same_nocase(scheme, S("http")))
		r->scheme = S("http");
	else
		return false;
	rest = slice_from(rest, 3);
	while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?')
		end++;
	*authority = slice_head(rest, end);
	*url = end < rest.len ? slice_from(rest, end) : S("/");
	return authority->len > 0;
}

/* nginx's own configuration says X-Original-URI, and the Host is its client's; the Ingress controller says
 * X-Original-URL, which is absolute, and the Host is that of its authorizer. Where both are there, one of
 * them is the client's own. Over HTTP/2 the Host is :authority. */
static enum fault by_nginx(struct request *r)
{
	struct slice method, uri, url, host;
	unsigned uris = look(r, "X-Original-URI", &uri), urls = look(r, "X-Original-URL", &url);

	if (look(r, "X-Original-Method", &method) != 1 || uris + urls != 1)
		return FAULT_DESCRIPTION;
	if (uris)
		return r->authority.len ? request_retarget(r, method, uri, r->authority) : FAULT_DESCRIPTION;
	return cut_authority(r, &url, &host) ? request_retarget(r, method, url, host) : FAULT_BAD_TARGET;
}

static enum fault by_forwarded(struct request *r)
{
	struct slice method, uri, host;

	if (look(r, "X-Forwarded-Method", &method) != 1 || look(r, "X-Forwarded-Uri", &uri) != 1 ||
	    look(r, "X-Forwarded-Host", &host) != 1)
		return FAULT_DESCRIPTION;
	return request_retarget(r, method, uri, request_vouched(r, HEADER_X_FORWARDED_HOST));
}

/* Envoy sends the request itself, its path behind the prefix. That path is read as Envoy got it: taken from
 * the whole once that is normalised, it might have climbed out of the prefix. */
static enum fault by_prefix(struct request *r, struct slice rest)
{
	if (!rest.len)
		return FAULT_DESCRIPTION;
	return request_retarget(r, r->method, rest, r->authority);
}

void request_asked(struct request *r, enum ext_auth_kind ext_auth)
{
	r->asked_by_head = slice_same(r->method, S("HEAD"));
	r->ext_auth = (uint8_t)ext_auth;
}

enum fault request_described(struct request *r, struct slice rest)
{
	switch ((enum ext_auth_kind)r->ext_auth) {
	case EXT_AUTH_NGINX:
		return by_nginx(r);
	case EXT_AUTH_ENVOY:
		return by_prefix(r, rest);
	case EXT_AUTH_TRAEFIK:
	case ASKER_CADDY:
		return by_forwarded(r);
	case EXT_AUTH_NONE:
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

unsigned ext_auth_status(enum ext_auth_kind ext_auth, unsigned meant)
{
	if (ext_auth == EXT_AUTH_NGINX && meant != 200 && meant != 401)
		return 403;
	if (ext_auth == EXT_AUTH_ENVOY && meant >= 500)
		return meant == 501 || meant == 505 ? 400 : 429; /* 501, 505: it would not help to come again */
	return meant;
}

bool request_is_head(const struct request *r)
{
	return r->ext_auth ? r->asked_by_head : slice_same(r->method, S("HEAD"));
}
