/* Walks the segments of a URL path. */
#include "base/way.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool way_is_plain(char c)
{
	char lower = slice_lower(c);

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~!$&'()+,=:@", c) != NULL);
}

/* The next byte, decoded; *escaped: it was. */
static char take(struct slice *rest, bool *escaped)
{
	int high = rest->len >= 3 && rest->at[0] == '%' ? hex(rest->at[1]) : -1;
	int low = high >= 0 ? hex(rest->at[2]) : -1;
	char c = low >= 0 ? (char)(high * 16 + low) : rest->at[0];

	*escaped = low >= 0;
	*rest = slice_from(*rest, low >= 0 ? 3 : 1);
	return c;
}

int way_next(struct way *w)
{
	if (w->owed)
		return "0123456789ABCDEF"[w->byte >> 4 * --w->owed & 15];
	while (w->rest.len) {
		bool escaped;
		char c = take(&w->rest, &escaped);
		if (c == '/' && (!escaped || w->open)) {
			w->parameter = false;
			if (w->slash)
				continue;
			w->slash = true;
			return c;
		}
		w->parameter |= c == ';';
		if (w->parameter)
			continue;
		w->slash = false;
		if (way_is_plain(c))
			return c;
		w->byte = (unsigned char)c;
		w->owed = 2;
		return '%';
	}
	return -1;
}

size_t way_write(struct slice path, bool open, char *to)
{
	struct way w = { .rest = path, .open = open };
	size_t len = 0;
	int c;

	while ((c = way_next(&w)) >= 0) {
		if (to)
			to[len] = (char)c;
		len++;
	}
	return len;
}

bool way_is(struct slice path, bool open, struct slice form, bool prefix)
{
	struct way w = { .rest = path, .open = open };
	size_t at = 0;
	int c;

	while ((c = way_next(&w)) >= 0) {
		if (at == form.len)
			return prefix;
		if (form.at[at++] != (char)c)
			return false;
	}
	return at == form.len || (prefix && at + 1 == form.len); /* it also matches without its slash */
}
