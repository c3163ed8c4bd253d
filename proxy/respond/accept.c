/* accept.c -- a page or JSON? */
#include "respond/answer.h"

/* "0.8" in thousandths (RFC 9110 section 12.4.2). */
static unsigned thousandths(struct slice s)
{
	unsigned n = 0, unit = 100;

	if (s.len == 0 || s.at[0] != '0')
		return 1000;
	for (size_t i = 2; i < s.len && unit; i++, unit /= 10) {
		if (s.at[i] < '0' || s.at[i] > '9')
			break;
		n += (unsigned)(s.at[i] - '0') * unit;
	}
	return n;
}

static unsigned quality(struct slice parameters)
{
	while (parameters.len) {
		struct slice p = slice_trim(slice_cut(&parameters, ';'));
		if (slice_same_nocase(slice_head(p, 2), S("q=")))
			return thousandths(slice_from(p, 2));
	}
	return 1000;
}

static void raise(unsigned *to, unsigned to_this)
{
	if (to_this > *to)
		*to = to_this;
}

static bool is_json(struct slice type)
{
	return slice_same_nocase(type, S("application/json")) || slice_same_nocase(type, S("*/*")) ||
	       slice_same_nocase(type, S("application/problem+json")) ||
	       slice_same_nocase(type, S("application/*"));
}

bool accept_prefers_page(const struct headers *h)
{
	unsigned page = 0, json = 0;

	for (uint16_t i = 0; i < h->len; i++) {
		struct slice list = h->at[i].value;
		if (h->at[i].id != HEADER_ACCEPT)
			continue;
		while (list.len) {
			struct slice parameters = slice_cut(&list, ',');
			struct slice type = slice_trim(slice_cut(&parameters, ';'));
			if (slice_same_nocase(type, S("text/html")))
				raise(&page, quality(parameters));
			else if (is_json(type))
				raise(&json, quality(parameters));
		}
	}
	return page > json;
}
