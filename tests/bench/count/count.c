/* count.c -- count: under callgrind, one part of its output for each case. count --time: ns of each case, the
 * least of many tries, since on a shared machine only the least is a fact. */
#include "count.h"
#include <stdio.h>
#include <string.h>
#include <valgrind/callgrind.h>

#define TRIES 200

static void repeat(struct world *w, const struct count_case *c, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		c->once(w, i);
}

static void count(struct world *w, const struct count_case *c)
{
	repeat(w, c, 10); /* what is made once is not counted */
	CALLGRIND_ZERO_STATS;
	repeat(w, c, c->times);
	CALLGRIND_DUMP_STATS_AT(c->name);
	printf("%s %u\n", c->name, c->times);
}

static void measure(struct world *w, const struct count_case *c)
{
	uint64_t least = UINT64_MAX;

	repeat(w, c, 1000);
	for (int i = 0; i < TRIES; i++) {
		uint64_t from = clock_ns();
		repeat(w, c, c->times);
		uint64_t took = (clock_ns() - from) / c->times;
		least = took < least ? took : least;
	}
	printf("| %s | %s | %u |\n", c->name, c->what, (unsigned)least);
}

int main(int argc, char **argv)
{
	static struct world w;
	bool timed = argc > 1 && strcmp(argv[1], "--time") == 0;

	world_open(&w);
	if (timed)
		printf("| decision | of | ns |\n|---|---|---|\n");
	for (unsigned i = 0; i < count_cases_len; i++) {
		if (timed)
			measure(&w, &count_cases[i]);
		else
			count(&w, &count_cases[i]);
	}
	world_close(&w);
	return 0;
}
