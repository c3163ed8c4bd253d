/* files.h -- the bundle: all files and variables that a configuration refers to, as they were read. Part of
 * config's door. */
#pragma once
#include "base/slice.h"

struct bundle;

struct bundle *bundle_record(void); /* reads the disk and the environment, remembers */
struct bundle *bundle_open(int fd); /* from a sealed memory file; NULL where it is not one of ours */
void bundle_close(struct bundle *b);
int bundle_seal(const struct bundle *b); /* a new sealed memfd, or -1 */

/* A file's bytes, NUL-terminated behind the end. Relative paths begin where the recording process stood.
 * False: *why is a static or bundle-owned sentence part ("no such file"). The slice lives as long as the
 * bundle. */
bool bundle_file(struct bundle *b, const char *path, struct slice *bytes, const char **why);
/* A file made from nothing (dev mode's embedded defaults): bundle_file finds it under this name, before the
 * disk. At most 4 MiB; of several under one name the last counts. */
void bundle_put(struct bundle *b, const char *path, struct slice bytes);
/* May everybody on this machine read it? False also where nothing is read from the disk. */
bool bundle_is_exposed(const struct bundle *b, const char *path);
/* An environment variable by name, recorded too. */
bool bundle_env(struct bundle *b, const char *name, struct slice *value);
