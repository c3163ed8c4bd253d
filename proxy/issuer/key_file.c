/* An issuer whose key set is a file: looked at again and again, read where it has changed. */
#include "base/check.h"
#include "issuer/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define REREAD_NS (60 * NS_PER_S) /* so that its age stays small */

static void fail(struct source *s, const char *why)
{
	char text[200];

	snprintf(text, sizeof text, "%.120s: %s", s->config->jwks.at, why);
	fetch_keys_failed(s, text);
}

/* NULL, or what is wrong. */
static const char *read_whole(int fd, char *to, size_t cap, size_t *len)
{
	struct stat st;
	ssize_t n = 0;

	*len = 0;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "the key set is no regular file";
	while (*len < cap && (n = read(fd, to + *len, cap - *len)) > 0)
		*len += (size_t)n;
	if (n < 0)
		return strerror(errno);
	return *len == cap ? "the key set is over 64 KiB" : NULL;
}

static bool is_unchanged(struct source *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	uint64_t modified = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
	uint64_t stamp[3] = { modified, (uint64_t)st.st_size, (uint64_t)st.st_ino };
	bool same = memcmp(stamp, s->file_stamp, sizeof stamp) == 0;
	memcpy(s->file_stamp, stamp, sizeof stamp);
	return same;
}

/* From the bundle, for a process that may not read the file itself; never once it has read a newer one. */
static void take_bundled(struct source *s, const char *path)
{
	struct slice bytes;
	const char *why = "it cannot be read";
	int saved = errno;

	if (!s->file_was_read && s->keeper->bundle && bundle_file(s->keeper->bundle, path, &bytes, &why))
		fetch_keys_succeeded(s, bytes, UINT64_MAX);
	else
		fail(s, strerror(saved));
}

void key_file_look(struct source *s)
{
	static char bytes[KEYSET_BYTES_MAX + 1];
	const char *path = s->config->jwks.at;
	size_t len;

	check(path[s->config->jwks.len] == '\0');
	bool unchanged = is_unchanged(s, path);
	if (unchanged && !s->failures && !s->asked && s->begun_ns - s->fetched_ns < REREAD_NS) {
		s->due_ns = s->begun_ns + FILE_LOOK_NS;
		return;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		take_bundled(s, path);
		return;
	}
	const char *why = read_whole(fd, bytes, sizeof bytes, &len);
	close(fd);
	if (why) {
		fail(s, why);
		return;
	}
	s->file_was_read = true;
	fetch_keys_succeeded(s, (struct slice){ bytes, len }, UINT64_MAX);
}
