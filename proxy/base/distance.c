/* distance.c -- optimal string alignment, three rows at a time. */
#include "base/distance.h"
#include <limits.h>

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool same(char a, char b)
{
	return slice_lower(a) == slice_lower(b);
}

unsigned distance(struct slice a, struct slice b)
{
	unsigned row[3][DISTANCE_LEN_MAX + 1] = { 0 };
	unsigned *older = row[0], *old = row[1], *now = row[2];

	if (a.len > DISTANCE_LEN_MAX || b.len > DISTANCE_LEN_MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= b.len; j++)
		old[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		now[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			now[j] = least(old[j] + 1, now[j - 1] + 1, old[j - 1] + !same(a.at[i - 1], b.at[j - 1]));
			if (i > 1 && j > 1 && same(a.at[i - 1], b.at[j - 2]) && same(a.at[i - 2], b.at[j - 1]) &&
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
