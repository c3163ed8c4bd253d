/* urlencoded.h -- application/x-www-form-urlencoded (URL standard, section 5.1), pair by pair. */
#pragma once
#include "base/slice.h"

/* Cuts the next pair, still encoded, off the front; pairs with an empty name are passed over. False at the
 * end. */
bool urlencoded_next(struct slice *rest, struct slice *name, struct slice *value);

struct text;
/* The other way: letters, digits, *-._ as they are, a space as +, every other byte as %XX. */
void urlencoded_add(struct text *t, struct slice from);

/* %41 and + undone. `to` has room for from.len bytes, and may be where they are. False: a broken escape. */
bool urlencoded_decode(struct slice from, char *to, size_t *len);
