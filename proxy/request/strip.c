/* Removes fields that end at this proxy. */
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
	return slice_starts(plain, S("x-forwarded-")) || (*id != HEADER_OTHER && !header_is(*id, FIELD_OVERRIDE));
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
	return header_is(id, FIELD_OVERRIDE) ? id : HEADER_OTHER;
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
		if (slice_starts(v->from.at[i], field) && name_passes_for(name, slice_from(v->from.at[i], field.len)))
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

static bool is_sallyports(struct slice name)
{
	return slice_reads_as(slice_head(name, 10), S("sallyport-"));
}

static bool can_be_named_away(struct slice name, enum header_id id)
{
	return !header_is(id, FIELD_CREDENTIAL | FIELD_FRAMING | FIELD_FORWARDED) && !is_forwarded_kin(name) &&
	       !is_sallyports(name);
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

static void drop_hop(struct headers *h)
{
	for (uint16_t i = 0; i < h->len; i++) {
		struct slice names = h->at[i].id == HEADER_CONNECTION ? h->at[i].value : S("");
		while (names.len)
			drop_named(h, slice_trim(slice_cut(&names, ',')));
		h->at[i].dropped |= header_is(h->at[i].id, FIELD_CONNECTION | FIELD_HOP);
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

	return ours || header_is(id, FIELD_OVERRIDE);
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
		if (header_is(f->id, FIELD_OVERRIDE))
			return !trusted && !is_passed(r, f->name);
		return slice_lower(f->name.at[0]) == 's' && header_is_ours(f->name);
	}
}

static bool is_of_trusted(const struct request *r)
{
	return cidrs_have(&r->config->root.trusted_proxies, &r->client_facts->peer);
}

static bool has_trailers(const struct request *r)
{
	return r->has_body && (r->chunked || r->version == 20);
}

static void drop_counted(struct header *f)
{
	enum header_id override = header_override(f->name);

	if (override != HEADER_OTHER)
		count_removal(override);
	f->dropped = true;
}

void request_strip(struct request *r)
{
	bool trusted = is_of_trusted(r), trailers = has_trailers(r);

	drop_hop(&r->headers);
	for (uint16_t i = 0; i < r->headers.len; i++)
		if (ends_here(r, &r->headers.at[i], trusted, trailers))
			drop_counted(&r->headers.at[i]);
}

static bool is_of_one_hop(const struct request *r, const struct header *f)
{
	if (header_is(f->id, FIELD_CONNECTION | FIELD_HOP))
		return true;
	for (uint16_t i = 0; i < r->headers.len; i++)
		if (r->headers.at[i].id == HEADER_CONNECTION && header_list_has(r->headers.at[i].value, f->name))
			return can_be_named_away(f->name, f->id);
	return false;
}

bool request_field_goes_on(const struct request *r, const struct header *f)
{
	return !f->dropped && !is_of_one_hop(r, f) && !ends_here(r, f, is_of_trusted(r), has_trailers(r));
}

void request_strip_answer(const struct request *r, struct headers *h, unsigned status)
{
	drop_hop(h);
	for (uint16_t i = 0; i < h->len; i++) {
		struct header *f = &h->at[i];
		if (f->id == HEADER_UPGRADE && status == 426 && r->version == 11)
			f->dropped = false; /* what the client is to change to (RFC 9110 section 15.5.22) */
		else if (f->id == HEADER_CONTENT_LENGTH || (f->id == HEADER_TRAILER && r->version == 10) ||
		         is_sallyports(f->name))
			f->dropped = true;
	}
}

bool header_is_trailer(struct slice name)
{
	static const char barred[] =
	    "www-authenticate,authentication-info,proxy-authentication-info,set-cookie,cache-control,"
	    "max-forwards,pragma,range,if-match,if-none-match,if-modified-since,if-unmodified-since,if-range,"
	    "content-encoding,content-type,content-range,age,date,expires,location,retry-after,vary,warning";
	const unsigned kinds = FIELD_CONNECTION | FIELD_HOP | FIELD_FRAMING | FIELD_TRAILER | FIELD_CREDENTIAL;
	enum header_id id = header_id(name);

	return !header_is(id, kinds) && id != HEADER_FORWARDED && !header_list_has(slice_of(barred), name);
}
