/* way.h -- paths in the one form by which routes are chosen, so that no other spelling of a path takes
 * another route.
 *
 * In that form every escape that need not be one is decoded, and every byte that may not stand in a segment
 * (RFC 3986 section 3.3) is escaped, '*' too; what begins with the first ';' or "%3B" of a segment, its
 * parameters, is left out, and slashes in a row become one. It is for choosing alone: nothing in it is ever
 * sent on. */
#pragma once
#include "base/slice.h"

/* The bytes of the form one after the other; start from { .rest = path }, a path as path_normalise makes it.
 * open: an escaped slash ends a segment like any other. */
struct way {
	struct slice rest;
	bool open;
	bool parameter, slash; /* within a parameter; the last byte was a slash */
	uint8_t owed;          /* digits of an escape that are still to come */
	unsigned char byte;    /* what it stands for */
};
int way_next(struct way *w); /* -1: at the end */

/* May the byte stand for itself? */
bool way_is_plain(char c);
/* Writes the form where `to` is not NULL; its length, three times the path's at most. */
size_t way_write(struct slice path, bool open, char *to);
/* Is the form of the path this one, or with `prefix`, which ends in a slash, does it lie within it? */
bool way_is(struct slice path, bool open, struct slice form, bool prefix);
