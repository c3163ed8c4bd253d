/* parse_logfile.c -- where a log goes: a file, or one of the descriptors that we were started with. Those
 * have paths too, but a device cannot be opened again by the user that the writer becomes. */
#include "config/parse.h"
#include <limits.h>

/* Takes a step that leads on to `word`. */
static bool step(struct slice *path, struct slice word)
{
	struct slice rest = *path;

	if (!slice_same(slice_cut(&rest, '/'), word))
		return false;
	*path = rest;
	return true;
}

/* What stands behind /proc/PROCESS or /proc/PROCESS/task/THREAD. */
static bool step_process(struct slice *path)
{
	if (!step(path, S("proc")) || !path->len)
		return false;
	slice_cut(path, '/');
	if (step(path, S("task")))
		slice_cut(path, '/');
	return true;
}

/* The links that the kernel itself has: /dev/fd leads to /proc/self/fd, and root to "/". */
static void follow(struct text *path)
{
	struct slice rest = slice_from(text_slice(path), 1);

	if (slice_same(rest, S("dev/fd"))) {
		path->len = 0;
		text_add(path, S("/proc/self/fd"));
	} else if (step_process(&rest) && slice_same(rest, S("root"))) {
		path->len = 0;
	}
}

/* Adds the path to what is there, without empty and dot segments. */
static void walk(struct text *to, struct slice path)
{
	while (path.len) {
		struct slice part = slice_cut(&path, '/');
		if (slice_same(part, S("..")))
			while (to->len && to->at[--to->len] != '/')
				;
		else if (part.len && !slice_same(part, S("."))) {
			text_char(to, '/');
			text_add(to, part);
			follow(to);
		}
	}
}

/* The number of the descriptor that the path leads to, of whatever process; -1: to none. */
static int descriptor_of(struct slice path)
{
	static const char *const streams[] = { "dev/stdin", "dev/stdout", "dev/stderr" };
	struct slice rest = slice_from(path, 1);
	uint64_t number;

	for (int i = 0; i < 3; i++)
		if (slice_same(rest, slice_of(streams[i])))
			return i;
	if (!step_process(&rest) || !step(&rest, S("fd")) || !slice_u64(rest, &number) || number > INT_MAX)
		return -1;
	return (int)number;
}

/* NULL where it is none. */
static const char *descriptor_word(struct slice directory, struct slice path)
{
	char room[PATH_MAX];
	struct text t = TEXT(room);

	if (slice_same(path, S("-")))
		return "write stdout";
	if (path.at[0] != '/')
		walk(&t, directory);
	walk(&t, path);
	switch (t.cut ? -1 : descriptor_of(text_slice(&t))) {
	case -1:
		return NULL;
	case 1:
		return "write stdout, without a path";
	case 2:
		return "write stderr, without a path";
	default:
		return "it is a descriptor and no file: write stdout, stderr or a path";
	}
}

bool parse_logfile(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	if (!parse_file(w, from, to, why))
		return false;
	if (slice_same(from, S("stdout")) || slice_same(from, S("stderr")))
		return parse_text(w, from, to, why);
	*why = descriptor_word(w->directory, from);
	return !*why;
}
