/* example.h -- the example configuration and the lines to paste. Private to dev/. */
#pragma once
#include "base/text.h"
#include "dev/place.h"

/* The configuration of this place, as a file's text. False: a path is too long. */
bool example_config(const struct dev_place *p, struct text *to);
/* What to try, each with the answer that it will get; for people. */
bool example_lines(const struct dev_place *p, struct text *to);
