/* Adds and finds header fields. */
#include "request/headers.h"

bool headers_add_as(struct headers *h, enum header_id id, struct slice name, struct slice value)
{
	if (h->len >= h->cap)
		return false;
	h->at[h->len++] = (struct header){ .name = name, .value = value, .id = (uint16_t)id };
	return true;
}

bool headers_add(struct headers *h, struct slice name, struct slice value)
{
	return headers_add_as(h, header_id(name), name, value);
}

struct header *headers_find(const struct headers *h, enum header_id id)
{
	for (uint16_t i = 0; i < h->len; i++)
		if (h->at[i].id == id && !h->at[i].dropped)
			return &h->at[i];
	return NULL;
}

struct header *headers_find_name(const struct headers *h, struct slice name)
{
	enum header_id id = header_id(name);

	if (id != HEADER_OTHER)
		return headers_find(h, id);
	for (uint16_t i = 0; i < h->len; i++)
		if (!h->at[i].dropped && slice_same_nocase(h->at[i].name, name))
			return &h->at[i];
	return NULL;
}

size_t headers_count(const struct headers *h, enum header_id id)
{
	size_t n = 0;

	for (uint16_t i = 0; i < h->len; i++)
		n += h->at[i].id == id && !h->at[i].dropped;
	return n;
}

bool header_is_name(struct slice s)
{
	return s.len && char_token_run(s.at, s.at + s.len) == s.at + s.len;
}

bool header_is_value(struct slice s)
{
	return s.len == 0 || char_value_run(s.at, s.at + s.len) == s.at + s.len;
}

bool header_list_has(struct slice list, struct slice word)
{
	while (list.len)
		if (slice_same_nocase(slice_trim(slice_cut(&list, ',')), word))
			return true;
	return false;
}

bool header_length(struct slice value, uint64_t *to)
{
	uint64_t n;

	if (value.len > 19 || !slice_u64(value, &n) || n > INT64_MAX)
		return false;
	*to = n;
	return true;
}

struct cookie cookie_cut(struct slice *rest)
{
	struct slice value = slice_trim(slice_cut(rest, ';'));
	struct cookie c = { .whole = value };

	if (slice_find(value, '=') < value.len)
		c.name = slice_trim(slice_cut(&value, '='));
	value = slice_trim(value);
	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = (struct slice){ value.at + 1, value.len - 2 };
	c.value = value;
	return c;
}
