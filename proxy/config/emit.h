/* emit.h -- writes nested data to a stream, as JSON or as YAML of the subset that this room reads. */
#pragma once
#include "base/slice.h"
#include <stdio.h>

struct out {
	FILE *to;
	bool json;
	unsigned depth;
	bool empty; /* nothing in this mapping or list yet */
	bool dash;  /* YAML: the line has begun with "- " */
};

struct out out_to(FILE *to, bool json);
void out_end(struct out *o); /* the last newline */

void out_key(struct out *o, const char *name);
void out_key_slice(struct out *o, struct slice name);
/* A value behind a key: text in quotes where it needs them; bare: a number or a boolean. */
void out_text(struct out *o, struct slice text);
void out_bare(struct out *o, struct slice text);

void out_map_open(struct out *o);
void out_map_close(struct out *o);
void out_list_open(struct out *o);
void out_item(struct out *o); /* before each item of a list */
void out_list_close(struct out *o);
/* A list of texts on one line. */
void out_row_open(struct out *o);
void out_row_text(struct out *o, struct slice text);
void out_row_close(struct out *o);

/* A string with its quotes. */
void out_json(FILE *to, struct slice text);
