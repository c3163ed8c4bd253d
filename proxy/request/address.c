/* address.c -- who is behind the proxies that we trust? */
#include "request/request.h"
#include "base/ip.h"
#include "base/text.h"
#include <arpa/inet.h>

#define HOPS_MAX 16 /* trusted proxies in a row that are followed; farther ones count as the client */

enum forwarded_node { NODE_ADDRESS, NODE_HIDDEN, NODE_BAD };

/* The elements of a list that may stand in several fields, from the last to the first. */
struct backwards {
	const struct headers *headers;
	enum header_id id;
	uint16_t field;    /* the next one is before it */
	struct slice rest; /* of the field in hand */
};

static bool is_port(struct slice s)
{
	uint64_t port;

	return s.len <= 5 && slice_u64(s, &port) && port <= 65535;
}

/* "unknown" and hidden names, perhaps with a port (RFC 7239 section 6); unix: is what nginx calls a client
 * that came by a Unix socket, perhaps with the socket's path. */
static bool is_hidden(struct slice text)
{
	struct slice name = slice_head(text, slice_find(text, ':'));

	return slice_same_nocase(name, S("unknown")) || slice_starts(text, S("_")) ||
	       (name.len < text.len && slice_same_nocase(name, S("unix")));
}

/* 192.0.2.1, 2001:db8::1, [2001:db8::1]; the first and the last perhaps with a port. */
static enum forwarded_node parse_node(struct slice text, struct in6_addr *to)
{
	bool v4;

	if (is_hidden(text))
		return NODE_HIDDEN;
	if (slice_starts(text, S("["))) {
		size_t close = slice_find(text, ']');
		struct slice inside = slice_head(slice_from(text, 1), close - 1), port = slice_from(text, close + 1);
		bool sound = close < text.len && slice_find(inside, ':') < inside.len &&
		             (port.len == 0 || (port.at[0] == ':' && is_port(slice_from(port, 1))));
		return sound && ip_read(inside, to, &v4) ? NODE_ADDRESS : NODE_BAD;
	}
	size_t colon = slice_find(text, ':');
	struct slice rest = slice_from(text, colon + 1);
	bool one_colon = colon < text.len && slice_find(rest, ':') == rest.len;
	if (!one_colon)
		return ip_read(text, to, &v4) ? NODE_ADDRESS : NODE_BAD;
	return is_port(rest) && ip_read(slice_head(text, colon), to, &v4) ? NODE_ADDRESS : NODE_BAD;
}

/* Cuts at the last `mark` outside of quotes. The left part may be a forger's, so all reading is from the
 * right. */
static struct slice cut_last(struct slice *rest, char mark)
{
	bool quoted = false;
	size_t from = rest->len;

	while (from > 0 && (quoted || rest->at[from - 1] != mark)) {
		from--;
		quoted ^= rest->at[from] == '"';
	}
	struct slice last = slice_from(*rest, from);
	*rest = slice_head(*rest, from ? from - 1 : 0);
	return last;
}

/* The next element to the left; false where there is none. Empty ones do not count (RFC 9110 section 5.6.1).
 */
static bool next_left(struct backwards *b, struct slice *element)
{
	for (;;) {
		while (b->rest.len == 0) {
			if (b->field == 0)
				return false;
			const struct header *f = &b->headers->at[--b->field];
			if (f->id == b->id)
				b->rest = f->value;
		}
		*element = slice_trim(cut_last(&b->rest, ','));
		if (element->len)
			return true;
	}
}

/* for=192.0.2.1;proto=https: the value of `for`, without quotes (RFC 7239 section 4). */
static enum forwarded_node parse_forwarded(struct slice element, struct in6_addr *to)
{
	struct slice found = { 0 };

	while (element.len) {
		struct slice value = slice_trim(cut_last(&element, ';'));
		struct slice name = slice_cut(&value, '=');
		if (!slice_same_nocase(name, S("for")))
			continue;
		if (found.at)
			return NODE_BAD;
		found = value;
	}
	if (!found.at)
		return NODE_HIDDEN;
	if (found.len >= 2 && found.at[0] == '"' && found.at[found.len - 1] == '"')
		found = (struct slice){ found.at + 1, found.len - 2 };
	return parse_node(found, to);
}

static enum fault write_list(struct request *r, const struct in6_addr *hops, size_t len)
{
	char store[HOPS_MAX * (INET6_ADDRSTRLEN + 2)], one[INET6_ADDRSTRLEN];
	struct text list = TEXT(store);

	while (len-- > 0) {
		const struct in6_addr *a = &hops[len];
		bool four = IN6_IS_ADDR_V4MAPPED(a);
		inet_ntop(four ? AF_INET : AF_INET6, four ? &a->s6_addr[12] : a->s6_addr, one, sizeof one);
		text_add(&list, slice_of(one));
		if (len)
			text_add(&list, S(", "));
	}
	r->forwarded_for = arena_copy(&r->arena, text_slice(&list));
	return r->arena.overflowed ? FAULT_HEAD_TOO_BIG : FAULT_NONE;
}

static enum fault walk(struct request *r, enum header_id id)
{
	const struct config_cidrs *trusted = &r->config->root.trusted_proxies;
	struct backwards b = { .headers = &r->headers, .id = id, .field = r->headers.len };
	struct in6_addr hops[HOPS_MAX];
	struct slice element;
	size_t len = 0;

	while (len < HOPS_MAX && next_left(&b, &element)) {
		enum forwarded_node what =
		    id == HEADER_FORWARDED ? parse_forwarded(element, &hops[len]) : parse_node(element, &hops[len]);
		if (what == NODE_BAD && len == 0)
			return FAULT_BAD_FORWARDED;
		if (what != NODE_ADDRESS)
			break;
		r->address = hops[len++];
		if (!cidrs_have(trusted, &r->address))
			break;
	}
	return len ? write_list(r, hops, len) : FAULT_NONE;
}

static size_t elements_of(const struct request *r, enum header_id id)
{
	struct backwards b = { .headers = &r->headers, .id = id, .field = r->headers.len };
	struct slice element;
	size_t len = 0;

	while (next_left(&b, &element))
		len++;
	return len;
}

/* Trusted proxies that were followed; at least the peer. */
static size_t hops_of(const struct request *r)
{
	struct slice rest = r->forwarded_for;
	size_t len = 0;

	do
		len++;
	while ((slice_cut(&rest, ','), rest.len));
	return len;
}

/* The element of that number from the right, or the leftmost. */
static struct slice element_at(const struct request *r, enum header_id id, size_t number)
{
	struct backwards b = { .headers = &r->headers, .id = id, .field = r->headers.len };
	struct slice element, last = S("");

	while (number-- && next_left(&b, &element))
		last = element;
	return last;
}

struct slice request_vouched(const struct request *r, enum header_id id)
{
	const struct header *f = headers_find(&r->headers, id);

	if (!f)
		return S("");
	if (headers_count(&r->headers, id) == 1 && slice_find(f->value, ',') == f->value.len)
		return f->value;
	return element_at(r, id, hops_of(r));
}

/* A list that is longer than that of addresses was begun where nobody told addresses: only who stands first
 * saw the client. What it says grants nothing. */
static void take_scheme(struct request *r)
{
	const struct header *said = headers_find(&r->headers, HEADER_X_FORWARDED_PROTO);

	if (!said)
		return;
	struct slice proto = request_vouched(r, HEADER_X_FORWARDED_PROTO);
	if (!slice_same(proto, said->value) &&
	    elements_of(r, HEADER_X_FORWARDED_PROTO) > elements_of(r, HEADER_X_FORWARDED_FOR))
		proto = element_at(r, HEADER_X_FORWARDED_PROTO, SIZE_MAX);
	if (slice_same_nocase(proto, S("https")) || slice_same_nocase(proto, S("wss")))
		r->scheme = S("https");
	else if (slice_same_nocase(proto, S("http")) || slice_same_nocase(proto, S("ws")))
		r->scheme = S("http");
}

enum fault request_address(struct request *r)
{
	r->address = r->client_facts->peer;
	r->forwarded_for = S("");
	if (!cidrs_have(&r->config->root.trusted_proxies, &r->client_facts->peer))
		return FAULT_NONE;
	bool plain = headers_find(&r->headers, HEADER_X_FORWARDED_FOR);
	enum fault why = walk(r, plain ? HEADER_X_FORWARDED_FOR : HEADER_FORWARDED);
	take_scheme(r); /* after the walk: it says how many of those who wrote a list are trusted */
	return why;
}
