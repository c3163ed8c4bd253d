/* form.h -- the parameters of a token request, from a form or a JSON body. Private to dev/. */
#pragma once
#include "base/arena.h"
#include "miniserver/miniserver.h"

#define FORM_MAX 16 /* parameters */

struct form {
	struct {
		struct slice name, value;
	} at[FORM_MAX];
	size_t len;
	struct arena arena;
	/* decoded text is never longer than what it was decoded from */
	_Alignas(max_align_t) char store[MINISERVER_BODY];
};

/* application/x-www-form-urlencoded, or a JSON object whose members are strings. False: malformed, too many,
 * a name twice (RFC 6749 section 3.2). */
bool form_read(struct form *f, struct slice content_type, struct slice body);
/* Empty where it is not there. */
struct slice form_get(const struct form *f, const char *name);
/* Adds one; false where it is there already, or full. */
bool form_add(struct form *f, struct slice name, struct slice value);
/* %41 and + undone, in the form's memory. False: a bad escape. */
bool form_decode(struct form *f, struct slice from, struct slice *to);
