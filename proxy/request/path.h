/* path.h -- paths as this proxy and its upstreams read them. Part of request's door. */
#pragma once
#include "base/arena.h"

/* Normalises a path (RFC 3986 section 6.2.2) into the form that is sent on, and of which base/way.h makes the
 * one that is routed:
 *  - escapes of unreserved bytes are decoded, once; all others are kept, with upper-case hex (%25 stays %25,
 *    so that nothing is ever decoded twice);
 *  - slashes in a row become one, first; then dot segments (written or escaped) are resolved; what ended in a
 *    dot segment ends in a slash;
 *  - other visible bytes stay as they are, so do ';' and what follows it: a parameter is part of its segment.
 * False, for what servers read in different ways: no '/' at the front, a byte that is not visible ASCII, '?',
 * '#', a backslash, an escaped slash, backslash, NUL or other control, a broken escape, climbing over the
 * root, and a dot segment with a parameter ("..;a", "..%3Ba").
 * The result is its own normal form. `to` has room for from.len bytes and does not overlap. */
bool path_normalise(struct slice from, char *to, size_t *len);
/* The same, but escaped slashes stay as they are (*slashes: there is one). False also where a segment has
 * nothing, or a dot segment, before, behind or between them, parameters taken off; "%2F" alone may be one. */
bool path_normalise_open(struct slice from, char *to, size_t *len, bool *slashes);
/* Does the path, read from the left as path_normalise_open does, ever stand at the prefix, which is in the
 * form of base/way.h and ends in a slash? *rest: the offset of the slash that first took it there. What
 * follows is not read, so it may leave the prefix again, or be unsound. `to` as above. */
bool path_passes(struct slice from, struct slice prefix, char *to, size_t *rest);
/* A quick look: true where the path is in that form and in that of base/way.h. False says nothing. */
bool path_is_normal(struct slice path);
