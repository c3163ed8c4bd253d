/* distance.h -- how far is a misspelt word from a right one? */
#pragma once
#include "base/slice.h"

#define DISTANCE_LEN_MAX 48 /* bytes; longer words are not compared */

/* Edits of ASCII letters of any case: insertions, deletions, substitutions and swaps of neighbours (optimal
 * string alignment). UINT_MAX where a word is longer than DISTANCE_LEN_MAX. */
unsigned distance(struct slice a, struct slice b);
