/* bundle_memory.h -- a bundle's pieces as one sealed memory file: a magic line, then per piece a head, the
 * name, NUL, the bytes, NUL, padded to 8. Our own processes write and read it; it is still bounds-checked. */
#pragma once
#include "base/slice.h"

/* TEXT: this file is part of the configuration's text. STAMP: what the file was like as it was read. KEY:
 * made of a secret for one purpose, which is its name. */
enum bundle_kind {
	BUNDLE_FILE,
	BUNDLE_ENV,
	BUNDLE_GLOB,
	BUNDLE_WHERE,
	BUNDLE_TEXT,
	BUNDLE_STAMP,
	BUNDLE_KEY,
	BUNDLE_KINDS
};

struct bundle_piece {
	enum bundle_kind kind;
	struct slice name, bytes; /* each with a NUL behind its end */
	uint64_t hash;            /* of kind and name */
};

/* A new memory file that nobody can change any more, or -1. */
int bundle_memory_seal(const struct bundle_piece *pieces, size_t len);
/* False where it is not sealed or not of this shape. The caller keeps fd. */
bool bundle_memory_map(int fd, struct slice *mapped);
void bundle_memory_unmap(struct slice mapped);
/* The next piece; *at starts at 0 and is mapped.len after the last one, anything else where it is broken. */
bool bundle_memory_next(struct slice mapped, size_t *at, struct bundle_piece *piece);
