/* Keys: which bucket is a request's? Every part goes in as kind, length and bytes, so that no two different
 * lists of parts make the same key. A long part goes in as its hash. */
#include "base/text.h"
#include "limit/room.h"

#define PIECE_MAX 64
#define KEY_SIZE (8 + (PARTS_MAX * 2) * (3 + PIECE_MAX)) /* a part is at most two pieces */

static const struct { const char *name; enum part_kind kind; } words[] = {
	{ "address", PART_ADDRESS }, { "prefix", PART_PREFIX },   { "prefix48", PART_PREFIX48 },
	{ "subject", PART_SUBJECT }, { "client", PART_CLIENT },   { "tenant", PART_TENANT },
	{ "ja4", PART_JA4 },         { "route", PART_ROUTE },     { "class", PART_CLASS },
	{ "certificate", PART_CERTIFICATE },
};

static bool of_token(enum part_kind kind)
{
	return kind == PART_SUBJECT || kind == PART_CLIENT || kind == PART_TENANT;
}

static bool part_read(struct slice word, struct part *to)
{
	if (slice_starts(word, S("header:"))) {
		struct slice name = slice_from(word, 7);
		*to = (struct part){ PART_HEADER, name, header_id(name) };
		return header_is_name(name);
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (slice_same(word, slice_of(words[i].name))) {
			*to = (struct part){ .kind = words[i].kind };
			return true;
		}
	return false;
}

bool parts_read(struct plan *plan, struct config_errors *errors)
{
	const struct config_limit *limit = plan->limit;

	if (limit->key.len == 0 || limit->key.len > PARTS_MAX) {
		config_complain(errors, limit->place, "limit %.*s: key must name 1 to %d things to count by",
		                SLICE(limit->id), PARTS_MAX);
		return false;
	}
	for (size_t i = 0; i < limit->key.len; i++) {
		struct part *part = &plan->parts[plan->parts_len++];
		if (!part_read(limit->key.at[i], part)) {
			config_complain(errors, limit->place,
			                "limit %.*s: nothing can be counted by \"%.*s\"; known are address, prefix, "
			                "prefix48, subject, client, tenant, ja4, route, class, certificate, header:NAME",
			                SLICE(limit->id), SLICE(limit->key.at[i]));
			return false;
		}
		plan->late |= of_token(part->kind);
	}
	return true;
}

static void add_piece(const struct limits *l, struct text *key, enum part_kind kind, struct slice piece)
{
	uint64_t hash;

	text_char(key, (char)kind);
	text_char(key, (char)(piece.len & 0xff));
	text_char(key, (char)(piece.len >> 8 & 0xff));
	if (piece.len > PIECE_MAX) {
		hash = siphash(l->table->key, piece);
		piece = (struct slice){ (const char *)&hash, sizeof hash };
	}
	text_add(key, piece);
}

static void add_address(const struct limits *l, struct text *key, enum part_kind kind,
                        const struct in6_addr *address)
{
	size_t len = 16;

	if (kind == PART_PREFIX)
		len = IN6_IS_ADDR_V4MAPPED(address) ? 15 : 8;
	if (kind == PART_PREFIX48)
		len = IN6_IS_ADDR_V4MAPPED(address) ? 15 : 6;
	add_piece(l, key, kind, (struct slice){ (const char *)address, len });
}

/* The one value of a field; empty where it is absent or sent more than once. */
static struct slice one_value(const struct request *r, const struct part *part)
{
	struct slice found = { 0 };
	unsigned seen = 0;

	for (uint16_t i = 0; i < r->headers.len; i++) {
		const struct header *h = &r->headers.at[i];
		if (h->dropped || h->id != part->id)
			continue;
		if (part->id == HEADER_OTHER && !slice_same_nocase(h->name, part->header))
			continue;
		found = h->value;
		seen++;
	}
	return seen == 1 ? found : (struct slice){ 0 };
}

static struct slice part_value(const struct request *r, const struct part *part)
{
	const struct visitor *v = r->visitor;
	bool known = r->identity.verdict == VERDICT_VALID;

	switch (part->kind) {
	case PART_SUBJECT: return known ? r->identity.subject : (struct slice){ 0 };
	case PART_CLIENT: return known ? r->identity.client : (struct slice){ 0 };
	case PART_TENANT: return known ? r->identity.tenant : (struct slice){ 0 };
	case PART_JA4: return slice_of(v->ja4_key);
	case PART_ROUTE: return r->route->name;
	case PART_CLASS: return class_names[r->class];
	case PART_CERTIFICATE: return v->certificate;
	case PART_HEADER: return one_value(r, part);
	default: return (struct slice){ 0 };
	}
}

static void add_part(const struct limits *l, struct text *key, const struct part *part,
                     const struct request *r)
{
	struct slice value;

	if (part->kind <= PART_PREFIX48) {
		add_address(l, key, part->kind, &r->address);
		return;
	}
	value = part_value(r, part);
	if (value.len == 0) {
		add_address(l, key, PART_ADDRESS, &r->address);
		return;
	}
	if (of_token(part->kind))
		add_piece(l, key, part->kind, r->identity.issuer);
	add_piece(l, key, part->kind, value);
}

uint64_t key_tag(const struct limits *l, const struct plan *plan, const struct request *r)
{
	char bytes[KEY_SIZE];
	struct text key = TEXT(bytes);

	text_add(&key, (struct slice){ (const char *)&plan->name_hash, sizeof plan->name_hash });
	for (size_t i = 0; i < plan->parts_len; i++)
		add_part(l, &key, &plan->parts[i], r);
	return table_tag(l->table, text_slice(&key));
}
