/* Builds and runs an Aho-Corasick automaton. */
#include "classify/automaton.h"
#include "base/check.h"
#include <stdlib.h>

static void *zeroed(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	check(memory != NULL);
	return memory;
}

/* Bytes that stand in no word are one class: the table stays narrow. Both cases of a letter are one. */
static void sort_bytes(struct automaton *a, const struct word *words, size_t len)
{
	a->classes = 1;
	for (size_t w = 0; w < len; w++)
		for (size_t i = 0; i < words[w].text.len; i++) {
			uint8_t *class = &a->class_of[(unsigned char)words[w].text.at[i]];
			if (*class == 0)
				*class = (uint8_t)a->classes++;
		}
	for (int c = 'A'; c <= 'Z'; c++)
		a->class_of[c] = a->class_of[c | 0x20];
}

static bool insert(struct automaton *a, struct word word)
{
	size_t state = 0;

	for (size_t i = 0; i < word.text.len; i++) {
		uint16_t *next = &a->next[state * a->classes + a->class_of[(unsigned char)word.text.at[i]]];
		if (*next == 0) {
			if (a->states == STATES_MAX)
				return false;
			*next = (uint16_t)a->states++;
		}
		state = *next;
	}
	a->lists[state] |= UINT64_C(1) << word.list;
	return true;
}

/* Breadth first: where a state has no way on, it takes that of the longest suffix which is a state too. */
static void complete(struct automaton *a)
{
	uint16_t *suffix = zeroed(a->states, sizeof *suffix), *queue = zeroed(a->states, sizeof *queue);
	size_t head = 0, tail = 1; /* the first in the queue is the root */

	while (head < tail) {
		size_t state = queue[head++];
		for (size_t c = 0; c < a->classes; c++) {
			uint16_t *next = &a->next[state * a->classes + c];
			uint16_t fallback = state ? a->next[suffix[state] * a->classes + c] : 0;
			if (*next == 0) {
				*next = fallback;
				continue;
			}
			suffix[*next] = fallback;
			a->lists[*next] |= a->lists[fallback];
			queue[tail++] = *next;
		}
	}
	free(suffix);
	free(queue);
}

bool automaton_build(struct automaton *a, const struct word *words, size_t len)
{
	size_t most = 1;

	*a = (struct automaton){ .states = 1 };
	sort_bytes(a, words, len);
	for (size_t w = 0; w < len; w++)
		most += words[w].text.len;
	if (most > STATES_MAX)
		most = STATES_MAX;
	a->next = zeroed(most * a->classes, sizeof *a->next);
	a->lists = zeroed(most, sizeof *a->lists);
	for (size_t w = 0; w < len; w++)
		if (!insert(a, words[w]))
			return false;
	complete(a);
	return true;
}

void automaton_free(struct automaton *a)
{
	free(a->next);
	free(a->lists);
	*a = (struct automaton){ 0 };
}

uint64_t automaton_scan(const struct automaton *a, struct slice text)
{
	uint64_t lists = 0;
	size_t state = 0;

	for (size_t i = 0; i < text.len; i++) {
		state = a->next[state * a->classes + a->class_of[(unsigned char)text.at[i]]];
		lists |= a->lists[state];
	}
	return lists;
}
