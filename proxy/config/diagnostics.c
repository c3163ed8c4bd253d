/* Collects mistakes, each with its file, line, column and the line itself. */
#include "config/diagnostics.h"
#include "base/check.h"
#include "base/text.h"
#include "config/bundle.h"
#include "config/store.h"
#include "config/yaml.h"
#include <stdarg.h>

#define SENTENCE 1024 /* bytes */
#define WIDTH 100     /* characters of a source line that are shown */

struct hidden {
	char *file;
	unsigned first, last;
};

struct behind { /* a reference */
	struct slice value, reference;
	struct behind *next;
};

struct config_sources {
	struct bundle *bundle;
	char *main; /* path of the configuration itself */
	struct hidden *hidden;
	size_t len;
	struct store store;
	struct behind *behind;
};

void complain_open(struct config_errors *e, struct bundle *b, const char *path)
{
	*e = (struct config_errors){ .sources = calloc(1, sizeof *e->sources) };
	check(e->sources);
	e->sources->bundle = b;
	e->sources->main = strdup(path);
	check(e->sources->main);
}

void config_errors_free(struct config_errors *e)
{
	if (e->sources) {
		for (size_t i = 0; i < e->sources->len; i++)
			free(e->sources->hidden[i].file);
		free(e->sources->hidden);
		free(e->sources->main);
		store_free(&e->sources->store);
		free(e->sources);
	}
	free(e->text);
	free(e->warnings);
	*e = (struct config_errors){ 0 };
}

void complain_hide(struct config_errors *e, struct config_place first, unsigned last_line)
{
	struct config_sources *s = e->sources;

	s->hidden = realloc(s->hidden, (s->len + 1) * sizeof *s->hidden);
	check(s->hidden);
	s->hidden[s->len] = (struct hidden){ strdup(first.file), first.line, last_line };
	check(s->hidden[s->len].file);
	s->len++;
}

void complain_redact(struct config_errors *e, struct slice value, struct slice reference)
{
	struct config_sources *s = e->sources;

	if (value.len < REDACT_MIN)
		return;
	struct behind *b = store_take(&s->store, sizeof *b);
	*b = (struct behind){ store_copy(&s->store, value), store_copy(&s->store, complain_shown(reference)),
		                  s->behind };
	s->behind = b;
}

static const struct behind *find_behind(const struct config_sources *s, struct slice at)
{
	const struct behind *b = s ? s->behind : NULL;

	while (b && !slice_starts(at, b->value))
		b = b->next;
	return b;
}

static bool is_hidden(const struct config_sources *s, struct config_place place)
{
	for (size_t i = 0; i < s->len; i++)
		if (place.line >= s->hidden[i].first && place.line <= s->hidden[i].last &&
		    strcmp(place.file, s->hidden[i].file) == 0)
			return true;
	return false;
}

/* The text of a line, without its end; false where the file is not at hand or shorter. */
static bool line_of(struct bundle *b, struct config_place place, struct slice *line)
{
	const char *why;
	struct slice rest;

	*line = (struct slice){ 0 };
	if (!b || !place.file || !place.line || !bundle_file(b, place.file, &rest, &why))
		return false;
	for (unsigned n = 1; rest.len; n++) {
		*line = slice_cut(&rest, '\n');
		if (n == place.line)
			break;
		if (!rest.len)
			return false;
	}
	if (slice_ends(*line, S("\r")))
		line->len--;
	return line->len > 0;
}

/* Does the line lie below a top-level key that may hold secrets? For files whose structure is not known. */
static bool may_be_secret(struct bundle *b, struct config_place place)
{
	struct slice line;

	for (; place.line; place.line--) {
		if (!line_of(b, place, &line))
			continue;
		if (memmem(line.at, line.len, "secrets", 7) || memmem(line.at, line.len, "passw", 5))
			return true;
		bool top = strchr(" \t#-]},", line.at[0]) == NULL;
		if (top && slice_find(line, ':') < line.len)
			return slice_find(line, '\\') < line.len; /* a key in disguise */
	}
	return false;
}

static bool is_tail(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80; /* inside a UTF-8 character */
}

/* Leaves a window of WIDTH characters that holds the column; *column is then its place in the window. */
static struct slice window(struct slice line, unsigned *column)
{
	unsigned skip = *column > WIDTH - 20 ? *column - (WIDTH - 40) : 0, shown = 0;
	size_t from = 0, to;

	for (unsigned n = 0; n < skip && from < line.len; n++)
		do
			from++;
		while (from < line.len && is_tail(line.at[from]));
	*column -= skip;
	for (to = from; to < line.len && (shown < WIDTH || is_tail(line.at[to])); to++)
		shown += !is_tail(line.at[to]);
	return (struct slice){ line.at + from, to - from };
}

/* May it be written to a terminal? Controls and what turns the direction of writing around may not. */
static bool is_harmless(uint32_t code)
{
	return code == '\t' || (code >= 0x20 && code < 0x7F) || (code >= 0xA0 && code < 0x2028) ||
	       (code > 0x202E && code < 0x2066) || code > 0x2069;
}

static void add_clean(struct text *t, struct slice s)
{
	while (s.len) {
		uint32_t code = 0;
		size_t len = utf8_character(s, &code);
		if (len && is_harmless(code))
			text_add(t, slice_head(s, len));
		else
			text_char(t, '?');
		s = slice_from(s, len ? len : 1);
	}
}

/* Each room speaks of the values that it was given; which of them came by a reference is known here. */
static void add_sentence(struct text *t, const struct config_sources *s, struct slice sentence)
{
	while (sentence.len) {
		const struct behind *b = find_behind(s, sentence);
		size_t len = b ? b->value.len : 1;
		while (!b && len < sentence.len && is_tail(sentence.at[len]))
			len++;
		add_clean(t, b ? b->reference : slice_head(sentence, len));
		sentence = slice_from(sentence, len);
	}
}

static void show_line(struct text *t, struct slice line, unsigned column)
{
	struct slice seen = window(line, &column);
	unsigned at = 1;

	text_add(t, S("    "));
	add_clean(t, seen);
	text_add(t, S("\n    "));
	for (size_t i = 0; i < seen.len && at < column; i++)
		if (!is_tail(seen.at[i])) {
			text_char(t, seen.at[i] == '\t' ? '\t' : ' ');
			at++;
		}
	text_add(t, S("^\n"));
}

static void append(char **to, struct slice piece)
{
	size_t len = *to ? strlen(*to) : 0;
	char *text = realloc(*to, len + piece.len + 1);

	check(text);
	memcpy(text + len, piece.at, piece.len);
	text[len + piece.len] = '\0';
	*to = text;
}

static void add_place(struct text *t, struct config_place place, const char *what)
{
	if (place.file)
		text_add(t, slice_head(slice_of(place.file), SENTENCE));
	if (place.file && place.line)
		text_printf(t, ":%u:%u", place.line, place.column);
	text_printf(t, place.file ? ": %s: " : "%s: ", what);
}

static bool owner_of(const struct bundle *b, const char *path, uint32_t *owner)
{
	char absolute[PATH_MAX];
	struct bundle_stamp stamp;
	struct slice name = bundle_absolute(b, slice_of(path), absolute);

	if (!name.len || !bundle_stamp(b, name, &stamp))
		return false;
	*owner = stamp.owner;
	return true;
}

/* Is it of another owner than the configuration? We may read what whoever wrote the configuration may not,
 * and he must not learn from us what is in it. */
static bool is_foreign(const struct config_sources *s, struct config_place place)
{
	uint32_t ours, its;

	return s && s->bundle && place.file && owner_of(s->bundle, s->main, &ours) &&
	       owner_of(s->bundle, place.file, &its) && ours != its;
}

/* What a sentence quotes of the file is left out. */
static void unquote(char *sentence)
{
	char *to = sentence;
	bool quoted = false;

	for (const char *from = sentence; *from; from++) {
		if (*from == '"')
			quoted = !quoted;
		if (!quoted || *from == '"')
			*to++ = *from;
	}
	*to = '\0';
}

static void say(struct config_errors *e, char **to, const char *what, struct config_place place, bool blind,
                char *sentence)
{
	char room[4 * SENTENCE + 16 * WIDTH], said[2 * SENTENCE];
	struct text t = TEXT(room), s = TEXT(said);
	struct slice line;

	add_place(&t, place, what);
	bool foreign = is_foreign(e->sources, place);
	if (foreign)
		unquote(sentence);
	add_sentence(&s, e->sources, slice_of(sentence));
	text_add(&t, text_slice(&s));
	text_char(&t, '\n');
	struct bundle *b = e->sources ? e->sources->bundle : NULL;
	if (place.line && foreign)
		text_add(&t, S("    (the file is not of the configuration's owner, and its lines are not shown)\n"));
	else if (place.line && e->sources && (is_hidden(e->sources, place) || (blind && may_be_secret(b, place))))
		text_add(&t, S("    (the line may hold a secret and is not shown)\n"));
	else if (line_of(b, place, &line))
		show_line(&t, line, place.column);
	append(to, text_slice(&t));
}

enum tone { WARNING, ERROR, BLIND_ERROR };

__attribute__((format(printf, 4, 0))) static void complain(struct config_errors *e, struct config_place place,
                                                           enum tone tone, const char *format, va_list args)
{
	char sentence[SENTENCE];
	bool warning = tone == WARNING;
	unsigned *count = warning ? &e->warned : &e->count;

	if ((*count)++ >= COMPLAIN_MAX)
		return;
	vsnprintf(sentence, sizeof sentence, format, args);
	say(e, warning ? &e->warnings : &e->text, warning ? "warning" : "error", place, tone == BLIND_ERROR,
	    sentence);
}

void config_warn(struct config_errors *e, struct config_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(e, place, WARNING, format, args);
	va_end(args);
}

void config_complain(struct config_errors *e, struct config_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(e, place, ERROR, format, args);
	va_end(args);
}

void complain_blind(struct config_errors *e, struct config_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(e, place, BLIND_ERROR, format, args);
	va_end(args);
}

void complain_close(struct config_errors *e)
{
	char room[96];
	struct text t = TEXT(room);

	if (e->count <= COMPLAIN_MAX)
		return;
	text_printf(&t, "%u more errors are not shown.\n", e->count - COMPLAIN_MAX);
	append(&e->text, text_slice(&t));
}

struct slice complain_shown(struct slice value)
{
	struct slice seen = slice_head(value, 60);

	while (seen.len && seen.len < value.len && is_tail(value.at[seen.len]))
		seen.len--;
	return seen;
}
