#include "verify/credential.h"
#include "base/text.h"
#include "verify/jwt.h"

bool carrier_read(struct slice word, struct carrier *to, const char **why)
{
	struct slice cookie = S("cookie:"), field = S("header:");

	*to = (struct carrier){ CARRIER_BEARER, { 0 } };
	if (slice_same(word, S("bearer")))
		return true;
	*why = "write bearer, cookie:NAME or header:NAME";
	if (slice_starts(word, cookie))
		*to = (struct carrier){ CARRIER_COOKIE, slice_from(word, cookie.len) };
	else if (slice_starts(word, field))
		*to = (struct carrier){ CARRIER_FIELD, slice_from(word, field.len) };
	else
		return false;
	*why = "that is no name of a field or a cookie";
	if (!header_is_name(to->name))
		return false;
	*why = "that field has a meaning of its own";
	return to->kind == CARRIER_COOKIE || (header_id(to->name) == HEADER_OTHER && !header_is_ours(to->name));
}

struct search {
	struct credential *found;
	unsigned count;
};

static void note(struct search *s, const struct carrier *carrier, struct slice token)
{
	*s->found = (struct credential){ carrier, token };
	s->count++;
}

/* name=value (RFC 6265 section 4.2.1); an empty name where there is no =. */
static struct slice cut_cookie(struct slice *rest, struct slice *name)
{
	struct slice value = slice_trim(slice_cut(rest, ';'));
	bool named = slice_find(value, '=') < value.len;

	*name = named ? slice_trim(slice_cut(&value, '=')) : S("");
	return slice_trim(value);
}

static void look_into_cookies(struct search *s, const struct carrier *carrier, struct slice cookies)
{
	struct slice name;

	while (cookies.len) {
		struct slice value = cut_cookie(&cookies, &name);
		if (value.len && slice_same(name, carrier->name))
			note(s, carrier, value);
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

enum fault credential_find(const struct carrier *carriers, size_t len, const struct headers *headers,
                           struct credential *to)
{
	struct search s = { .found = to };

	*to = (struct credential){ 0 };
	for (size_t i = 0; i < len; i++)
		for (uint16_t j = 0; j < headers->len; j++)
			if (!headers->at[j].dropped)
				look_into(&s, &carriers[i], &headers->at[j]);
	if (s.count > 1)
		return FAULT_TWO_CREDENTIALS;
	if (!s.count)
		return FAULT_TOKEN_MISSING;
	struct slice whole = to->token;
	bool another_scheme = to->carrier->kind == CARRIER_BEARER && !bearer_read(whole, &to->token);
	return another_scheme ? FAULT_TOKEN_MISSING : FAULT_NONE;
}

/* The field's value without that cookie; empty where nothing is left. NULL behind .at: no room. */
static struct slice without(struct arena *arena, struct slice cookies, struct slice cookie)
{
	struct text t = { .at = arena_room(arena, cookies.len + 2), .cap = cookies.len + 2 };
	struct slice name;

	if (!t.at)
		return (struct slice){ 0 };
	while (cookies.len) {
		struct slice piece = slice_trim(slice_head(cookies, slice_find(cookies, ';')));
		cut_cookie(&cookies, &name);
		if (!piece.len || slice_same(name, cookie))
			continue;
		text_add(&t, t.len ? S("; ") : S(""));
		text_add(&t, piece);
	}
	return text_slice(&t);
}

static bool take_out(struct request *r, const struct carrier *carrier, struct header *h)
{
	if (carrier->kind == CARRIER_FIELD && slice_same_nocase(h->name, carrier->name))
		h->dropped = true;
	if (carrier->kind != CARRIER_COOKIE || h->id != HEADER_COOKIE)
		return true;
	h->value = without(&r->arena, h->value, carrier->name);
	h->dropped |= h->value.len == 0;
	return h->value.at;
}

/* Another spelling of the carrier's name, which CGI and its kin cannot tell from it. */
static bool is_disguised(const struct carrier *carrier, struct slice name)
{
	return carrier->kind == CARRIER_FIELD && slice_reads_as(name, carrier->name) &&
	       !slice_same_nocase(name, carrier->name);
}

bool credential_pass(struct request *r, const struct carrier *carriers, size_t len,
                     const struct credential *c, bool forward)
{
	bool bearer = c->carrier && c->carrier->kind == CARRIER_BEARER, whole = true;

	for (uint16_t i = 0; i < r->headers.len; i++) {
		struct header *h = &r->headers.at[i];
		if (h->id == HEADER_AUTHORIZATION && !(bearer && forward))
			h->dropped = true;
		for (size_t j = 0; j < len; j++)
			h->dropped |= is_disguised(&carriers[j], h->name);
		if (c->carrier && !forward && !h->dropped)
			whole &= take_out(r, c->carrier, h);
	}
	return whole;
}
