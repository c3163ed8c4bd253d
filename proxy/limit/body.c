#include "limit/body.h"
#include "base/urlencoded.h"

/* White space of Unicode beyond ASCII (and the characters of no width that people paste along), which some
 * languages' trim removes. */
static size_t space_at(struct slice s)
{
	static const char *const wide[] = { "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
		                                "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		                                "\xe2\x81\x9f", "\xe3\x80\x80", "\xef\xbb\xbf" };

	if (s.len && ((unsigned char)s.at[0] <= ' ' || s.at[0] == 0x7f))
		return 1;
	for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
		if (slice_starts(s, slice_of(wide[i])))
			return strlen(wide[i]);
	/* U+2000 to U+200D */
	if (slice_starts(s, S("\xe2\x80")) && s.len > 2 && (unsigned char)s.at[2] >= 0x80 &&
	    (unsigned char)s.at[2] <= 0x8d)
		return 3;
	return 0;
}

static size_t space_before(struct slice s)
{
	for (size_t len = 1; len <= 3 && len <= s.len; len++)
		if (space_at(slice_from(s, s.len - len)) == len)
			return len;
	return 0;
}

struct slice body_normal(char *at, size_t len)
{
	struct slice s = { at, len };
	size_t space;

	if (slice_find(s, '\0') < s.len)
		return slice_head(s, 0);
	while ((space = space_at(s)))
		s = slice_from(s, space);
	while ((space = space_before(s)))
		s.len -= space;
	char *begin = at + (s.at - at);
	for (size_t i = 0; i < s.len; i++)
		begin[i] = slice_lower(begin[i]);
	return s;
}

void found_init(struct found *f, char *store)
{
	*f = (struct found){ .text = { .at = store, .cap = BODY_MAX } };
}

void found_add(struct found *f, size_t from)
{
	struct slice value = body_normal(f->text.at + from, f->text.len - from);

	f->bad |= f->text.cut || (f->seen && !slice_same(value, f->value));
	f->value = value;
	f->seen = true;
}

struct slice body_form(struct slice body, struct slice field, char store[static BODY_MAX])
{
	struct slice name, value, none = S("");
	struct found f;
	size_t len;

	found_init(&f, store);
	while (body.len <= BODY_MAX && urlencoded_next(&body, &name, &value)) {
		char *to = f.text.at + f.text.len;
		/* a name that cannot be decoded is no name at all, to whoever splits at & and = */
		if (!urlencoded_decode(name, to, &len) || !slice_same_nocase((struct slice){ to, len }, field))
			continue;
		f.bad |= !urlencoded_decode(value, to, &len);
		f.text.len += len;
		found_add(&f, f.text.len - len);
	}
	return f.bad ? none : f.value;
}
