/* material.h -- what may change while the text stays: certificates, keys, secrets, key sets. Part of config's
 * door. */
#pragma once
#include "base/slice.h"

struct bundle;

/* What a file is like, beside its bytes. */
struct bundle_stamp {
	uint64_t device, inode, size, modified_ns, changed_ns;
	uint32_t owner, mode;
};
/* Of the file as it was read; false: it was not read from the disk. */
bool bundle_stamp(const struct bundle *b, struct slice path, struct bundle_stamp *to);
bool bundle_stamp_now(const char *path, struct bundle_stamp *to); /* of the file on disk; false: errno */
/* This file is part of the text: the configuration, what it includes, its rules. */
void bundle_mark_text(struct bundle *b, const char *path);
/* Takes the text over, as written, with what patterns and variables stood for; the rest is read again. */
void bundle_keep_text(struct bundle *b, const struct bundle *from);
/* The next file that was read from the disk and is no text; *at starts at 0. False: no more. */
bool bundle_material(const struct bundle *b, size_t *at, struct slice *path, struct slice *bytes);
/* The bytes it holds under that absolute name; false: none. */
bool bundle_holds(const struct bundle *b, struct slice path, struct slice *bytes);
