/* fallback.c -- what one machine may admit while Redis cannot be asked: rate / N of each limit, N the size of
 * the fleet as it was last known, and a bucket of burst / N, but never less than one request's cost. All
 * workers of the machine share it, in the table, beside the key's highest known time.
 *
 * A bucket begins with what the key is believed to have left, divided by N: full where the key is known
 * and owes nothing, with one request where the key is unknown, for somebody else may know it. As what is
 * believed to be left grows just as fast as the share refills, the beginning is one moment in time, which
 * the bucket may never be earlier than. */
#include "limit/fleet.h"

static uint64_t product(uint64_t a, uint64_t b)
{
	static const uint64_t most = UINT64_C(1) << 61;
	uint64_t p;

	return __builtin_mul_overflow(a, b, &p) || p > most ? most : p;
}

static uint64_t floor_of(struct limits *l, const struct bucket_ask *a, struct gcra share, uint64_t now_ns)
{
	uint64_t known, left, tolerance = a->gcra.tolerance_ns;

	if (!buckets_find(l->table, a->tag, &known)) {
		buckets_raise(l->table, a->tag, now_ns, now_ns, crowd_of(l->table, a->from));
		return now_ns + share.tolerance_ns - product(share.period_ns, a->cost);
	}
	if (known <= now_ns)
		return 0;
	left = known < now_ns + tolerance ? now_ns + tolerance - known : 0;
	return now_ns + share.tolerance_ns - left;
}

uint64_t share_tag(const struct limits *l, uint64_t tag)
{
	uint64_t key[2] = { tag, UINT64_C(0x7368617265) }; /* "share" */

	return buckets_tag(l->table, (struct slice){ (const char *)key, sizeof key });
}

uint64_t told_tag(const struct limits *l, uint64_t tag)
{
	uint64_t key[2] = { tag, UINT64_C(0x746f6c64) }; /* "told" */

	return buckets_tag(l->table, (struct slice){ (const char *)key, sizeof key });
}

bool share_take(struct limits *l, const struct plan *plan, const struct bucket_ask *a, uint64_t now_ns,
                struct bucket_answer *to, bool *full)
{
	unsigned size = l->fleet->remote.size(l->fleet->remote.with);
	struct bucket_ask mine = *a;
	uint64_t least, left;

	mine.gcra.period_ns = product(a->gcra.period_ns, size ? size : 1);
	least = product(mine.gcra.period_ns, a->cost);
	mine.gcra.tolerance_ns = least > a->gcra.tolerance_ns ? least : a->gcra.tolerance_ns;
	mine.tag = share_tag(l, a->tag);
	mine.floor_ns = floor_of(l, a, mine.gcra, now_ns);
	bool admitted = buckets_take(l->table, &mine, now_ns, to);
	*full = to->tat == now_ns + least;
	left = gcra_remaining(mine.gcra, to->tat, now_ns);
	left = left < plan->limit->burst ? left : plan->limit->burst;
	to->shown_tat = now_ns + a->gcra.tolerance_ns - product(a->gcra.period_ns, left);
	return admitted;
}
