/* log.h -- words to the operator: one line each, `sallyport: worker 0: warning: ...`.
 * Not the access log. Goes to stderr until a sink is set (a worker's sink is its ring to the writer, so that
 * stderr never blocks it). */
#pragma once
#include "base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_role(const char *role);          /* "supervisor", "worker 0"; copied */
void log_threshold(enum log_level least); /* default: INFO */
/* Lines begin with their time, unless stderr is the journal's, which adds one (systemd.exec(5),
 * JOURNAL_STREAM). */
void log_times(void);
void log_sink(void (*sink)(void *with, enum log_level, struct slice line), void *with);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
