/* automaton.h -- Aho and Corasick's automaton (CACM 1975) over case-folded bytes: one walk over a text finds
 * which lists have a word in it. Private to classify/. */
#pragma once
#include "base/slice.h"

#define STATES_MAX 60000

struct word {
	struct slice text;
	unsigned list;
}; /* lower case; list < 64 */

struct automaton {
	uint8_t class_of[256]; /* of a byte; 0: in no word */
	size_t classes, states;
	uint16_t *next;  /* [state * classes + class] */
	uint64_t *lists; /* [state]: bit per list that has a word ending here */
};

/* False: more states than STATES_MAX. Owned by the caller until automaton_free, also where false. */
bool automaton_build(struct automaton *a, const struct word *words, size_t len);
void automaton_free(struct automaton *a);

/* Bit per list of which a word is in the text. */
uint64_t automaton_scan(const struct automaton *a, struct slice text);
