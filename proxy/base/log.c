/* Writes messages for the operator. */
#include "base/log.h"
#include "base/clock.h"
#include "base/stamp.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	char role[32];
	enum log_level least;
	bool times;
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

static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat s;

	if (!stream || fstat(fd, &s) != 0)
		return false;
	snprintf(own, sizeof own, "%llu:%llu", (unsigned long long)s.st_dev, (unsigned long long)s.st_ino);
	return strcmp(own, stream) == 0;
}

void log_times(void)
{
	out.times = !is_journal(STDERR_FILENO);
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
	if (out.times) {
		stamp_rfc3339(&t, clock_wall_ns());
		text_char(&t, ' ');
	}
	text_printf(&t, "sallyport: %s%s%s", out.role, out.role[0] ? ": " : "", words[level]);
	text_add(&t, slice_of(said));
	text_char(&t, '\n');
	if (out.sink)
		out.sink(out.with, level, text_slice(&t));
	else if (write(STDERR_FILENO, t.at, t.len) < 0)
		return; /* nobody to tell */
}
