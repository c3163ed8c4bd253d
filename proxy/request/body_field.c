/* One field of a body, whatever its form: what two readers may read in two ways is unreadable. */
#include "request/body_found.h"
#include "base/urlencoded.h"
#include <utf8proc.h>

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

struct slice field_normal(char *at, size_t len)
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

bool field_fold(struct slice in, char to[static FOLDED_MAX], struct slice *out)
{
	static const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
	                                     UTF8PROC_CASEFOLD | UTF8PROC_IGNORE; /* NFKC_Casefold */
	utf8proc_int32_t points[FOLDED_MAX / 4];
	utf8proc_ssize_t len = utf8proc_decompose((const utf8proc_uint8_t *)in.at, (utf8proc_ssize_t)in.len,
	                                          points, FOLDED_MAX / 4 - 1, how);

	if (len < 0 || len > FOLDED_MAX / 4 - 1)
		return false;
	len = utf8proc_reencode(points, len, how);
	if (len < 0)
		return false;
	memcpy(to, points, (size_t)len);
	*out = (struct slice){ to, (size_t)len };
	return true;
}

static bool is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] >= 0x80)
			return false;
	return true;
}

void found_init(struct found *f, struct field_store *store)
{
	*f = (struct found){ .text = { .at = store->text, .cap = sizeof store->text }, .store = store };
}

void found_add(struct found *f, size_t from)
{
	struct slice raw = { f->text.at + from, f->text.len - from }, value = raw;
	char folded[FOLDED_MAX];

	f->bad |= f->text.cut || slice_find(raw, '\0') < raw.len;
	if (is_ascii(raw))
		value = field_normal(f->text.at + from, raw.len);
	else if (field_fold(raw, folded, &value))
		value = field_normal(folded, value.len);
	else
		f->bad = true;
	f->bad |= f->seen && !slice_same(value, f->value);
	if (value.at >= folded && value.at < folded + sizeof folded) {
		memcpy(f->store->value, value.at, value.len);
		value.at = f->store->value;
	}
	f->value = value;
	f->seen = true;
}

/* A pair that the end has cut is none. */
static struct slice whole_pairs(struct slice body, bool whole)
{
	while (!whole && body.len && body.at[body.len - 1] != '&')
		body.len--;
	return body;
}

void found_in_form(struct slice body, struct slice field, struct found *f)
{
	struct slice name, value;
	size_t len;

	while (urlencoded_next(&body, &name, &value)) {
		char *to = f->text.at + f->text.len;
		if (name.len + value.len > f->text.cap - f->text.len) {
			f->bad = true;
			return;
		}
		/* a name that cannot be decoded is no name at all, to whoever splits at & and = */
		if (!urlencoded_decode(name, to, &len) || !slice_same_nocase((struct slice){ to, len }, field))
			continue;
		f->bad |= !urlencoded_decode(value, to, &len);
		f->text.len += len;
		found_add(f, f->text.len - len);
	}
}

static bool has_foreign_charset(struct slice type)
{
	char store[64];
	struct text charset = TEXT(store);
	bool named;

	if (!field_parameter(type, S("charset"), &charset, &named))
		return true;
	return named && !slice_same_nocase(text_slice(&charset), S("utf-8")) &&
	       !slice_same_nocase(text_slice(&charset), S("utf8")) &&
	       !slice_same_nocase(text_slice(&charset), S("us-ascii"));
}

/* No reader finds a member in what begins otherwise, however lenient it is; a form beside a limit by JSON is
 * no broken JSON. */
static bool may_be_json(const struct field_source *b)
{
	struct slice s = b->bytes;

	while (s.len && ((unsigned char)s.at[0] <= ' ' || (unsigned char)s.at[0] >= 0x80))
		s = slice_from(s, 1);
	for (size_t i = 0; i + 4 <= b->type.len; i++)
		if (slice_same_nocase((struct slice){ b->type.at + i, 4 }, S("json")))
			return true;
	return !s.len || s.at[0] == '{' || s.at[0] == '[' || s.at[0] == '/';
}

enum field_result body_field(const struct field_source *b, bool json, struct slice field,
                             struct field_store *store, struct slice *value)
{
	static const struct slice form = { "multipart/form-data", 19 };
	bool multipart = slice_same_nocase(slice_head(b->type, form.len), form);
	bool good = true;
	struct found f;

	found_init(&f, store);
	found_in_form(b->query, field, &f);
	if (b->bytes.len) {
		good = !b->encoded && !has_foreign_charset(b->type);
		if (good && json)
			good = !may_be_json(b) || found_in_json(b->bytes, field, &f);
		else if (good && multipart)
			good = found_in_multipart(b->bytes, b->type, field, &f);
		else if (good)
			found_in_form(whole_pairs(b->bytes, b->whole), field, &f);
	}
	*value = f.value;
	if (f.bad || (!b->whole && !f.seen) || (b->whole && !good))
		return FIELD_UNREADABLE;
	if (b->encoded && b->bytes.len)
		return FIELD_UNREADABLE;
	return f.seen && f.value.len ? FIELD_READ : FIELD_ABSENT;
}
