/* body.h -- one field of a small request body, for keys. Private to limit/.
 *
 * What a person types as a name can be written in many ways that an upstream reads as one, so what is
 * compared is normalised: escapes undone, white space at both ends removed, ASCII letters in lower case. The
 * name of the field is compared without regard to case, as some upstreams do. Content-Type is not asked,
 * since some upstreams do not ask it either: whatever can be read in the wanted form is read. A field that
 * stands there twice with two values, a broken escape in it, a NUL, and for JSON anything that is not wholly
 * well formed (RFC 8259, nested at most 32 deep) is not read, for nobody knows what the upstream makes of it.
 */
#pragma once
#include "base/text.h"

#define BODY_MAX 16384 /* bytes: what is longer is not read */

/* The field's value, normalised, in `store`; empty where it is absent, empty or not read. */
struct slice body_form(struct slice body, struct slice field, char store[static BODY_MAX]);
/* field: a member of the outermost object, or of objects in it: "user.name". A string, or an integer as it
 * is written. */
struct slice body_json(struct slice body, struct slice field, char store[static BODY_MAX]);

/* Normalises in place. Empty where there is a NUL in it. */
struct slice body_normal(char *at, size_t len);

/* Values found so far: decoded one behind the other, since decoded text is never longer than its source. */
struct found {
	struct text text;
	struct slice value;
	bool seen, bad;
};
void found_init(struct found *f, char *store);
/* One more value, which lies at the end of text, from `from` on. */
void found_add(struct found *f, size_t from);
