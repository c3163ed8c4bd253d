#include "request/request.h"
#include "metrics/metrics.h"

#define SPELLING_MAX 40 /* bytes; longer names are not in headers.def */

/* The name as slice_folded makes it (*odd: it had something else than '-' for a '-'); of a long one the
 * beginning only. */
static struct slice spell(struct slice name, char to[SPELLING_MAX], bool *odd)
{
	size_t len = name.len < SPELLING_MAX ? name.len : SPELLING_MAX;

	*odd = false;
	for (size_t i = 0; i < name.len; i++) {
		char c = slice_folded(name.at[i]);
		*odd |= c == '-' && name.at[i] != '-';
		if (i < len)
			to[i] = c;
	}
	return (struct slice){ to, len };
}

static bool is_override(unsigned id)
{
	switch (id) {
	case HEADER_X_ORIGINAL_URL:
	case HEADER_X_ORIGINAL_URI:
	case HEADER_X_REWRITE_URL:
	case HEADER_X_ORIGINAL_HOST:
	case HEADER_X_HTTP_METHOD_OVERRIDE:
	case HEADER_X_HTTP_METHOD:
	case HEADER_X_METHOD_OVERRIDE:
	case HEADER_TRUE_CLIENT_IP:
	case HEADER_CLIENT_IP:
	case HEADER_X_CLIENT_IP:
	case HEADER_X_CLUSTER_CLIENT_IP:
	case HEADER_CF_CONNECTING_IP:
	case HEADER_FASTLY_CLIENT_IP:
		return true;
	default:
		return false;
	}
}

/* *id: the name of headers.def of which this is another spelling. */
static bool reads_as_ours(struct slice name, enum header_id *id)
{
	char store[SPELLING_MAX];
	bool odd;
	struct slice plain = spell(name, store, &odd);

	*id = HEADER_OTHER;
	if (slice_starts(plain, S("sallyport-")))
		return true;
	if (!odd)
		return false;
	if (name.len == plain.len)
		*id = header_id(plain);
	return slice_starts(plain, S("x-forwarded-")) || (*id != HEADER_OTHER && !is_override(*id));
}

bool header_is_ours(struct slice name)
{
	enum header_id id;

	return reads_as_ours(name, &id);
}

enum header_id header_override(struct slice name)
{
	enum header_id id = header_id(name);

	if (id == HEADER_OTHER)
		reads_as_ours(name, &id);
	return is_override(id) ? id : HEADER_OTHER;
}

static void count_removal(enum header_id id)
{
	struct slice no = S("");

	metrics_add(metrics_series(METRIC_fields_removed_total, header_names[id], no, no, no), 1);
}

bool trailer_overrides(struct slice name)
{
	enum header_id id = header_override(name);

	if (id != HEADER_OTHER)
		count_removal(id);
	return id != HEADER_OTHER;
}

bool header_is_vouched(struct slice name)
{
	char store[SPELLING_MAX];
	bool odd;
	struct slice plain = spell(name, store, &odd);

	return slice_starts(plain, S("x-forwarded-")) || slice_same(plain, S("x-real-ip")) ||
	       header_is_ours(name) || (odd && !header_is_trailer(plain));
}

/* The next byte of the name, an escape or a '+' decoded. */
static char next_byte(struct slice *name)
{
	struct slice s = *name;
	bool escaped = s.len >= 3 && s.at[0] == '%' && char_is(s.at[1], CHAR_HEX) && char_is(s.at[2], CHAR_HEX);

	*name = slice_from(s, escaped ? 3 : 1);
	if (escaped)
		return (char)(char_hex(s.at[1]) << 4 | char_hex(s.at[2]));
	return s.at[0] == '+' ? ' ' : s.at[0];
}

static bool is_around(char c)
{
	return c == ' ' || c == '\t' || c == '"';
}

bool name_passes_for(struct slice name, struct slice other)
{
	size_t at = 0;

	while (name.len) {
		char c = next_byte(&name);
		if (at == other.len && c == '[')
			return true;
		if (is_around(c) && (at == 0 || at == other.len))
			continue;
		if (at == other.len || slice_folded(c) != slice_folded(other.at[at++]))
			return false;
	}
	return at == other.len;
}

bool request_has_carrier(const struct request *r, struct slice name)
{
	const struct config_route_verify *v = r->route->verify;
	struct slice field = S("header:");

	for (size_t i = 0; v && i < v->from.len; i++)
		if (slice_starts(v->from.at[i], field) &&
			name_passes_for(name, slice_from(v->from.at[i], field.len)))
			return true;
	return false;
}

bool header_is_plain(struct slice name)
{
	return char_all(name, CHAR_HOST);
}

static bool is_forwarded_kin(struct slice name)
{
	return slice_same_nocase(slice_head(name, 12), S("x-forwarded-"));
}

static bool can_be_named_away(struct slice name, enum header_id id)
{
	switch (id) {
	case HEADER_AUTHORIZATION:
	case HEADER_COOKIE:
	case HEADER_HOST:
	case HEADER_CONTENT_LENGTH:
	case HEADER_FORWARDED:
	case HEADER_X_REAL_IP:
		return false;
	default:
		return !is_forwarded_kin(name) && !slice_same_nocase(slice_head(name, 10), S("sallyport-"));
	}
}

static void drop_named(struct headers *h, struct slice name)
{
	enum header_id id = header_id(name);

	if (name.len == 0 || !can_be_named_away(name, id))
		return;
	for (uint16_t i = 0; i < h->len; i++)
		if (h->at[i].id == id && (id != HEADER_OTHER || slice_same_nocase(h->at[i].name, name)))
			h->at[i].dropped = true;
}

void headers_drop_hop(struct headers *h)
{
	for (uint16_t i = 0; i < h->len; i++) {
		struct slice names = h->at[i].value;
		switch (h->at[i].id) {
		case HEADER_CONNECTION:
			while (names.len)
				drop_named(h, slice_trim(slice_cut(&names, ',')));
			h->at[i].dropped = true;
			break;
		case HEADER_KEEP_ALIVE:
		case HEADER_PROXY_CONNECTION:
		case HEADER_TE:
		case HEADER_TRANSFER_ENCODING:
		case HEADER_UPGRADE:
		case HEADER_HTTP2_SETTINGS:
		case HEADER_PROXY_AUTHORIZATION:
		case HEADER_PROXY_AUTHENTICATE:
			h->at[i].dropped = true;
			break;
		default:
			break;
		}
	}
}

static bool is_passed(const struct request *r, struct slice name)
{
	const struct config_headers *change = r->route ? r->route->request_headers : NULL;

	for (size_t i = 0; change && i < change->pass.len; i++)
		if (slice_same_nocase(change->pass.at[i], name))
			return true;
	return false;
}

/* Another spelling of an override ends here, whoever sends it: no proxy that is trusted writes it. */
static bool ends_by_its_spelling(const struct header *f)
{
	enum header_id id;
	bool ours = reads_as_ours(f->name, &id);

	if (!is_override(id))
		return ours;
	count_removal(id);
	return true;
}

static bool ends_as_override(const struct request *r, const struct header *f, bool trusted)
{
	if (trusted || is_passed(r, f->name))
		return false;
	count_removal((enum header_id)f->id);
	return true;
}

static bool ends_here(const struct request *r, const struct header *f, bool trusted, bool trailers)
{
	switch (f->id) {
	case HEADER_PROXY:
	case HEADER_X_FORWARDED_FOR:
	case HEADER_FORWARDED:
		return true;
	case HEADER_X_FORWARDED_PROTO:
	case HEADER_X_FORWARDED_HOST:
	case HEADER_X_FORWARDED_PORT:
	case HEADER_X_REAL_IP:
		return !trusted;
	case HEADER_TRAILER:
		return !trailers;
	case HEADER_OTHER:
		return ends_by_its_spelling(f) || (!trusted && is_forwarded_kin(f->name));
	default:
		if (is_override(f->id))
			return ends_as_override(r, f, trusted);
		return slice_lower(f->name.at[0]) == 's' && header_is_ours(f->name);
	}
}

void request_strip(struct request *r)
{
	bool trusted = cidrs_have(&r->config->root.trusted_proxies, &r->visitor->peer);
	bool trailers = r->has_body && (r->chunked || r->version == 20);

	headers_drop_hop(&r->headers);
	for (uint16_t i = 0; i < r->headers.len; i++)
		if (ends_here(r, &r->headers.at[i], trusted, trailers))
			r->headers.at[i].dropped = true;
}

bool header_is_trailer(struct slice name)
{
	static const char barred[] =
		"content-length,transfer-encoding,trailer,te,connection,keep-alive,upgrade,host,forwarded,"
		"authorization,proxy-authorization,proxy-authenticate,www-authenticate,authentication-info,"
		"proxy-authentication-info,cookie,set-cookie,cache-control,expect,max-forwards,pragma,range,"
		"if-match,if-none-match,if-modified-since,if-unmodified-since,if-range,proxy-connection,"
		"content-encoding,content-type,content-range,age,date,expires,location,retry-after,vary,warning";

	return !header_list_has(slice_of(barred), name);
}
