/* refusing.c -- which limits refuse now: a sum over the busiest keys of all workers. */
#include "limit/hot.h"
#include "limit/inside.h"
#include <stdlib.h>

struct sum {
	uint64_t refused, keys;
};

static void add_up(const struct limits *l, const struct hot_key *keys, size_t len, struct sum *sums)
{
	for (size_t k = 0; k < len; k++)
		for (size_t i = 0; i < l->plans_len && keys[k].refused; i++)
			if (l->plans[i].name_hash == keys[k].limit) {
				sums[i].refused += keys[k].refused;
				sums[i].keys++;
			}
}

static void write_out(const struct limits *l, const struct sum *sums, struct text *to)
{
	bool first = true;

	text_char(to, '[');
	for (size_t i = 0; i < l->plans_len; i++) {
		if (!sums[i].refused)
			continue;
		text_printf(to, "%s{\"limit\":\"%.*s\",\"refused\":%llu,\"keys\":%llu,\"shadow\":%s}",
		            first ? "" : ",", SLICE(l->plans[i].limit->id), (unsigned long long)sums[i].refused,
		            (unsigned long long)sums[i].keys, l->plans[i].shadow == 100 ? "true" : "false");
		first = false;
	}
	text_char(to, ']');
}

bool limits_print_refusing(const struct limits *l, const struct limit_hot *const *hot, size_t hot_len,
                           uint64_t now_ns, struct text *to)
{
	struct hot_key *keys = calloc(HOT_SETS * HOT_WAYS, sizeof *keys);
	struct sum *sums = calloc(l->plans_len + 1, sizeof *sums);
	bool ok = keys && sums;

	for (size_t i = 0; ok && i < hot_len; i++)
		add_up(l, keys, hot_read(hot[i], now_ns, keys), sums);
	if (ok)
		write_out(l, sums, to);
	free(keys);
	free(sums);
	return ok && !to->cut;
}
