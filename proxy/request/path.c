#include "request/headers.h"

/* What is written so far ends in the segment in hand, which begins at `segment`. */
struct writer {
	char *to;
	size_t len, segment;
};

bool path_is_normal(struct slice path)
{
	const char *p = path.at, *end = path.at + path.len;

	while (p < end && *p == '/') {
		if (++p == end)
			return true;
		if (*p == '.' || *p == '/')
			return false;
		p = char_run(p, end, CHAR_PATH);
	}
	return path.len && p == end;
}

/* Appends what stands for the escape at `from`; false where it may not stand in a path. */
static bool escape(struct writer *w, struct slice from)
{
	if (from.len < 3 || !char_is(from.at[1], CHAR_HEX) || !char_is(from.at[2], CHAR_HEX))
		return false;
	char c = (char)(char_hex(from.at[1]) << 4 | char_hex(from.at[2]));

	if (char_is(c, CHAR_UNRESERVED)) {
		w->to[w->len++] = c;
		return true;
	}
	if ((unsigned char)c < 0x20 || c == 0x7F || c == '/' || c == '\\')
		return false;
	w->to[w->len++] = '%';
	w->to[w->len++] = "0123456789ABCDEF"[(unsigned char)c >> 4];
	w->to[w->len++] = "0123456789ABCDEF"[(unsigned char)c & 15];
	return true;
}

/* "..;x": a dot segment for those who take parameters off first, a name for others. */
static bool is_dots_with_parameter(struct slice segment)
{
	size_t dots = 0;

	while (dots < 2 && dots < segment.len && segment.at[dots] == '.')
		dots++;
	struct slice rest = slice_from(segment, dots);
	return dots && (slice_starts(rest, S(";")) || slice_starts(rest, S("%3B")));
}

/* The segment is whole: resolves dots and joins slashes. False where it climbs over the root. */
static bool end_segment(struct writer *w, bool slash)
{
	struct slice s = { w->to + w->segment, w->len - w->segment };

	if (slice_same(s, S(".."))) {
		if (w->segment == 1)
			return false;
		for (w->len = w->segment - 1; w->to[w->len - 1] != '/'; w->len--)
			;
	} else if (slice_same(s, S("."))) {
		w->len = w->segment;
	} else if (is_dots_with_parameter(s)) {
		return false;
	} else if (s.len && slash) {
		w->to[w->len++] = '/';
	}
	w->segment = w->len;
	return true;
}

/* The byte or escape at *i, which is left on its last byte; false where it may not stand in a path. */
static bool step(struct writer *w, struct slice from, size_t *i)
{
	char c = from.at[*i];

	if (char_is(c, CHAR_PATH)) {
		w->to[w->len++] = c;
		return true;
	}
	if (c != '%')
		return c == '/' && end_segment(w, true);
	if (!escape(w, slice_from(from, *i)))
		return false;
	*i += 2;
	return true;
}

bool path_passes(struct slice from, struct slice prefix, char *to, size_t *rest)
{
	struct writer w = { to, 1, 1 };

	if (from.len == 0 || from.at[0] != '/')
		return false;
	to[0] = '/';
	for (size_t i = 0; i == 0 || (i < from.len && step(&w, from, &i)); i++)
		if (from.at[i] == '/' && slice_same((struct slice){ to, w.len }, prefix)) {
			*rest = i;
			return true;
		}
	return false;
}

bool path_normalise(struct slice from, char *to, size_t *len)
{
	struct writer w = { to, 1, 1 };

	if (from.len == 0 || from.at[0] != '/')
		return false;
	to[0] = '/';
	for (size_t i = 1; i < from.len; i++)
		if (!step(&w, from, &i))
			return false;
	if (!end_segment(&w, false))
		return false;
	*len = w.len;
	return true;
}
