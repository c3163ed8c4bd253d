/* Finds the credential in a request, and what of it goes on. */
#include "verify/credential.h"
#include "base/text.h"
#include "jose/jose.h"

struct carrier carrier_read(struct slice word)
{
	struct slice cookie = S("cookie:"), field = S("header:");

	if (slice_starts(word, cookie))
		return (struct carrier){ CARRIER_COOKIE, slice_from(word, cookie.len) };
	if (slice_starts(word, field))
		return (struct carrier){ CARRIER_FIELD, slice_from(word, field.len) };
	return (struct carrier){ CARRIER_BEARER, { 0 } };
}

/* ---- cookies ---- */

/* Where readers of cookies begin a new one besides at a ';': RFC 2965 has the comma, others take spaces. */
static bool separates(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '&' || c == '"';
}

/* Does some reader find a cookie in it that passes for this one? */
static bool is_read_as(const struct cookie *c, struct slice name)
{
	struct slice s = c->whole;
	size_t begin = 0;

	if (name_passes_for(c->name.len ? c->name : s, name))
		return true;
	for (size_t i = 0; i < s.len; i++) {
		bool ends = i + 1 < s.len && (s.at[i + 1] == '=' || separates(s.at[i + 1]));
		if (s.at[i] == '=' && name_passes_for(slice_head(slice_from(s, begin), i - begin), name))
			return true;
		if ((separates(s.at[i]) && !ends) || (s.at[i] == '=' && i == begin))
			begin = i + 1;
	}
	return false;
}

/* ---- what is there ---- */

struct search {
	struct credential first; /* of the carrier in hand */
	unsigned count;
};

static void note(struct search *s, const struct carrier *carrier, struct slice token)
{
	if (!s->count++)
		s->first = (struct credential){ carrier, token };
}

static void look_into_cookies(struct search *s, const struct carrier *carrier, struct slice cookies)
{
	while (cookies.len) {
		struct cookie c = cookie_cut(&cookies);
		if (c.value.len && slice_same(c.name, carrier->name))
			note(s, carrier, c.value);
	}
}

static void look_into(struct search *s, const struct carrier *carrier, const struct header *h)
{
	if (carrier->kind == CARRIER_BEARER && h->id == HEADER_AUTHORIZATION)
		note(s, carrier, h->value);
	else if (carrier->kind == CARRIER_COOKIE && h->id == HEADER_COOKIE)
		look_into_cookies(s, carrier, h->value);
	else if (carrier->kind == CARRIER_FIELD && slice_same_nocase(h->name, carrier->name))
		note(s, carrier, h->value);
}

/* One more credential than *to: TWO_CREDENTIALS, unless *to is an Authorization and the other a cookie that
 * is listed behind it. There a bearer token is judged alone, and another scheme is none of ours. */
static enum fault choose(struct credential *to, const struct credential *other)
{
	struct slice token;
	bool yields = to->carrier->kind == CARRIER_BEARER && other->carrier->kind == CARRIER_COOKIE &&
	              other->carrier > to->carrier;

	if (!yields || !bearer_read(to->token, &token))
		*to = *other;
	return yields ? FAULT_NONE : FAULT_TWO_CREDENTIALS;
}

/* In the order of the list, but Authorization first: what yields to it does so wherever else they stand. */
static enum fault find(const struct carrier *carriers, size_t len, const struct headers *headers,
                       struct credential *to, bool bearer)
{
	for (size_t i = 0; i < len; i++) {
		struct search s = { .count = 0 };
		if ((carriers[i].kind == CARRIER_BEARER) != bearer)
			continue;
		for (uint16_t j = 0; j < headers->len; j++)
			if (!headers->at[j].dropped)
				look_into(&s, &carriers[i], &headers->at[j]);
		enum fault fault = s.count > 1              ? FAULT_TWO_CREDENTIALS
		                   : s.count && to->carrier ? choose(to, &s.first)
		                                            : FAULT_NONE;
		if (s.count > 1 || (s.count && !to->carrier))
			*to = s.first;
		if (fault)
			return fault;
	}
	return FAULT_NONE;
}

enum fault credential_find(const struct carrier *carriers, size_t len, const struct headers *headers,
                           struct credential *to)
{
	*to = (struct credential){ 0 };
	enum fault fault = find(carriers, len, headers, to, true);
	if (!fault)
		fault = find(carriers, len, headers, to, false);
	if (fault)
		return fault;
	if (!to->carrier)
		return FAULT_TOKEN_MISSING;
	struct slice whole = to->token;
	bool another_scheme = to->carrier->kind == CARRIER_BEARER && !bearer_read(whole, &to->token);
	return another_scheme ? FAULT_TOKEN_MISSING : FAULT_NONE;
}

/* ---- what goes on ---- */

/* Does it come under the name of a carrier without being what was verified (of `kept`)? */
static bool is_unproven_cookie(const struct cookie *c, const struct carrier *carriers, size_t len,
                               const struct carrier *kept)
{
	if (kept && kept->kind == CARRIER_COOKIE && c->value.len && slice_same(c->name, kept->name))
		return false;
	for (size_t i = 0; i < len; i++)
		if (carriers[i].kind == CARRIER_COOKIE && is_read_as(c, carriers[i].name))
			return true;
	return false;
}

/* The field without those; false: the arena is full. */
static bool pass_cookies(struct request *r, struct header *h, const struct carrier *carriers, size_t len,
                         const struct carrier *kept)
{
	struct slice rest = h->value;
	bool clean = true;

	while (rest.len && clean) {
		struct cookie c = cookie_cut(&rest);
		clean = !is_unproven_cookie(&c, carriers, len, kept);
	}
	if (clean)
		return true;
	struct text t = { .at = arena_room(&r->arena, h->value.len + 2), .cap = h->value.len + 2 };
	for (rest = h->value; t.at && rest.len;) {
		struct cookie c = cookie_cut(&rest);
		if (!c.whole.len || is_unproven_cookie(&c, carriers, len, kept))
			continue;
		text_add(&t, t.len ? S("; ") : S(""));
		text_add(&t, c.whole);
	}
	h->value = text_slice(&t);
	h->dropped |= t.len == 0;
	return t.at;
}

static bool is_unproven(const struct carrier *carrier, struct slice name, const struct carrier *kept)
{
	if (carrier->kind != CARRIER_FIELD || !name_passes_for(name, carrier->name))
		return false;
	return !kept || kept->kind != CARRIER_FIELD || !slice_same_nocase(name, kept->name);
}

static bool has_kind(const struct carrier *carriers, size_t len, enum carrier_kind kind)
{
	for (size_t i = 0; i < len; i++)
		if (carriers[i].kind == kind)
			return true;
	return false;
}

static void drop_unproven(struct header *h, const struct carrier *carriers, size_t len,
                          const struct carrier *kept)
{
	for (size_t i = 0; i < len; i++)
		h->dropped |= is_unproven(&carriers[i], h->name, kept);
}

bool credential_pass(struct request *r, const struct carrier *carriers, size_t len,
                     const struct credential *c, bool forward)
{
	const struct carrier *kept = forward ? c->carrier : NULL;
	bool cookies = has_kind(carriers, len, CARRIER_COOKIE), fields = has_kind(carriers, len, CARRIER_FIELD);
	bool bearer = kept && kept->kind == CARRIER_BEARER, whole = true;

	for (uint16_t i = 0; i < r->headers.len; i++) {
		struct header *h = &r->headers.at[i];
		if (h->id == HEADER_AUTHORIZATION && !bearer)
			h->dropped = true;
		if (cookies && h->id == HEADER_COOKIE && !h->dropped)
			whole &= pass_cookies(r, h, carriers, len, kept);
		if (fields)
			drop_unproven(h, carriers, len, kept);
	}
	return whole;
}
