/* bundle.h -- what of the bundle only the loader uses. */
#pragma once
#include "config/bundle_memory.h"
#include "config/config.h"
#include <limits.h>

#define BUNDLE_FILE_MAX ((size_t)4 << 20)   /* bytes of one file */
#define BUNDLE_TOTAL_MAX ((size_t)64 << 20) /* bytes of all files, names included */

/* Holds only what is put into it and never touches disk or environment. */
struct bundle *bundle_empty(void);

/* All that it holds. */
size_t bundle_pieces(const struct bundle *b, const struct bundle_piece **pieces);
/* The next piece of a kind; *at starts at 0. False: no more. */
bool bundle_next(const struct bundle *b, enum bundle_kind kind, size_t *at, struct slice *name,
                 struct slice *bytes);

/* The absolute form of a path, by the directory where the recording process stood, without doubled slashes
 * and "." segments. Lies in `to`, NUL-terminated; len 0 where it is too long. */
struct slice bundle_absolute(const struct bundle *b, struct slice path, char to[static PATH_MAX]);

/* Paths that match, sorted, each ended by a NUL, one after the other; recorded. A pattern without wildcards
 * stands for itself. False: *why. */
bool bundle_glob(struct bundle *b, const char *pattern, struct slice *paths, const char **why);
