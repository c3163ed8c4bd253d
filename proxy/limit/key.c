/* Keys: which bucket is a request's? Every piece goes in as kind, length and bytes, so that no two different
 * lists of pieces make the same key. */
#include "limit/key.h"
#include "base/check.h"
#include "base/text.h"
#include "limit/fleet.h"

void parts_read(struct plan *plan)
{
	const struct config_limit *limit = plan->limit;

	check(limit->key.len && limit->key.len <= KEY_PARTS_MAX);
	for (size_t i = 0; i < limit->key.len; i++) {
		struct key_part *part = &plan->parts[plan->parts_len++];
		check(part_read(limit->key.at[i], part));
		plan->late |= part_is_of_token(part->kind);
		plan->reads_body |= part_is_of_body(part->kind);
	}
}

static void add(struct text *key, enum part_kind kind, bool hashed, struct slice bytes)
{
	text_char(key, (char)kind);
	text_char(key, (char)hashed);
	text_char(key, (char)(bytes.len & 0xff));
	text_char(key, (char)(bytes.len >> 8 & 0xff));
	text_add(key, bytes);
}

void key_write(const struct limit_key *k, struct text *to)
{
	for (size_t i = 0; i < k->len; i++) {
		const struct key_piece *p = &k->at[i];
		if (part_is_of_token(p->kind))
			add(to, p->kind, false, p->issuer);
		add(to, p->kind, p->hashed, p->value);
	}
	check(!to->cut);
}

uint64_t key_tag(const struct limits *l, const struct plan *plan, const struct limit_key *k)
{
	char bytes[KEY_SIZE];
	struct text key = TEXT(bytes);

	if (plan->named) {
		uint64_t tag = name_half(l, plan, k, 0);
		return tag ? tag : 1;
	}
	text_add(&key, (struct slice){ (const char *)&plan->name_hash, sizeof plan->name_hash });
	key_write(k, &key);
	return buckets_tag(l->table, text_slice(&key));
}

/* ---- the words of limits.NAME.key ---- */

static const struct {
	const char *name;
	enum part_kind kind;
} words[] = {
	{ "address", PART_ADDRESS }, { "subject", PART_SUBJECT },
	{ "client", PART_CLIENT },   { "tenant", PART_TENANT },
	{ "ja4", PART_JA4 },         { "route", PART_ROUTE },
	{ "class", PART_CLASS },     { "certificate", PART_CERTIFICATE },
};

static const struct {
	const char *name;
	enum part_kind kind;
} named[] = {
	{ "header:", PART_HEADER },
	{ "cookie:", PART_COOKIE },
	{ "form:", PART_FORM },
	{ "json:", PART_JSON },
};

bool part_read(struct slice word, struct key_part *to)
{
	*to = (struct key_part){ .bits = { 32, 64 } };
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (slice_starts(word, slice_of(named[i].name))) {
			to->kind = named[i].kind;
			to->name = slice_from(word, strlen(named[i].name));
			to->id = header_id(to->name);
			return part_is_of_body(to->kind) ? to->name.len > 0 : header_is_name(to->name);
		}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (slice_same(word, slice_of(words[i].name))) {
			to->kind = words[i].kind;
			return true;
		}
	to->kind = PART_PREFIX;
	return prefix_bits(word, &to->bits);
}
