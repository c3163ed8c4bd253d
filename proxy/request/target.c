/* target.c -- is the head of a request sound, and what does it ask for? */
#include "request/request.h"
#include "base/way.h"
#include <arpa/inet.h>

#define NAMED_MAX 64 /* names that Connection may list: each is compared with each field */
#define HOST_MAX 253 /* bytes of a DNS name */

struct authority {
	struct slice host; /* as received, without port */
	uint64_t port;     /* 0: none */
};

static enum fault copied(const struct request *r)
{
	return r->arena.overflowed ? FAULT_HEAD_TOO_BIG : FAULT_NONE;
}

/* ---- fields ---- */

struct fields_found {
	const struct header *host;
	unsigned hosts, credentials, lengths, named;
	bool expects, expects_else;
};

static void count_names(struct fields_found *found, struct slice list)
{
	for (found->named++; slice_find(list, ',') < list.len; found->named++)
		slice_cut(&list, ',');
}

static void look_at(struct fields_found *found, const struct header *f)
{
	switch (f->id) {
	case HEADER_HOST:
		found->hosts++;
		found->host = f;
		break;
	case HEADER_AUTHORIZATION:
		found->credentials++;
		break;
	case HEADER_CONTENT_LENGTH:
		found->lengths++;
		break;
	case HEADER_CONNECTION:
		count_names(found, f->value);
		break;
	case HEADER_EXPECT:
		if (slice_same_nocase(f->value, S("100-continue")))
			found->expects = true;
		else
			found->expects_else = true;
		break;
	default:
		break;
	}
}

/* RFC 9113 section 8.2: what could not be said in HTTP/1.1 in the same way. */
static enum fault check_h2_field(const struct header *f)
{
	uint64_t length;

	if (!header_is_name(f->name) || !header_is_value(f->value))
		return FAULT_BAD_REQUEST;
	for (size_t i = 0; i < f->name.len; i++)
		if (f->name.at[i] != slice_lower(f->name.at[i]))
			return FAULT_BAD_REQUEST;
	if (header_is(f->id, FIELD_CONNECTION))
		return FAULT_BAD_REQUEST;
	if (f->id == HEADER_TE && !slice_same_nocase(f->value, S("trailers")))
		return FAULT_BAD_REQUEST;
	if (f->id == HEADER_CONTENT_LENGTH && !header_length(f->value, &length))
		return FAULT_BAD_FRAMING;
	return FAULT_NONE;
}

static enum fault check_h2(const struct request *r)
{
	if (!header_is_name(r->method))
		return FAULT_BAD_REQUEST;
	for (uint16_t i = 0; i < r->headers.len; i++) {
		enum fault why = check_h2_field(&r->headers.at[i]);
		if (why != FAULT_NONE)
			return why;
	}
	return FAULT_NONE;
}

static enum fault check_fields(struct request *r, struct slice *host)
{
	struct fields_found found = { 0 };

	for (uint16_t i = 0; i < r->headers.len; i++)
		look_at(&found, &r->headers.at[i]);
	if (r->odd_name && r->config->root.http.field_names == FIELD_NAMES_PLAIN)
		return FAULT_FIELD_NAME;
	if (found.named > NAMED_MAX)
		return FAULT_BAD_REQUEST;
	if (found.lengths > 1)
		return FAULT_BAD_FRAMING;
	if (found.hosts > 1 || (found.hosts == 0 && r->version == 11) || (found.host && !found.host->value.len))
		return FAULT_BAD_HOST;
	if (found.credentials > 1)
		return FAULT_TWO_CREDENTIALS;
	if (found.expects_else)
		return FAULT_EXPECTATION;
	r->expects_continue = found.expects && r->has_body && r->version >= 11;
	*host = found.host ? found.host->value : S("");
	return FAULT_NONE;
}

/* ---- host ---- */

static bool is_name(struct slice host)
{
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len > HOST_MAX || host.at[0] == '.' || !char_all(host, CHAR_HOST))
		return false;
	for (size_t i = 1; i < host.len; i++)
		if (host.at[i] == '.' && host.at[i - 1] == '.')
			return false;
	return host.at[host.len - 1] != '.';
}

static bool is_ipv6(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (host.len < 4 || host.len - 2 >= sizeof text || host.at[host.len - 1] != ']')
		return false;
	memcpy(text, host.at + 1, host.len - 2);
	text[host.len - 2] = '\0';
	return strlen(text) == host.len - 2 && inet_pton(AF_INET6, text, &address) == 1;
}

/* host [":" [port]] (RFC 3986 section 3.2.3) without userinfo, escapes and what else no host needs. */
static bool split_authority(struct slice from, struct authority *to)
{
	bool bracket = from.len && from.at[0] == '[';
	size_t close = bracket ? slice_find(from, ']') : 0;
	size_t end = close + slice_find(slice_from(from, close), ':');
	struct slice port = slice_from(from, end + 1);

	*to = (struct authority){ .host = slice_head(from, end) };
	if (port.len && (port.len > 5 || !slice_u64(port, &to->port) || !to->port || to->port > 65535))
		return false;
	return bracket ? is_ipv6(to->host) : is_name(to->host);
}

static struct slice without_dot(struct slice host)
{
	return slice_ends(host, S(".")) ? slice_head(host, host.len - 1) : host;
}

static uint64_t port_of(const struct authority *a, struct slice scheme)
{
	return a->port ? a->port : slice_same(scheme, S("https")) ? 443 : 80;
}

static bool agree(const struct authority *a, const struct authority *b, struct slice scheme)
{
	return slice_same_nocase(without_dot(a->host), without_dot(b->host)) &&
	       port_of(a, scheme) == port_of(b, scheme);
}

static struct slice lowered(struct arena *a, struct slice from)
{
	size_t i = 0;

	while (i < from.len && from.at[i] == slice_lower(from.at[i]))
		i++;
	if (i == from.len)
		return from;
	char *to = arena_take(a, from.len);
	for (i = 0; to && i < from.len; i++)
		to[i] = slice_lower(from.at[i]);
	return (struct slice){ to, to ? from.len : 0 };
}

/* named: what the target itself names (absolute form, :authority); field: the Host field. Either may be
 * empty. */
static enum fault set_host(struct request *r, struct slice named, struct slice field)
{
	struct authority one, other;

	r->authority = field.len ? field : named;
	r->host = S("");
	if (r->authority.len == 0)
		return r->version == 10 ? FAULT_NONE : FAULT_BAD_HOST;
	if (!split_authority(r->authority, &one))
		return FAULT_BAD_HOST;
	if (field.len && named.len && (!split_authority(named, &other) || !agree(&one, &other, r->scheme)))
		return FAULT_BAD_HOST;
	r->host = lowered(&r->arena, without_dot(one.host));
	return copied(r);
}

/* ---- target ---- */

static struct slice way_of(struct request *r, bool open)
{
	size_t len = way_write(r->path, open, NULL);
	char *to = arena_room(&r->arena, len);

	return (struct slice){ to, to ? way_write(r->path, open, to) : 0 };
}

/* Does some route take escaped slashes for data? */
static bool some_route_keeps_slashes(const struct config *c)
{
	for (size_t i = 0; i < c->root.routes_len; i++)
		if (c->root.routes[i].encoded_slash == ENCODED_SLASH_KEEP)
			return true;
	return false;
}

static enum fault set_path(struct request *r, struct slice path)
{
	bool slashes;
	size_t len;

	r->way = r->open_way = S("");
	if (path_is_normal(path)) {
		r->path = path;
		return FAULT_NONE;
	}
	char *to = arena_room(&r->arena, path.len);
	if (!to)
		return FAULT_HEAD_TOO_BIG;
	if (!path_normalise_open(path, to, &len, &slashes) || (slashes && !some_route_keeps_slashes(r->config)))
		return FAULT_BAD_TARGET;
	r->path = (struct slice){ to, len };
	r->way = way_of(r, false);
	r->open_way = slashes ? way_of(r, true) : S("");
	return copied(r);
}

/* path ["?" query]; "*" for the server as a whole. */
static enum fault set_path_and_query(struct request *r, struct slice from)
{
	size_t mark = slice_find(from, '?');
	struct slice path = slice_head(from, mark);

	r->has_query = mark < from.len;
	r->query = slice_from(from, mark + 1);
	if (slice_same(from, S("*")) && slice_same(r->method, S("OPTIONS"))) {
		r->path = from;
		return FAULT_NONE;
	}
	if (!char_all(r->query, CHAR_TARGET))
		return FAULT_BAD_TARGET;
	return set_path(r, path);
}

/* Takes "scheme://authority" off the front of *target. */
static enum fault cut_absolute(struct request *r, struct slice *target, struct slice *authority)
{
	size_t colon = slice_find(*target, ':');
	struct slice scheme = slice_head(*target, colon), rest = slice_from(*target, colon);
	size_t end = 3;

	if (r->version == 20 || !slice_starts(rest, S("://")))
		return FAULT_BAD_TARGET;
	if (!slice_same_nocase(scheme, S("http")) && !slice_same_nocase(scheme, S("https")))
		return FAULT_BAD_TARGET;
	if (!slice_same_nocase(scheme, r->scheme))
		return FAULT_MISDIRECTED;
	while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?')
		end++;
	*authority = (struct slice){ rest.at + 3, end - 3 };
	*target = slice_from(rest, end);
	return authority->len ? FAULT_NONE : FAULT_BAD_TARGET;
}

/* An absolute form without a path asks for "/", or with OPTIONS for the server (RFC 9112 section 3.2.4). */
static enum fault set_absolute(struct request *r, struct slice rest)
{
	if (rest.len == 0)
		rest = slice_same(r->method, S("OPTIONS")) ? S("*") : S("/");
	if (rest.at[0] != '?')
		return set_path_and_query(r, rest);
	r->has_query = true;
	r->query = slice_from(rest, 1);
	r->path = S("/");
	return char_all(r->query, CHAR_TARGET) ? FAULT_NONE : FAULT_BAD_TARGET;
}

static enum fault set_target(struct request *r, struct slice host)
{
	struct slice target = r->target, named = r->version == 20 ? r->authority : S("");

	if (target.len == 0)
		return FAULT_BAD_TARGET;
	if (target.at[0] == '/' || slice_same(target, S("*"))) {
		enum fault why = set_host(r, named, host);
		return why != FAULT_NONE ? why : set_path_and_query(r, target);
	}
	enum fault why = cut_absolute(r, &target, &named);
	if (why == FAULT_NONE)
		why = set_host(r, named, host);
	return why != FAULT_NONE ? why : set_absolute(r, target);
}

enum fault request_retarget(struct request *r, struct slice method, struct slice target, struct slice host)
{
	if (!header_is_name(method) || slice_same(method, S("CONNECT")))
		return FAULT_BAD_METHOD;
	if (!slice_starts(target, S("/")))
		return FAULT_BAD_TARGET;
	r->method = method;
	r->target = target;
	enum fault why = set_host(r, S(""), host);
	return why != FAULT_NONE ? why : set_path_and_query(r, target);
}

enum fault request_check(struct request *r)
{
	struct slice scheme = r->client_facts->tls ? S("https") : S("http"), host;
	enum fault why = FAULT_NONE;

	if (slice_same(r->method, S("CONNECT")))
		return FAULT_BAD_METHOD;
	if (r->version == 20)
		why = check_h2(r);
	if (why == FAULT_NONE)
		why = check_fields(r, &host);
	if (why != FAULT_NONE)
		return why;
	if (r->version == 20 && r->scheme.len && !slice_same_nocase(r->scheme, scheme))
		return slice_same_nocase(r->scheme, S("http")) || slice_same_nocase(r->scheme, S("https"))
		           ? FAULT_MISDIRECTED
		           : FAULT_BAD_TARGET;
	r->scheme = scheme;
	return set_target(r, host);
}
