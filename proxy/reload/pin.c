/* Refuses a configuration that another one pinned. */
#include "base/text.h"
#include "reload/reload.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum pinned { PIN_NONE, PIN_SAID, PIN_BAD };

/* A file that anybody else could write would pin nothing. */
static bool is_trustworthy(int fd, const struct reload_plan *plan, struct text *why)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == plan->pin_owner && !(st.st_mode & 022))
		return true;
	text_printf(why, "the environment pin %s must be a plain file that %s owns and nobody else may write",
	            plan->pin_file, plan->pin_owner ? "its owner" : "root");
	return false;
}

static enum pinned read_pin(const struct reload_plan *plan, char *word, size_t cap, struct text *why)
{
	int fd = open(plan->pin_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return PIN_NONE;
	if (fd < 0) {
		text_printf(why, "the environment pin %s cannot be read: %s", plan->pin_file, strerror(errno));
		return PIN_BAD;
	}
	enum pinned found = is_trustworthy(fd, plan, why) ? PIN_SAID : PIN_BAD;
	ssize_t len = read(fd, word, cap - 1);
	close(fd);
	while (len > 0 && strchr(" \t\r\n", word[len - 1]))
		len--;
	if (found == PIN_SAID && len <= 0) {
		text_printf(why, "the environment pin %s is empty", plan->pin_file);
		return PIN_BAD;
	}
	word[len > 0 ? len : 0] = '\0';
	return found;
}

static bool differs(const struct reload_plan *plan, struct slice environment, struct slice pin,
                    const char *said_by, struct text *why)
{
	if (slice_same(environment, pin))
		return false;
	text_printf(why, "%s says environment: %.*s, but this host is pinned to %.*s by %s", plan->path,
	            SLICE(environment), SLICE(slice_head(pin, 64)), said_by);
	return true;
}

bool reload_pin_allows(const struct reload_plan *plan, struct slice environment, struct text *why)
{
	struct slice variable = slice_of(getenv(RELOAD_PIN_VARIABLE));
	char word[128];

	switch (read_pin(plan, word, sizeof word, why)) {
	case PIN_BAD:
		return false;
	case PIN_SAID:
		return !differs(plan, environment, slice_of(word), plan->pin_file, why);
	case PIN_NONE:
		break;
	}
	if (variable.len)
		return !differs(plan, environment, variable, "the variable " RELOAD_PIN_VARIABLE, why);
	if (slice_same(environment, S("dev")))
		return true;
	text_printf(why,
	            "%s says environment: %.*s, but this host is pinned to none, and without a pin only "
	            "dev runs: write %.*s into %s as root, or set " RELOAD_PIN_VARIABLE,
	            plan->path, SLICE(environment), SLICE(environment), plan->pin_file);
	return false;
}
