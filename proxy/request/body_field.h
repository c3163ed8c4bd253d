/* body_field.h -- one field of the beginning of a request body. Part of request's door.
 *
 * What a person types as a name can be written in many ways that an upstream reads as one, so what is
 * compared is normalised: escapes undone, letters of other widths, cases and compositions made one,
 * characters that nobody sees removed (NFKC_Casefold of the Unicode standard), white space at both ends
 * removed. The name of the field is compared without regard to case, as some upstreams do. Content-Type is
 * asked for multipart forms, a charset, and what says that it is JSON, since some upstreams do not ask it
 * either: whatever can be read in the wanted form is read.
 *
 * Unreadable is what two readers may read in two ways: the field twice with two values, the query's counted
 * too; a broken escape, a NUL or bytes in it that are no UTF-8; another charset or a Content-Encoding; JSON
 * (RFC 8259, nested at most 32 deep) or multipart that is not well formed; a body that goes on after the
 * first BODY_FIELD_MAX bytes, in which the field was not. */
#pragma once
#include "base/text.h"

#define BODY_FIELD_MAX 16384 /* bytes: no more of a body is read */
#define FOLDED_MAX 4096      /* bytes that a value beyond ASCII may have when it is normalised */

struct field_source {
	struct slice bytes, query;
	struct slice type;   /* Content-Type; empty: none */
	bool whole, encoded; /* bytes are all of it; Content-Encoding */
};
struct field_store {
	char text[3 * BODY_FIELD_MAX], value[FOLDED_MAX];
};
enum field_result { FIELD_ABSENT, FIELD_READ, FIELD_UNREADABLE };
/* The field's value, normalised, in `store`: a field of a form, or a member of the outermost JSON object, or
 * of objects in it: "user.name"; a string, or an integer as it is written. */
enum field_result body_field(const struct field_source *b, bool json, struct slice field,
                             struct field_store *store, struct slice *value);

/* Normalises ASCII in place: trims, lower case. Empty where there is a NUL in it. */
struct slice field_normal(char *at, size_t len);
/* NFKC_Casefold. False: it is no UTF-8, or too long. */
bool field_fold(struct slice in, char to[static FOLDED_MAX], struct slice *out);
