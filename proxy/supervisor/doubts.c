/* Warns of options that this host makes doubtful. */
#include "supervisor/doubts.h"
#include "keeper/keeper.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void warn_of_end(void *with, const struct certificate *c)
{
	struct config_errors *errors = with;
	int64_t now_s = (int64_t)(clock_wall_ns() / NS_PER_S);
	time_t end = (time_t)c->end_s;
	struct tm tm = { 0 };
	char day[32] = "";

	if (c->end_s - now_s >= CERTIFICATE_SOON_S || !gmtime_r(&end, &tm))
		return;
	strftime(day, sizeof day, "%Y-%m-%d %H:%M UTC", &tm);
	config_warn(errors, c->place, "the certificate %.*s %s %s", SLICE(c->file),
	            c->end_s < now_s ? "has expired on" : "expires soon, on", day);
}

static void warn_of_readers(const struct bundle *b, struct slice file, struct config_place place,
                            struct config_errors *errors)
{
	if (file.at && bundle_is_exposed(b, file.at))
		config_warn(errors, place, "%s holds a secret, and everybody on this machine may read it: chmod 600",
		            file.at);
}

static void warn_of_keys(const struct config *c, const struct bundle *b, struct config_errors *errors)
{
	for (size_t i = 0; i < c->root.listeners_len; i++) {
		const struct config_listener_tls *t = c->root.listeners[i].tls;
		for (size_t k = 0; t && k < t->certificates_len; k++)
			warn_of_readers(b, t->certificates[k].key, t->certificates[k].place, errors);
	}
	if (c->root.redis)
		warn_of_readers(b, c->root.redis->tls.key, c->root.redis->place, errors);
}

static void warn_of_log(const struct config *c, struct config_errors *errors)
{
	char dir[4096];
	struct stat st;

	snprintf(dir, sizeof dir, "%.*s", SLICE(c->root.log.access));
	char *slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	if (stat(dir, &st) != 0)
		config_warn(errors, c->root.log.place, "log.access: the directory %s: %s", dir, strerror(errno));
}

void doubts_log(const struct config *c, struct bundle *b, bool look_only, struct config_errors *errors)
{
	certificates_each(c, b, warn_of_end, errors);
	warn_of_keys(c, b, errors);
	if (look_only)
		warn_of_log(c, errors);
}
