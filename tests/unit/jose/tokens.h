/* tokens.h -- tokens good and bad. */
#pragma once
#include "makers.h"

size_t maker_jose(unsigned char *signature, size_t len, int half);

/* The signature over t, behind a dot, as the algorithm wants it. */
void maker_sign(const struct maker *m, struct text *t);

/* A token in one of a few static buffers. header NULL: an honest one. */
struct slice maker_token(const struct maker *m, const char *header, const char *payload);
