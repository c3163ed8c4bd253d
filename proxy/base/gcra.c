/* gcra.c -- the generic cell rate algorithm as virtual scheduling (ITU-T I.371 annex A): a bucket is the time
 * at which it will be full again. Over any window of t ns it admits at most (tau + t) / T tokens: those
 * admitted own disjoint intervals of T per token, all of which lie between the window's start and its end +
 * tau. */
#include "base/gcra.h"

#define TOLERANCE_MAX (UINT64_C(1) << 62)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct gcra gcra_of(struct rate rate, uint64_t burst)
{
	struct gcra g = { .period_ns = TOLERANCE_MAX };

	if (rate.count)
		g.period_ns = rate.per_ns / rate.count + (rate.per_ns % rate.count != 0);
	g.period_ns = least(g.period_ns ? g.period_ns : 1, TOLERANCE_MAX);
	if (__builtin_mul_overflow(g.period_ns, burst, &g.tolerance_ns))
		g.tolerance_ns = TOLERANCE_MAX;
	g.tolerance_ns = least(g.tolerance_ns, TOLERANCE_MAX);
	return g;
}

bool gcra_take(struct gcra g, uint64_t *tat, uint64_t now_ns, uint64_t cost, uint64_t *retry_after_ns)
{
	uint64_t debt = *tat > now_ns ? *tat - now_ns : 0;
	uint64_t want;

	if (__builtin_mul_overflow(g.period_ns, cost, &want) || want > g.tolerance_ns) {
		*retry_after_ns = UINT64_MAX;
		return false;
	}
	if (debt > g.tolerance_ns - want) {
		*retry_after_ns = debt - (g.tolerance_ns - want);
		return false;
	}
	*tat = now_ns + debt + want;
	return true;
}

bool gcra_owe(struct gcra g, uint64_t *tat, uint64_t now_ns, uint64_t cost)
{
	uint64_t debt = *tat > now_ns ? *tat - now_ns : 0, most = 2 * g.tolerance_ns, want;

	if (__builtin_mul_overflow(g.period_ns, cost, &want) || want > most)
		want = most;
	if (debt >= most)
		return false;
	*tat = now_ns + (debt > most - want ? most : debt + want);
	return true;
}

uint64_t gcra_remaining(struct gcra g, uint64_t tat, uint64_t now_ns)
{
	uint64_t debt = tat > now_ns ? tat - now_ns : 0;

	return debt < g.tolerance_ns ? (g.tolerance_ns - debt) / g.period_ns : 0;
}
