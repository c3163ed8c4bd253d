#include "base/log.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	char role[32];
	enum log_level least;
	void (*sink)(void *, enum log_level, struct slice);
	void *with;
} out = { .least = LOG_LEVEL_INFO };

void log_role(const char *role)
{
	snprintf(out.role, sizeof out.role, "%s", role);
}

void log_threshold(enum log_level least)
{
	out.least = least;
}

void log_sink(void (*sink)(void *with, enum log_level, struct slice line), void *with)
{
	out.sink = sink;
	out.with = with;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const words[] = { "debug: ", "", "warning: ", "error: " };
	char line[2048], said[1600];
	struct text t = TEXT(line);
	va_list args;

	if (level < out.least)
		return;
	va_start(args, format);
	vsnprintf(said, sizeof said, format, args);
	va_end(args);
	for (char *c = said; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' '; /* one message is one line, whatever a peer put into it */
	text_printf(&t, "sallyport: %s%s%s", out.role, out.role[0] ? ": " : "", words[level]);
	text_add(&t, slice_of(said));
	text_char(&t, '\n');
	if (out.sink)
		out.sink(out.with, level, text_slice(&t));
	else if (write(STDERR_FILENO, t.at, t.len) < 0)
		return; /* nobody to tell */
}
