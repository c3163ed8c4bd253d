/* strict.h -- JSON of strangers, read with jansson: no duplicate members, no NUL, nesting of 16 at most, one
 * value and nothing behind it. Allocates; bounded by the caller's bound on `bytes`. */
#pragma once
#include "base/slice.h"
#include <jansson.h>

#define STRICT_DEPTH 16

/* NULL where it is not such JSON. json_decref it. A number that is too large for jansson (an integer from
 * 2^63 on, a real beyond the doubles) is a string of the same spelling. */
json_t *strict_read(struct slice bytes);
/* The same, but of a member twice the last one counts. */
json_t *strict_read_loosely(struct slice bytes);

/* strict_numbers.c: a copy in which such numbers are strings; NULL: there are none. free() it. */
char *strict_large_numbers(struct slice bytes, size_t *len);

/* A member that is a string, as a slice into the value; at == NULL where it is absent or something else. */
struct slice strict_text(const json_t *object, const char *name);

/* Ends in a single, visible way: no control characters, no space at either end. What goes into a header
 * field or a log line must not be readable in two ways. */
bool strict_is_plain(struct slice s);
