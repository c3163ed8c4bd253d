/* Suggests the known word that a misspelt one resembles. */
#include "base/distance.h"
#include "config/diagnostics.h"
#include <stdio.h>

struct guess guess_of(struct slice wrong)
{
	/* a third of it may be wrong, but never so much that any short word would do */
	return (struct guess){ wrong, { 0 }, wrong.len < 3 ? (unsigned)wrong.len : (unsigned)wrong.len / 3 + 1 };
}

void guess_try(struct guess *g, struct slice candidate)
{
	unsigned d = distance(g->wrong, candidate);

	if (candidate.len && d < g->distance) {
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
