/* body.h -- one field of the beginning of a request body, for keys. Private to limit/.
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
 * first BODY_MAX bytes, in which the field was not. */
#pragma once
#include "base/text.h"

#define BODY_MAX 16384 /* bytes: no more of a body is read */
#define FOLDED_MAX 4096 /* bytes that a value beyond ASCII may have when it is normalised */

struct body {
	struct slice bytes, query;
	struct slice type;     /* Content-Type; empty: none */
	bool whole, encoded;   /* bytes are all of it; Content-Encoding */
};
struct body_store { char text[3 * BODY_MAX], value[FOLDED_MAX]; };
enum body_said { BODY_ABSENT, BODY_READ, BODY_UNREADABLE };
/* The field's value, normalised, in `store`: a field of a form, or a member of the outermost JSON object, or
 * of objects in it: "user.name"; a string, or an integer as it is written. */
enum body_said body_read(const struct body *b, bool json, struct slice field, struct body_store *store,
                         struct slice *value);

/* Normalises ASCII in place: trims, lower case. Empty where there is a NUL in it. */
struct slice body_normal(char *at, size_t len);
/* NFKC_Casefold. False: it is no UTF-8, or too long. */
bool body_fold(struct slice in, char to[static FOLDED_MAX], struct slice *out);

/* Values found so far: decoded one behind the other. */
struct found {
	struct text text;
	struct slice value;
	struct body_store *store;
	bool seen, bad;
};
void found_init(struct found *f, struct body_store *store);
/* One more value, which lies at the end of text, from `from` on. */
void found_add(struct found *f, size_t from);

/* What the field has there; json and multipart: false where it ends early or is not well formed. */
void body_form(struct slice body, struct slice field, struct found *f);
bool body_json(struct slice body, struct slice field, struct found *f);
bool body_multipart(struct slice body, struct slice type, struct slice field, struct found *f);
/* A parameter of a field's value ("; name=value"), added to `to`. False: malformed, or there twice. */
bool body_parameter(struct slice field, struct slice name, struct text *to, bool *found);
