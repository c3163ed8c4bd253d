/* words.c -- reads the words of a scene's line. */
#include "scene.h"
#include <stdarg.h>
#include <stdlib.h>

#define LOG_SHOWN 2000 /* bytes of the access log that a failure shows */

void scene_fail(const struct scene *s, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", s->file, s->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	const char *log = s->log_len > LOG_SHOWN ? s->log + s->log_len - LOG_SHOWN : s->log;
	if (s->log_len)
		fprintf(stderr, "the end of the access log:\n%s", log);
	exit(1);
}

struct slice word(struct slice *rest)
{
	*rest = slice_trim(*rest);
	if (rest->len && rest->at[0] == '"') {
		*rest = slice_from(*rest, 1);
		return slice_cut(rest, '"');
	}
	return slice_cut(rest, ' ');
}

void word_copy(const struct scene *s, struct slice from, char *to, size_t cap)
{
	if (from.len >= cap)
		scene_fail(s, "too long: %.*s", SLICE(from));
	if (from.len)
		memcpy(to, from.at, from.len);
	to[from.len] = '\0';
}

uint64_t word_number(const struct scene *s, struct slice w)
{
	uint64_t n;

	if (!slice_u64(w, &n))
		scene_fail(s, "a number is wanted, not \"%.*s\"", SLICE(w));
	return n;
}

uint64_t word_duration(const struct scene *s, struct slice w)
{
	uint64_t unit = slice_ends(w, S("ms"))  ? NS_PER_MS
	                : slice_ends(w, S("m")) ? 60 * NS_PER_S
	                : slice_ends(w, S("h")) ? 3600 * NS_PER_S
	                                        : NS_PER_S;
	size_t tail = slice_ends(w, S("ms")) ? 2 : 1;

	if (w.len <= tail)
		scene_fail(s, "a time is wanted (10s, 5m, 2h, 100ms), not \"%.*s\"", SLICE(w));
	return word_number(s, slice_head(w, w.len - tail)) * unit;
}

void word_unescape(struct slice from, struct text *to)
{
	for (size_t i = 0; i < from.len; i++) {
		bool escape = from.at[i] == '\\' && i + 1 < from.len;
		if (escape && from.at[i + 1] == 'r')
			text_char(to, '\r'), i++;
		else if (escape && from.at[i + 1] == 'n')
			text_char(to, '\n'), i++;
		else
			text_char(to, from.at[i]);
	}
}
