/* body_found.h -- what the readers of body_field.h find in each form of a body. Private to request/. */
#pragma once
#include "request/body_field.h"

/* Values found so far: decoded one behind the other. */
struct found {
	struct text text;
	struct slice value;
	struct field_store *store;
	bool seen, bad;
};
void found_init(struct found *f, struct field_store *store);
/* One more value, which lies at the end of text, from `from` on. */
void found_add(struct found *f, size_t from);

/* What the field has there; json and multipart: false where it ends early or is not well formed. */
void found_in_form(struct slice body, struct slice field, struct found *f);
bool found_in_json(struct slice body, struct slice field, struct found *f);
bool found_in_multipart(struct slice body, struct slice type, struct slice field, struct found *f);
/* A parameter of a field's value ("; name=value"), added to `to`. False: malformed, or there twice. */
bool field_parameter(struct slice field, struct slice name, struct text *to, bool *found);
