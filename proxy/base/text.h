/* text.h -- builds text in a buffer of fixed size. Overflow is sticky: look once, at the end. */
#pragma once
#include "base/slice.h"

struct text {
	char *at;
	size_t len, cap; /* bytes */
	bool cut;        /* something did not fit; nothing after it was added */
};

#define TEXT(buffer) ((struct text){ .at = (buffer), .cap = sizeof(buffer) })

static inline struct slice text_slice(const struct text *t)
{
	return (struct slice){ t->at, t->len };
}

/* Inline, so that adding a literal is a few stores. */
static inline void text_add(struct text *t, struct slice s)
{
	if (t->cut || s.len > t->cap - t->len) {
		t->cut = true;
		return;
	}
	if (s.len)
		memcpy(t->at + t->len, s.at, s.len);
	t->len += s.len;
}

static inline void text_char(struct text *t, char c)
{
	if (t->cut || t->len == t->cap) {
		t->cut = true;
		return;
	}
	t->at[t->len++] = c;
}

/* "name: value" and CR LF, a field of a head: whole, or not at all. */
static inline void text_field(struct text *t, struct slice name, struct slice value)
{
	size_t len = name.len + value.len + 4;
	char *to = t->at + t->len;

	if (t->cut || len > t->cap - t->len) {
		t->cut = true;
		return;
	}
	if (name.len)
		memcpy(to, name.at, name.len);
	memcpy(to + name.len, ": ", 2);
	if (value.len)
		memcpy(to + name.len + 2, value.at, value.len);
	memcpy(to + len - 2, "\r\n", 2);
	t->len += len;
}

void text_u64(struct text *t, uint64_t n);
void text_hex(struct text *t, const void *bytes, size_t len);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The inside of a JSON string: quotes, backslashes, controls and invalid UTF-8 escaped (as \u00XX). */
void text_json(struct text *t, struct slice s);
/* The same, at most `most` (3 or more) bytes of it: whole characters, and an ellipsis where it was longer. */
void text_json_most(struct text *t, struct slice s, size_t most);

/* & < > " ' as entities, control characters dropped. */
void text_html(struct text *t, struct slice s);

/* A NUL after the end, not counted in len. False where there is no room or something was cut. */
bool text_end(struct text *t);

/* base64url without padding (RFC 4648 section 5). Decoding refuses padding, other alphabets, a length of 1
 * mod 4 and non-zero trailing bits; returns false then. `to` needs len*3/4+1 bytes of room in cap. */
void text_base64url(struct text *t, const void *bytes, size_t len);
bool text_base64url_decode(struct slice from, void *to, size_t cap, size_t *len);
