/* The other end of the admin socket, for commands. */
#include "admin/admin.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

static char *sentence(const char *path, const char *what)
{
	char *text;

	return asprintf(&text, "%s: %s", path, what) < 0 ? NULL : text;
}

static bool read_all(int fd, char **answer)
{
	size_t len = 0, cap = 64 * 1024;
	char *at = malloc(cap);

	while (at) {
		ssize_t n = read(fd, at + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (n == 0 && len == 0))
			break;
		len += (size_t)n;
		if (n == 0) {
			at[len] = '\0';
			*answer = at;
			return true;
		}
		if (cap - len > 1)
			continue;
		char *more = cap < ANSWER_MAX ? realloc(at, cap * 2) : NULL;
		if (!more)
			break;
		at = more;
		cap *= 2;
	}
	free(at);
	return false;
}

static enum admin_result connect_to(int fd, const char *path, char **answer)
{
	char name[200];
	struct sockaddr_storage at;
	socklen_t len;

	snprintf(name, sizeof name, "unix:%s", path);
	if (fd < 0 || !address_parse(slice_of(name), &at, &len)) {
		*answer = sentence(path, "is no path of a Unix socket");
		return ADMIN_FAILED;
	}
	if (connect(fd, (struct sockaddr *)&at, len) == 0)
		return ADMIN_ANSWERED;
	int why = errno;
	*answer = sentence(path, strerror(why));
	return why == EACCES || why == EPERM ? ADMIN_DENIED : ADMIN_ABSENT;
}

enum admin_result admin_call(const char *path, struct slice verb, unsigned timeout_s, char **answer)
{
	struct timeval timeout = { (time_t)timeout_s, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[ADMIN_LINE];

	*answer = NULL;
	enum admin_result result = connect_to(fd, path, answer);
	if (result == ADMIN_ANSWERED && verb.len >= sizeof line - 1) {
		result = ADMIN_FAILED;
		*answer = sentence(path, "what is asked is too long");
	} else if (result == ADMIN_ANSWERED) {
		int len = snprintf(line, sizeof line, "%.*s\n", SLICE(verb));
		errno = 0;
		bool said = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
		            send(fd, line, (size_t)len, MSG_NOSIGNAL) == len;
		if (!said || !read_all(fd, answer)) {
			result = errno == EPIPE || errno == ECONNRESET || errno == 0 ? ADMIN_DENIED : ADMIN_FAILED;
			*answer = sentence(path, errno == EAGAIN ? "no answer in time"
			                                         : "the connection was closed without an answer");
		}
	}
	if (fd >= 0)
		close(fd);
	return result;
}
