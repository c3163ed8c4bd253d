/* value.c -- what a request has for each part of a key. */
#include "limit/inside.h"

/* The same value twice is one value; two different ones are none, for nobody knows which one the upstream
 * takes. */
struct value_seen {
	struct slice value;
	bool any, differ;
};

static void see(struct value_seen *s, struct slice value)
{
	s->differ |= s->any && !slice_same(s->value, value);
	s->value = value;
	s->any = true;
}

static struct slice only(const struct value_seen *s)
{
	return s->differ ? (struct slice){ 0 } : s->value;
}

/* The one value of a field; empty where it is absent, sent more than once, or not for the upstream to see. */
static struct slice header_value(const struct request *r, const struct key_part *part)
{
	struct value_seen seen = { 0 };

	for (uint16_t i = 0; i < r->headers.len; i++) {
		const struct header *h = &r->headers.at[i];
		if (h->dropped || h->id != part->id)
			continue;
		if (part->id == HEADER_OTHER && !slice_same_nocase(h->name, part->name))
			continue;
		if (!request_field_goes_on(r, h))
			continue;
		seen.differ |= seen.any;
		see(&seen, h->value);
	}
	return only(&seen);
}

static struct slice cookie_value(const struct request *r, struct slice name)
{
	struct value_seen seen = { 0 };

	for (uint16_t i = 0; i < r->headers.len; i++) {
		const struct header *h = &r->headers.at[i];
		struct slice rest = h->value;
		while (h->id == HEADER_COOKIE && !h->dropped && rest.len) {
			struct cookie c = cookie_cut(&rest);
			if (slice_same(c.name, name))
				see(&seen, c.value);
		}
	}
	return only(&seen);
}

static bool is_encoded(const struct request *r)
{
	const struct header *h = headers_find_name(&r->headers, S("content-encoding"));

	return h && !slice_same_nocase(h->value, S("identity"));
}

static bool same_type_twice(const struct request *r)
{
	unsigned types = 0;

	for (uint16_t i = 0; i < r->headers.len; i++)
		types += !r->headers.at[i].dropped && r->headers.at[i].id == HEADER_CONTENT_TYPE;
	return types > 1;
}

/* Into the piece's own room, since a decoded value lies nowhere else. */
static struct slice body_value(const struct limits *l, const struct request *r, const struct key_part *part,
                               struct key_piece *to)
{
	const struct header *type = headers_find(&r->headers, HEADER_CONTENT_TYPE);
	const struct field_source body = {
		.bytes = r->stash,
		.query = r->query,
		.whole = !r->has_body || r->stash_ended,
		.type = type ? type->value : (struct slice){ 0 },
		.encoded = is_encoded(r) || same_type_twice(r),
	};
	struct field_store store;
	struct slice found;

	if (!l->read_body && r->has_body) /* nobody reads bodies here */
		return (struct slice){ 0 };
	enum field_result said = body_field(&body, part->kind == PART_JSON, part->name, &store, &found);
	to->unreadable = said == FIELD_UNREADABLE;
	if (said != FIELD_READ)
		return (struct slice){ 0 };
	to->hashed = found.len > PIECE_MAX;
	if (to->hashed) {
		uint64_t hash = siphash(l->pieces, found);
		memcpy(to->room, &hash, sizeof hash);
		return (struct slice){ to->room, sizeof hash };
	}
	memcpy(to->room, found.at, found.len);
	return (struct slice){ to->room, found.len };
}

static struct slice part_value(const struct limits *l, const struct request *r, const struct key_part *part,
                               struct key_piece *to)
{
	const struct client_facts *v = r->client_facts;
	bool known = r->identity.verdict == VERDICT_VALID;

	switch (part->kind) {
	case PART_SUBJECT:
		return known ? r->identity.subject : (struct slice){ 0 };
	case PART_CLIENT:
		return known ? r->identity.client : (struct slice){ 0 };
	case PART_TENANT:
		return known ? r->identity.tenant : (struct slice){ 0 };
	case PART_JA4:
		return r->ext_auth ? (struct slice){ 0 } : slice_of(v->ja4_key);
	case PART_ROUTE:
		return r->route->name;
	case PART_CLASS:
		return class_names[r->class];
	case PART_CERTIFICATE:
		return request_certificate(r);
	case PART_HEADER:
		return header_value(r, part);
	case PART_COOKIE:
		return cookie_value(r, part->name);
	case PART_FORM:
	case PART_JSON:
		return body_value(l, r, part, to);
	default:
		return (struct slice){ 0 };
	}
}

void piece_of_address(struct key_piece *p, enum part_kind kind, const struct in6_addr *a,
                      struct prefix_bits bits)
{
	unsigned keep = IN6_IS_ADDR_V4MAPPED(a) ? 96u + bits.v4 : bits.v6;

	p->kind = kind;
	p->hashed = false;
	p->net = *a;
	for (unsigned i = keep / 8; i < 16; i++)
		p->net.s6_addr[i] &= (uint8_t)(i == keep / 8 ? 0xff00u >> keep % 8 : 0);
	p->value = (struct slice){ (const char *)&p->net, sizeof p->net };
}

/* A value that is too long goes in as its hash. */
void piece_of_value(const struct limits *l, struct key_piece *p, struct slice value)
{
	p->value = value;
	if (value.len <= PIECE_MAX)
		return;
	uint64_t hash = siphash(l->pieces, value);
	memcpy(p->room, &hash, sizeof hash);
	p->value = (struct slice){ p->room, sizeof hash };
	p->hashed = true;
}

static void fill(const struct limits *l, const struct key_part *part, const struct request *r,
                 struct key_piece *to)
{
	static const struct prefix_bits whole = { 32, 64 }; /* who has a /64 has 2^64 addresses */
	struct slice value;

	if (part->kind <= PART_PREFIX) {
		to->unreadable = false;
		piece_of_address(to, part->kind, &r->address, part->bits);
		return;
	}
	to->kind = part->kind;
	to->hashed = to->unreadable = false;
	value = part_value(l, r, part, to);
	if (value.len == 0) {
		piece_of_address(to, PART_ADDRESS, &r->address, whole);
		return;
	}
	if (part_is_of_token(part->kind))
		to->issuer = r->identity.issuer;
	piece_of_value(l, to, value);
}

void key_of(const struct limits *l, const struct plan *plan, const struct request *r, struct limit_key *to)
{
	to->len = plan->parts_len;
	to->unreadable = false;
	for (size_t i = 0; i < plan->parts_len; i++) {
		fill(l, &plan->parts[i], r, &to->at[i]);
		to->unreadable |= to->at[i].unreadable;
	}
}
