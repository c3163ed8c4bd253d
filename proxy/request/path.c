/* Normalises paths. */
#include "request/headers.h"
#include "base/way.h"

/* What is written so far ends in the segment in hand, which begins at `segment`. */
struct path_writer {
	char *to;
	size_t len, segment;
	bool open, slashes, inside; /* escaped slashes may be there; there was one; in the segment in hand */
};

bool path_is_normal(struct slice path)
{
	const char *p = path.at, *end = path.at + path.len;

	while (p < end && *p == '/') {
		if (++p == end)
			return true;
		if (*p == '.' || *p == '/')
			return false;
		p = char_run(p, end, CHAR_WAY);
	}
	return path.len && p == end;
}

/* Appends what stands for the escape at `from`; false where it may not stand in a path. */
static inline bool escape(struct path_writer *w, struct slice from)
{
	if (from.len < 3 || !char_is(from.at[1], CHAR_HEX) || !char_is(from.at[2], CHAR_HEX))
		return false;
	char c = (char)(char_hex(from.at[1]) << 4 | char_hex(from.at[2]));

	if (char_is(c, CHAR_UNRESERVED)) {
		w->to[w->len++] = c;
		return true;
	}
	if ((unsigned char)c < 0x20 || c == 0x7F || (c == '/' && !w->open) || c == '\\')
		return false;
	w->inside |= c == '/';
	w->slashes |= c == '/';
	w->to[w->len++] = '%';
	w->to[w->len++] = "0123456789ABCDEF"[(unsigned char)c >> 4];
	w->to[w->len++] = "0123456789ABCDEF"[(unsigned char)c & 15];
	return true;
}

/* "..;x": a dot segment for those who take parameters off first, a name for others. */
static inline bool is_dots_with_parameter(struct slice segment)
{
	size_t dots = 0;

	while (dots < 2 && dots < segment.len && segment.at[dots] == '.')
		dots++;
	struct slice rest = slice_from(segment, dots);
	return dots && (slice_starts(rest, S(";")) || slice_starts(rest, S("%3B")));
}

/* Where an escaped slash is data, it stands between names: decoded it makes neither an empty segment nor a
 * dot segment, parameters taken off. "%2F" alone is a name too (RabbitMQ's default virtual host). */
static bool is_sound_inside(struct slice segment)
{
	struct slice part = segment, mark = S("%2F"), semicolon = S("%3B");

	if (slice_same(segment, mark))
		return true;
	for (size_t i = 0, from = 0; i <= segment.len; i++) {
		if (i < segment.len && !slice_starts(slice_from(segment, i), mark))
			continue;
		part = slice_head(slice_from(segment, from), i - from);
		part = slice_head(part, slice_find(part, ';'));
		for (size_t j = 0; j < part.len; j++)
			if (slice_starts(slice_from(part, j), semicolon))
				part.len = j;
		if (!part.len || slice_same(part, S(".")) || slice_same(part, S("..")))
			return false;
		from = i + mark.len;
	}
	return true;
}

/* The segment is whole: resolves dots and joins slashes. False where it climbs over the root. */
static inline bool end_segment(struct path_writer *w, bool slash)
{
	struct slice s = { w->to + w->segment, w->len - w->segment };

	if (s.len && s.at[0] != '.' && !w->inside) {
		if (slash)
			w->to[w->len++] = '/';
	} else if (slice_same(s, S(".."))) {
		if (w->segment == 1)
			return false;
		for (w->len = w->segment - 1; w->to[w->len - 1] != '/'; w->len--)
			;
	} else if (slice_same(s, S("."))) {
		w->len = w->segment;
	} else if (is_dots_with_parameter(s) || (w->inside && !is_sound_inside(s))) {
		return false;
	} else if (s.len && slash) {
		w->to[w->len++] = '/';
	}
	w->segment = w->len;
	w->inside = false;
	return true;
}

/* The byte or escape at *i, which is left on its last byte; false where it may not stand in a path. */
static inline bool step(struct path_writer *w, struct slice from, size_t *i)
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
	struct path_writer w = { .to = to, .len = 1, .segment = 1, .open = true };

	if (from.len == 0 || from.at[0] != '/')
		return false;
	to[0] = '/';
	for (size_t i = 0; i == 0 || (i < from.len && step(&w, from, &i)); i++) {
		struct slice so_far = { to, w.len };
		if (from.at[i] == '/' && slice_ends(so_far, S("/")) && way_is(so_far, false, prefix, false)) {
			*rest = i;
			return true;
		}
	}
	return false;
}

bool path_normalise_open(struct slice from, char *to, size_t *len, bool *slashes)
{
	struct path_writer w = { .to = to, .len = 1, .segment = 1, .open = true };

	if (from.len == 0 || from.at[0] != '/')
		return false;
	to[0] = '/';
	for (size_t i = 1; i < from.len; i++)
		if (char_is(from.at[i], CHAR_PATH))
			to[w.len++] = from.at[i];
		else if (!step(&w, from, &i))
			return false;
	if (!end_segment(&w, false))
		return false;
	*len = w.len;
	*slashes = w.slashes;
	return true;
}

bool path_normalise(struct slice from, char *to, size_t *len)
{
	bool slashes;

	return path_normalise_open(from, to, len, &slashes) && !slashes;
}
