/* part.c -- the words of limits.NAME.key. */
#include "limit/key.h"

static const struct { const char *name; enum part_kind kind; } words[] = {
	{ "address", PART_ADDRESS }, { "subject", PART_SUBJECT }, { "client", PART_CLIENT },
	{ "tenant", PART_TENANT },   { "ja4", PART_JA4 },         { "route", PART_ROUTE },
	{ "class", PART_CLASS },     { "certificate", PART_CERTIFICATE },
};

static const struct { const char *name; enum part_kind kind; } named[] = {
	{ "header:", PART_HEADER }, { "cookie:", PART_COOKIE }, { "form:", PART_FORM }, { "json:", PART_JSON },
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
