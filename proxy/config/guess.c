#include "config/complain.h"
#include <stdio.h>

#define LONGEST 48 /* bytes; longer words are not guessed */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[3][LONGEST + 1] = { 0 };
	unsigned *older = row[0], *old = row[1], *now = row[2];

	for (unsigned j = 0; j <= b.len; j++)
		old[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		now[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned other = slice_lower(a.at[i - 1]) != slice_lower(b.at[j - 1]);
			now[j] = least(old[j] + 1, now[j - 1] + 1, old[j - 1] + other);
			if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1] &&
			    older[j - 2] + 1 < now[j])
				now[j] = older[j - 2] + 1;
		}
		unsigned *spare = older;
		older = old;
		old = now;
		now = spare;
	}
	return old[b.len];
}

struct guess guess_of(struct slice wrong)
{
	/* a third of it may be wrong, but never so much that any short word would do */
	return (struct guess){ wrong, { 0 }, wrong.len < 3 ? (unsigned)wrong.len : (unsigned)wrong.len / 3 + 1 };
}

void guess_try(struct guess *g, struct slice candidate)
{
	if (g->wrong.len > LONGEST || candidate.len > LONGEST || candidate.len == 0)
		return;
	unsigned d = distance(g->wrong, candidate);
	if (d < g->distance) {
		g->distance = d;
		g->best = candidate;
	}
}

const char *guess_say(const struct guess *g, char to[static GUESS_MAX])
{
	to[0] = '\0';
	if (g->best.len)
		snprintf(to, GUESS_MAX, "; did you mean \"%.*s\"?", SLICE(g->best));
	return to;
}
